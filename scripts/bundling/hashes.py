"""SHA-256 of files, and the file ``SHA256SUMS`` as ``sha256sum`` writes and reads it."""

from __future__ import annotations

import hashlib
from pathlib import Path

CHUNK = 2**20


def hash_file(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_sums(folder: Path, hashes: dict[str, str]) -> None:
    """``SHA256SUMS`` of the files named, for ``sha256sum -c SHA256SUMS`` in the folder."""
    (folder / "SHA256SUMS").write_text("".join(f"{value}  {name}\n" for name, value in sorted(hashes.items())))


def read_sums(folder: Path) -> dict[str, str]:
    """Name -> hash.  Lines that are none are left out: what they spoke of is then missing."""
    lines = (folder / "SHA256SUMS").read_text(errors="replace").splitlines()
    pairs = [line.split(None, 1) for line in lines]
    return {pair[1].lstrip("*"): pair[0] for pair in pairs if len(pair) == 2}
