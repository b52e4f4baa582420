"""What compressed data may become: a bound known before anything is unpacked, since kilobytes of zeros stand for gigabytes.

Small results are always allowed; a large one only where the compressed data weighs something, as recordings of cameras do.
"""

from __future__ import annotations

import os
from typing import IO

import zstandard

from hetnet_ros.user_files import MB

LARGEST = 512 * MB
"""Bytes of one message, record or chunk: a raw picture of 150 megapixels has 430 MB."""
FREE = 64 * MB
"""Of what is unpacked, whatever it is unpacked from."""
RATIO = 50
"""Beyond that; pictures of cameras shrink to a half, those of a virtual cell to a twentieth."""


class TooMuch(ValueError):
    """The data would become more than it may."""


def most_unpacked(stored: int, free: int = FREE) -> int:
    """Bytes that ``stored`` compressed ones may become."""
    return min(LARGEST, max(free, RATIO * stored))


def unpack_zstd(data: bytes, claimed: int | None = None) -> bytes:
    """One zstd frame unpacked.  claimed: its size by what is written beside it.  Raises TooMuch, or ZstdError for damage."""
    inside = zstandard.frame_content_size(data)
    _check(max(inside, claimed or 0), len(data))
    most = most_unpacked(len(data)) if claimed is None else claimed
    # Without a size in the frame, zstandard sets aside what may come; so ask for that only where it is not known.
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=most if inside < 0 else 0)


def unpack_lz4(data: bytes, claimed: int) -> bytes:
    """One lz4 frame unpacked; as :func:`unpack_zstd`, with RuntimeError for damage."""
    import lz4.frame

    _check(claimed, len(data))
    unpacked = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=claimed + 1)
    if len(unpacked) > claimed:
        raise TooMuch(f"it becomes more than the {claimed:,} bytes that it claims")
    return unpacked


def _check(size: int, stored: int) -> None:
    if size > most_unpacked(stored):
        raise TooMuch(f"{stored:,} bytes claim to be {size:,}, which no recording is")


class BoundedStream:
    """A stream, packed or plain, of which no read takes more than ``most`` bytes, and all together no more than ``total``.

    Lengths in a damaged file are anything; a plain file gives at most what it has, a packed one whatever is asked for.
    """

    def __init__(self, stream: IO[bytes], most: int, total: int | None = None) -> None:
        self._stream, self._most, self._total = stream, most, total
        self.seekable = total is None

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self._most:
            raise TooMuch(f"{size:,} bytes are claimed for one record")
        data = self._stream.read(size)
        if self._total is not None and self._stream.tell() > self._total:
            raise TooMuch(f"it unpacks to more than {self._total:,} bytes")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def __enter__(self) -> BoundedStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
