"""Encoded pictures, whole files in memory, to pixels; damage that can be noticed is noticed, and none is repaired.

Common decoders mend: libjpeg fills what it lost with grey or with its neighbours and merely warns, and Pillow and OpenCV
swallow the warning.  A mended picture must never be judged as if it were whole.  So JPEGs are decoded by simplejpeg, which
raises libjpeg-turbo's warnings, and the checksum of every chunk of a PNG is compared.  What Pillow makes of a sound file
stays the measure: the pixels are the same bit for bit.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.picture_budget import check_tiff
from hetnet_ros.inspection.single_picture import check_single

JPEG_AND_PNG = ("JPEG", "PNG")
_JPEG = frozenset({"JPEG", "MPO"})
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS_PER_SAMPLE, _PHOTOMETRIC, _ORIENTATION, _SAMPLE_FORMAT = 258, 262, 274, 339  # TIFF's tags
_MOST_TAGS = 4096
_LOSSY_IN_TIFF = frozenset({"jpeg", "tiff_jpeg", "webp"})
_TO_GREY, _TO_RGB = ("1", "LA", "La"), ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX")


class Damaged(ValueError):
    """A picture that cannot be decoded, or not without guessing; the text says why in a few words, on one line."""


class UnknownFormat(Damaged):
    """Data that no decoder knows."""


@dataclass(frozen=True, eq=False)
class Picture:
    """pixels: (H, W) or (H, W, C), C 3 or 4 in RGB order, of the stored type (colours of 16 bits: uint8, their upper bytes, unless
    asked for deep).  lossy: whether the format may have changed pixels (JPEG, JPEG 2000, most WebP, and TIFF with such data)."""

    pixels: np.ndarray
    lossy: bool


def decode(data: bytes | bytearray | memoryview | np.ndarray, formats: Sequence[str] | None = None, deep: bool = False,
           admit: Callable[[Image.Image], None] | None = None) -> Picture:
    """The picture in ``data``.  Orientation, of EXIF or of a TIFF, is not applied.

    formats: those of Pillow's names that may be read, None for all.  deep: colours of 16 bits as uint16.  admit: is shown what the
    header says (format, mode, size) before anything is decoded, and may raise InputError, which passes.
    Raises Damaged, InputError for a TIFF that promises more than a picture may cost or whose numbers no decoder here takes as they are
    meant or for several pictures in one, or Pillow's DecompressionBombError for more pixels than Pillow decodes.
    """
    data = _as_stored(memoryview(data).cast("B"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on size and metadata; damage raises
            with Image.open(io.BytesIO(data), formats=formats) as image:
                if admit is not None:
                    admit(image)
                check_single(data, image)
                return _decoded(data, image, deep)
    except (Damaged, InputError, Image.DecompressionBombError):
        raise
    except UnidentifiedImageError:
        pixels = None
        if formats is None:
            check_tiff(data)
            check_single(data, None)
            pixels = _float_tiff(data)
        if pixels is None:
            raise UnknownFormat("its format is not known") from None
        return Picture(pixels, lossy=False)
    except Exception as error:  # Pillow's decoders raise many types on bad data: OSError, SyntaxError, struct.error, ...
        raise Damaged(_line(error)) from error


def _decoded(data: memoryview, image: Image.Image, deep: bool) -> Picture:
    """``image`` is opened and its size known and allowed, but nothing of it is decoded yet."""
    if image.format in _JPEG:
        return Picture(_jpeg(data, image), lossy=True)
    if image.format == "PNG":
        _check_chunks(data)
    if image.format == "TIFF":
        _check_samples(image)
    lossy = _is_lossy(data, image)
    if deep and (found := _deep_colours(data, image)) is not None:
        return Picture(found, lossy)
    if image.mode in _TO_GREY + _TO_RGB:
        return Picture(np.asarray(image.convert("L" if image.mode in _TO_GREY else "RGB")), lossy)
    return Picture(np.asarray(image), lossy)


def _as_stored(data: memoryview) -> memoryview:
    """A TIFF without its orientation, by which Pillow and OpenCV would turn it (and no other format); other data as they are."""
    order = {b"II": "<", b"MM": ">"}.get(bytes(data[:2]))
    if order is None:
        return data
    found = []
    try:
        big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
        begin, = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)
        count, = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, begin)
        first, size = begin + (8 if big else 2), 20 if big else 12
        for at in range(first, first + size * min(count, _MOST_TAGS), size):
            if struct.unpack_from(f"{order}H", data, at)[0] == _ORIENTATION:
                found.append(at)
    except struct.error:  # damage, which the decoder words
        pass
    if not found:
        return data
    plain = bytearray(data)
    for at in found:
        struct.pack_into(f"{order}HHQHHHH" if big else f"{order}HHIHH", plain, at, _ORIENTATION, 3, 1, 1, *[0] * (3 if big else 1))
    return memoryview(plain)


def _check_samples(image: Image.Image) -> None:
    """Raise InputError for a TIFF that Pillow would read as its negative, or with the signs of its values lost."""
    bits, kinds = max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))), image.tag_v2.get(_SAMPLE_FORMAT, (1,))
    if image.tag_v2.get(_PHOTOMETRIC) == 0 and bits > 8:
        raise InputError(f"it is a TIFF of {bits} bits that stores white as 0: store it with black as 0")
    if 2 in kinds and bits <= 8:
        raise InputError(f"it is a TIFF with signed values of {bits} bits: store it without signs, or with 16 bits")


def _is_lossy(data: memoryview, image: Image.Image) -> bool:
    if image.format == "WEBP":
        return b"VP8L" not in (bytes(data[at:at + 4]) for at in _chunks_of_webp(data))
    return image.format == "JPEG2000" or (image.format == "TIFF" and image.info.get("compression") in _LOSSY_IN_TIFF)


def _chunks_of_webp(data: memoryview) -> Iterator[int]:
    """Where the chunks of a RIFF file begin."""
    at = 12
    while at + 8 <= len(data):
        yield at
        length, = struct.unpack_from("<I", data, at + 4)
        at += 8 + length + length % 2


def _jpeg(data: memoryview, image: Image.Image) -> np.ndarray:
    try:
        import simplejpeg  # only here: who has no JPEGs needs none, and who has some is told
    except ImportError:
        raise Damaged("reading JPEG safely needs simplejpeg, which is not installed: pip install simplejpeg") from None
    space = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}.get(image.mode)
    if space is None:
        raise Damaged(f"JPEG of mode {image.mode} is not supported")
    try:
        pixels = simplejpeg.decode_jpeg(data, space, strict=True)
    except ValueError as error:
        raise Damaged(_line(error)) from error
    if pixels.shape[:2] != image.size[::-1]:
        raise Damaged(f"its header says {image.size[0]}x{image.size[1]} pixels, {pixels.shape[1]}x{pixels.shape[0]} came")
    if space == "CMYK":  # found sound; the conversion to RGB is Pillow's, which knows Adobe's inverted inks
        return np.asarray(image.convert("RGB"))
    return pixels[:, :, 0] if space == "GRAY" else pixels


def _check_chunks(data: memoryview) -> None:
    """Raise Damaged unless every chunk of a PNG up to its end is there and matches its checksum."""
    at, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(data):
            raise Damaged("the PNG is cut short")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            raise Damaged("the PNG is cut short")
        if zlib.crc32(data[at + 4:end]) != struct.unpack_from(">I", data, end)[0]:
            raise Damaged(f"a checksum of the PNG is wrong, {at} bytes from its start")
        at = end + 4


def may_be_deep(image: Image.Image) -> bool:
    """Whether an opened picture's pixels may be of 16 bits; nothing is decoded."""
    return image.mode.startswith("I") or _is_deep_colour(image)


