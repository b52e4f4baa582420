"""What a picture may cost, asked before it is decoded: a few kB of PNG or TIFF can stand for gigabytes of one colour.

A picture's size stands in its header.  Small ones are always decoded; a large one only if the file weighs what a photograph of its
size does, so that a camera of 150 megapixels is no matter and a compressed nothing is.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator

from PIL import Image, TiffImagePlugin

from hetnet_ros.errors import InputError

MOST_PIXELS = 178_956_970
"""Beyond it no picture is decoded; Pillow's own limit, twice its MAX_IMAGE_PIXELS."""
FREE_BYTES = 80_000_000
"""Of pixels in memory, for which a file may be as small as it likes: 20 megapixels in colour, 40 of a grey mask.  Copies on the way
take as much again and more."""
PIXELS_A_BYTE = 100
"""At most, in what is larger: a JPEG needs a byte for 30 to 90 pixels even where there is nothing to see."""
CAMERA_GROWS = 4
"""A camera's next picture may have so many times the pixels of its largest; when it stops binning 2x2, it has."""
CAMERA_PIXELS_A_BYTE = 25
"""At most, in a picture that is larger than that: so much says that the camera was set up anew."""
FORMATS = frozenset({"PNG", "JPEG", "MPO", "TIFF", "BMP", "DIB", "WEBP", "PPM", "GIF", "JPEG2000"})
"""Of Pillow's; others run programs (EPS) or are no pictures."""

_COLOUR = 4
_GREY = 2


class TooLarge(InputError):
    """The picture would cost more than it may."""


def admission(data: bytes, usual_pixels: int = 0, mask: bool = False,
              shape: tuple[int, int] | None = None) -> Callable[[Image.Image], None]:
    """What is to be asked of a picture that was opened from ``data``, before anything of it is decoded; raises as
    :func:`check_picture` does.

    shape: (height, width) that it is expected to have; of that size it costs no more than what it belongs to.
    """

    def admit(image: Image.Image) -> None:
        if shape is None or image.size != tuple(shape)[::-1]:
            check_picture(image, len(data), usual_pixels, mask)
            check_tiff(data)  # its tiles may be larger than the picture

    return admit


def check_picture(image: Image.Image, stored: int, usual_pixels: int = 0, mask: bool = False) -> None:
    """Raise TooLarge for a picture that Pillow has opened and not yet decoded, and InputError for a format that is not read.

    stored: its bytes as they came.  usual_pixels: the largest that this camera has sent, 0 where that is not known.  mask: it stays
    grey if it is.
    """
    if image.format not in FORMATS:
        raise InputError(f"its format, {image.format}, is not read; use PNG, JPEG, TIFF or BMP")
    check_pixels(*image.size, stored, _GREY if mask and image.mode in ("1", "L") else _COLOUR)
    pixels = image.width * image.height
    if usual_pixels and pixels > CAMERA_GROWS * usual_pixels and pixels > CAMERA_PIXELS_A_BYTE * stored:
        raise TooLarge(f"it claims {image.width}x{image.height} pixels in {stored:,} bytes, and the camera's largest so far had "
                       f"{usual_pixels:,}")


def check_pixels(width: int, height: int, stored: int = 0, pixel_bytes: int = _COLOUR) -> None:
    """Raise TooLarge for a size that may not be decoded, or made, from ``stored`` bytes."""
    pixels = width * height
    if pixels > MOST_PIXELS:
        raise TooLarge(f"it has {width}x{height} pixels, and at most {MOST_PIXELS / 1e6:.0f} million are read: store it at a lower "
                       "resolution")
    if pixels * pixel_bytes > FREE_BYTES and pixels > PIXELS_A_BYTE * stored:
        raise TooLarge(f"it claims {width}x{height} pixels in {stored:,} bytes, too little for a picture of anything: store it anew "
                       "or at a lower resolution")


def tiff_pages(data: bytes | memoryview) -> Iterator[TiffImagePlugin.ImageFileDirectory_v2]:
    """The tags of a TIFF's pages in turn, as far as they can be read.  It is one object, filled anew for each page."""
    big, seen = bytes(data[2:4]) in (b"\x2b\0", b"\0\x2b"), set()
    tags, file = TiffImagePlugin.ImageFileDirectory_v2(bytes(data[: 16 if big else 8])), io.BytesIO(data)
    while tags.next and tags.next not in seen:  # pages may be chained in a ring
        seen.add(tags.next)
        file.seek(tags.next)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags.load(file)
        yield tags


def check_tiff(data: bytes | memoryview) -> None:
    """Raise TooLarge where the header of a TIFF promises more than a picture may cost, in whole or in one tile, whoever decodes
    it; other data, and damage, are left to the decoder."""
    if bytes(data[:2]) not in (b"II", b"MM"):
        return
    try:
        tags = next(tiff_pages(data))
        width, height = (max(int(tags.get(tag) or 0), int(tags.get(tile) or 0)) for tag, tile in ((256, 322), (257, 323)))
        pixel_bytes = max(1, int(tags.get(277, 1)) * max(tags.get(258, (1,))) // 8)
    except Exception:  # noqa: BLE001 - damage shows in many ways, and the decoder words it
        return
    check_pixels(width, height, len(data), pixel_bytes)
    if width * height * pixel_bytes > 8 * MOST_PIXELS:
        raise TooLarge(f"it has {width}x{height} pixels of {pixel_bytes} bytes: store it with 8 or 16 bits")


class CameraBudget:
    """The largest picture that one camera has sent; not safe between threads."""

    def __init__(self) -> None:
        self.usual_pixels = 0

    def note(self, shape: tuple[int, ...]) -> None:
        """A picture of this (height, width, ...) was decoded."""
        self.usual_pixels = max(self.usual_pixels, shape[0] * shape[1])
