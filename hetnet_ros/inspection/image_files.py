"""Image files in, 8-bit RGB arrays out: the one place that knows about PNG, TIFF, JPEG and BMP.

Pillow decodes, because it refuses truncated files where OpenCV fills the rest with grey and goes on, and a half-read
image must never be judged as if it were whole.  Bit depths are scaled by their full range and never by an image's own
minimum and maximum: stretching each image separately would hide the very changes an inspection looks for.
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.picture_budget import admission, check_tiff
from hetnet_ros.user_files import MB, read_bytes

#: Suffixes (lower case) that :func:`list_images` takes for images.
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})

#: The shortest side, in pixels, below which an image is refused: no teacher's feature map means anything there.
MIN_SIDE_PX = 16

LARGEST_FILE = 2048 * MB
"""Bytes: the largest picture that is read, stored without compression at 16 bits and with an alpha channel, has 1,432 MB."""

_LOSSY_FORMATS = frozenset({"JPEG", "MPO"})


def list_images(folder: str | Path) -> list[Path]:
    """The image files directly in ``folder``, in natural order (2 before 10); hidden files are left out.

    The list may be empty.  Raises InputError if ``folder`` is not a readable folder.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"{folder}: no such folder; check the path")
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, not a folder of images; give the folder it lies in")
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
        ]
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be listed ({error.strerror}); check its permissions") from error
    return sorted(found, key=natural_order)


def natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Sort key that orders numbers in a file name by value, so that ``2.png`` comes before ``10.png``."""
    pieces = re.split(r"([0-9]+)", path.name.lower())
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces], path.name


def read_rgb(path: str | Path) -> np.ndarray:
    """One image file as uint8 (H, W, 3) RGB, in the pixel grid it is stored in.

    Grey is repeated into three channels; palettes and CMYK are converted; of a file with several frames the first is
    taken.  16-bit values keep their full range, 0..65535 becoming 0..255 (grey is divided by 257, of colour the upper
    byte is taken: the same within one step); a 12-bit camera's frames have to be scaled up before they are stored.
    Floats must run from 0 to 1.  An alpha channel is dropped, as cv_bridge drops it
    from rgba8.  EXIF orientation is not applied: masks, maps and boxes refer to the stored grid.

    Raises InputError if the file is missing, unreadable, truncated, not an image or smaller than :data:`MIN_SIDE_PX`.
    """
    path = Path(path)
    pixels, _ = _decode(path)
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise InputError(
            f"{path} is only {width}x{height} pixels; images must be at least {MIN_SIDE_PX} pixels wide and high"
        )
    pixels = _to_uint8(pixels, path)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.ascontiguousarray(pixels[:, :, :3])


def read_mask(path: str | Path, shape: tuple[int, int] | None = None) -> np.ndarray:
    """A ground truth mask as bool (H, W): True where any colour channel is not zero.

    shape: (height, width) of its image, if that is known: a mask of that size is read however little its file weighs.
    In a lossy file (JPEG) compression leaves small values beside every edge, so there True begins at half the range.
    Raises InputError as :func:`read_rgb` does; masks may be of any size.
    """
    path = Path(path)
    pixels, lossy = _decode(path, mask=True, shape=shape)
    if pixels.ndim == 3:
        colours = pixels[:, :, :3] if pixels.shape[2] >= 3 else pixels[:, :, :1]
        pixels = colours.max(axis=2)
    return pixels > 127 if lossy else pixels != 0


def _decode(path: Path, mask: bool = False, shape: tuple[int, int] | None = None) -> tuple[np.ndarray, bool]:
    """The stored pixels, (H, W) or (H, W, C) with C 3 or 4 in RGB order, of any dtype; and whether they are lossy."""
    data = read_bytes(path, "image", LARGEST_FILE, "check the path and its permissions")
    if not data:
        raise InputError(f"{path} cannot be read as an image: the file is empty; write it again or remove it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # size and EXIF remarks of Pillow; errors still come as exceptions
            with Image.open(io.BytesIO(data)) as image:
                admission(data, mask=mask, shape=shape)(image)
                lossy = image.format in _LOSSY_FORMATS
                if image.mode in ("1", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "La", "LA"):
                    image = image.convert("L" if image.mode in ("1", "La", "LA") else "RGB")
                pixels = np.asarray(image)
    except UnidentifiedImageError:
        pixels, lossy = _decode_float_tiff(data, path), False
    except InputError as error:
        raise InputError(f"{shown(path)} cannot be read as an image: {error}") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"{shown(path)} is too large an image to decode ({error}); store it at a lower resolution") from error
    except Exception as error:  # Pillow raises many types on bad data: OSError, SyntaxError, struct.error, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} cannot be read as an image: it is damaged or cut short ({reason}); write it again or remove it"
        ) from error
    return pixels, lossy


def _decode_float_tiff(data: bytes, path: Path) -> np.ndarray:
    """Multi-channel float or 32-bit TIFFs, which Pillow does not know and OpenCV does."""
    try:
        check_tiff(data)
    except InputError as error:
        raise InputError(f"{shown(path)} cannot be read as an image: {error}") from None
    pixels = None
    if data[:4] in (b"II*\0", b"MM\0*"):
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error:
            pixels = None
        finally:
            cv2.utils.logging.setLogLevel(level)
    if pixels is None:
        raise InputError(f"{path} cannot be read as an image: its format is not known; use PNG, JPEG, TIFF or BMP")
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels[:, :, :3], cv2.COLOR_BGR2RGB) if pixels.shape[2] >= 3 else pixels[:, :, 0]
    return pixels


def _to_uint8(pixels: np.ndarray, path: Path) -> np.ndarray:
    """Scales by the full range of the stored type; see :func:`read_rgb`."""
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
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