def _is_deep_colour(image: Image.Image) -> bool:
    """Whether ``image``, PNG or TIFF, has colours of 16 bits, which Pillow would cut to 8."""
    if image.format == "PNG":
        return image.mode in ("RGB", "RGBA", "LA") and "16B" in str(image.tile[:1])
    return image.format == "TIFF" and image.mode in ("RGB", "RGBA") and 16 in image.tag_v2.get(_BITS_PER_SAMPLE, ())


def _deep_colours(data: memoryview, image: Image.Image) -> np.ndarray | None:
    """uint16 (H, W, 3), or (H, W) of a grey picture with alpha; None where ``image`` has no colours of 16 bits."""
    if not _is_deep_colour(image):
        return None
    pixels = _by_opencv(data)
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape[:2] != image.size[::-1]:
        raise Damaged(f"the 16-bit colours of this {image.format} cannot be decoded")
    return pixels


def _float_tiff(data: memoryview) -> np.ndarray | None:
    """Multi-channel float or 32-bit TIFFs, which Pillow does not know and OpenCV does."""
    return _by_opencv(data) if bytes(data[:4]) in (b"II*\0", b"MM\0*") else None


def _by_opencv(data: memoryview) -> np.ndarray | None:
    """(H, W) or (H, W, 3) in RGB order, of the stored type; None where OpenCV cannot."""
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        pixels = None
    finally:
        cv2.utils.logging.setLogLevel(level)
    if pixels is not None and pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels[:, :, :3], cv2.COLOR_BGR2RGB) if pixels.shape[2] >= 3 else pixels[:, :, 0]
    return pixels


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
