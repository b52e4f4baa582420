"""Image files in, 8-bit RGB arrays out: the one place that knows about PNG, TIFF, JPEG and BMP.

A damaged file is refused where the damage can be noticed (``decoding.py``).  Bit depths are scaled by their full range, or by the
range that all pictures of a part use, and never by an image's own minimum and maximum: stretching each image separately would
hide the very changes an inspection looks for.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.decoding import Damaged, Picture, UnknownFormat, decode, may_be_deep
from hetnet_ros.inspection.picture_budget import admission
from hetnet_ros.inspection.sample_depth import FULL, TooDeep, to_8_bits
from hetnet_ros.own_files import drawn_files
from hetnet_ros.user_files import MB, read_bytes

#: Suffixes (lower case) that :func:`list_images` takes for images.
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm"})

#: The shortest side, in pixels, below which an image is refused: no teacher's feature map means anything there.
MIN_SIDE_PX = 16

LARGEST_FILE = 2048 * MB
"""Bytes: the largest picture that is read, stored without compression at 16 bits and with an alpha channel, has 1,432 MB."""


def list_images(folder: str | Path) -> list[Path]:
    """The image files directly in ``folder``, in natural order (2 before 10).

    Hidden files are left out, and overlays and masks that hetnet drew there.  A link that leads nowhere is in the list: reading it
    says so.  The list may be empty.  Raises InputError if ``folder`` is not a readable folder.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"{folder}: no such folder; check the path")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, not a folder of images; give the folder it lies in")
    try:
        drawn = drawn_files(folder)
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.name not in drawn
            and (path.is_file() or (path.is_symlink() and not path.exists()))
        ]
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be listed ({error.strerror}); check its permissions") from error
    return sorted(found, key=natural_order)


def lost_link(path: Path) -> str:
    """A line for the user where ``path`` is a link that leads nowhere, empty for anything else."""
    if not os.path.islink(path) or os.path.exists(path):  # pathlib's own raise for a name that is too long
        return ""
    return f"{shown(path)} is a link to {shown(os.readlink(path))}, which is not there: mount or restore it, or remove the link"


def natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort key that orders numbers in a file name by value, so that ``2.png`` comes before ``10.png``."""
    pieces = re.split(r"([0-9]+)", path.name.lower())
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces], path.name


def read_rgb(path: str | Path, bits: int = FULL) -> np.ndarray:
    """One image file as uint8 (H, W, 3) RGB, in the pixel grid it is stored in.

    Grey is repeated into three channels; palettes and CMYK are converted; a file with several pictures is
    refused.  bits: how many of their 16 the pictures really use (the model's ``sample_bits``): 0 to 2 ** bits - 1 becomes 0 to 255,
    and a value beyond is refused; with all 16, of colour the upper byte is taken, which is the same within one step.
    Floats must run from 0 to 1.  An alpha channel is dropped, as cv_bridge drops it
    from rgba8.  Orientation (EXIF, TIFF) is not applied: masks, maps and boxes refer to the stored grid.

    Raises InputError if the file is missing, unreadable, truncated, not an image or smaller than :data:`MIN_SIDE_PX`.
    """
    path = Path(path)
    pixels = _decode(path, deep=bits < FULL).pixels
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise InputError(
            f"{path} is only {width}x{height} pixels; images must be at least {MIN_SIDE_PX} pixels wide and high"
        )
    pixels = _to_uint8(pixels, path, bits)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3])


def read_mask(path: str | Path, shape: tuple[int, int] | None = None) -> np.ndarray:
    """A ground truth mask as bool (H, W): True where any colour channel is not zero.

    shape: (height, width) of its image, if that is known: a mask of that size is read however little its file weighs.
    In a lossy file (JPEG, JPEG 2000, most WebP, TIFF with such data) compression leaves small values beside every edge, so there True
    begins at half the range.
    Raises InputError as :func:`read_rgb` does; masks may be of any size.
    """
    path = Path(path)
    picture = _decode(path, deep=True, mask=True, shape=shape)
    pixels = picture.pixels
    if pixels.ndim == 3:
        colours = pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, :1]
        pixels = colours.max(axis=2)
    return pixels > np.iinfo(pixels.dtype).max // 2 if picture.lossy else pixels != 0


def largest_sample(path: str | Path) -> int | None:
    """The largest value of a file with 16-bit values; None for any other file, also one that cannot be read."""
    if not Path(path).is_file():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on size and metadata
            with Image.open(path) as image:  # the header alone: few files are read twice
                if not may_be_deep(image):
                    return None
        pixels = _decode(Path(path), deep=True).pixels
    except (Damaged, InputError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None  # told where the file is read
    return int(pixels.max()) if pixels.dtype.itemsize > 1 and np.issubdtype(pixels.dtype, np.integer) else None


def _decode(path: Path, deep: bool = False, mask: bool = False, shape: tuple[int, int] | None = None) -> Picture:
    """What is stored in a file; deep: colours of 16 bits as they are, not their upper bytes.  mask, shape: as for :func:`read_mask`."""
    data = read_bytes(path, "image", LARGEST_FILE, "check the path and its permissions")
    if not data:
        raise InputError(f"{shown(path)} cannot be read as an image: the file is empty; write it again or remove it")

    try:
        return decode(data, deep=deep, admit=admission(data, mask=mask, shape=shape))
    except UnknownFormat:
        raise InputError(f"{shown(path)} cannot be read as an image: its format is not known; use PNG, JPEG, TIFF or BMP") from None
    except InputError as error:
        raise InputError(f"{shown(path)} cannot be read as an image: {error}") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"{shown(path)} is too large an image to decode ({error}); store it at a lower resolution") from error
    except Damaged as error:
        raise InputError(
            f"{shown(path)} cannot be read as an image: it is damaged or cut short ({error}); write it again or remove it"
        ) from error


def _to_uint8(pixels: np.ndarray, path: Path, bits: int) -> np.ndarray:
    """Scales by the full range of the stored type, of 16-bit values by that of ``bits``; see :func:`read_rgb`."""
    if pixels.dtype == np.uint8:
        return pixels
    low, high = pixels.min(), pixels.max()
    if np.issubdtype(pixels.dtype, np.floating):
        if not (np.isfinite(low) and np.isfinite(high)) or low < 0 or high > 1:
            raise InputError(
                f"{path} holds floats from {low:.4g} to {high:.4g}; float images must run from 0 to 1, "
                "or store them with 8 or 16 bits"
            )
        return (pixels * 255 + 0.5).astype(np.uint8)
    if low < 0 or high > 65535:
        raise InputError(f"{path} holds integers from {low} to {high}; store it with 8 or 16 bits (0 to 65535)")
    try:
        return to_8_bits(pixels.astype(np.uint16, copy=False), bits)
    except TooDeep as error:
        raise InputError(f"{path}: {error}") from None
