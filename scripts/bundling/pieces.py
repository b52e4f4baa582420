"""A folder as one tar archive, written in pieces that fit the way it travels, and read back from them.

Nothing is compressed: wheels are, and weights hardly shrink.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import BinaryIO

from bundling.hashes import CHUNK, hash_file


class PieceWriter(io.RawIOBase):
    """A stream that goes to ``bundle.tar.001``, ``.002``... of at most ``most`` bytes each (0: one piece)."""

    def __init__(self, folder: Path, most: int) -> None:
        super().__init__()
        self.folder = folder
        self.most = most
        self.pieces: list[dict] = []
        self._file: BinaryIO | None = None

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        view = memoryview(data)
        done = 0
        while done < len(view):
            if self._file is None:
                self._begin()
            room = self.most - self._size if self.most else len(view)
            part = view[done:done + room]
            self._file.write(part)
            self._digest.update(part)
            self._size += len(part)
            done += len(part)
            if self._size == self.most:
                self._end()
        return len(view)

    def close(self) -> None:
        if self._file is not None:
            self._end()
        super().close()

    def _begin(self) -> None:
        self._name = f"bundle.tar.{len(self.pieces) + 1:03d}"
        self._file = open(self.folder / self._name, "wb")
        self._digest, self._size = hashlib.sha256(), 0

    def _end(self) -> None:
        self._file.close()
        self._file = None
        self.pieces.append({"name": self._name, "size": self._size, "sha256": self._digest.hexdigest()})


def pack(payload: Path, out: Path, most: int) -> tuple[list[dict], list[dict]]:
    """Write the files below ``payload`` to pieces in ``out``, removing each when it is written; pieces and files, described."""
    files = []
    with PieceWriter(out, most) as writer, tarfile.open(fileobj=writer, mode="w|", bufsize=CHUNK) as archive:
        for path in sorted(file for file in payload.rglob("*") if file.is_file()):
            name = path.relative_to(payload).as_posix()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = path.stat().st_size, 0o644
            files.append({"name": name, "size": entry.size, "sha256": hash_file(path)})
            with open(path, "rb") as file:
                archive.addfile(entry, file)
            path.unlink()  # or the disk would have to hold everything twice
    return writer.pieces, files
