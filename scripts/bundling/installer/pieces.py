"""The bundle as it arrived: every file there, every hash right, and the archive unpacked from its pieces."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import BinaryIO

from bundling.hashes import CHUNK, hash_file, read_sums
from bundling.process import Console, Problem

AGAIN = "copy it again"


def read_manifest(folder: Path) -> dict:
    """The manifest, once it and the files around it are known to be whole."""
    sums = read_sums(folder)
    for name in ("manifest.json", "install", "install.pyz", "README.txt"):
        if name not in sums:
            raise Problem(f"SHA256SUMS is damaged: {AGAIN}")
        _check(folder, name, sums[name], None)
    return json.loads((folder / "manifest.json").read_text())


def check_pieces(console: Console, folder: Path, pieces: list[dict]) -> None:
    """Raises Problem that names the piece that is missing, cut short or damaged."""
    missing = [piece["name"] for piece in pieces if not (folder / piece["name"]).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more are" if len(missing) > 1 else " is"
        raise Problem(f"{missing[0]}{more} missing from {folder}: copy {'them' if len(missing) > 1 else 'it'} again")
    console.say(f"checking {len(pieces)} pieces")
    for piece in pieces:
        _check(folder, piece["name"], piece["sha256"], piece["size"])


def _check(folder: Path, name: str, sha256: str, size: int | None) -> None:
    path = folder / name
    try:
        there = path.stat().st_size
        if size is not None and there != size:
            raise Problem(f"{name} has {there:,} bytes instead of {size:,}: {AGAIN}")
        found = hash_file(path)
    except FileNotFoundError:
        raise Problem(f"{name} is missing from {folder}: {AGAIN}") from None
    except OSError as error:
        raise Problem(f"{name} cannot be read ({error.strerror}): {AGAIN}") from None
    if found != sha256:
        raise Problem(f"{name} is damaged (SHA-256 {found[:12]}..., and {sha256[:12]}... is right): {AGAIN}")


class _Joined(io.RawIOBase):
    """The pieces, one after another, as one stream."""

    def __init__(self, paths: list[Path]) -> None:
        super().__init__()
        self._paths = list(reversed(paths))
        self._file: BinaryIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while True:
            if self._file is None:
                if not self._paths:
                    return 0
                self._file = open(self._paths.pop(), "rb")
            count = self._file.readinto(buffer)
            if count:
                return count
            self._file.close()
            self._file = None


def unpack(folder: Path, manifest: dict, target: Path) -> None:
    """Write the files of the archive below ``target``, each checked against the manifest."""
    expected = {file["name"]: file["sha256"] for file in manifest["files"]}
    stream = io.BufferedReader(_Joined([folder / piece["name"] for piece in manifest["pieces"]]), CHUNK)
    with tarfile.open(fileobj=stream, mode="r|", bufsize=CHUNK) as archive:
        for entry in archive:
            if entry.name not in expected or not entry.isfile():  # which also keeps ".." and absolute names out
                raise Problem(f"the bundle holds {entry.name[:80]!r}, which its manifest does not name: {AGAIN}")
            path = target / entry.name
            path.parent.mkdir(parents=True, exist_ok=True)
            digest = hashlib.sha256()
            source = archive.extractfile(entry)
            with open(path, "wb") as file:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            if digest.hexdigest() != expected.pop(entry.name):
                raise Problem(f"{entry.name} changed while it was read: the disk or stick with the bundle is failing")
    if expected:
        raise Problem(f"the bundle lacks {next(iter(expected))}: {AGAIN}")
