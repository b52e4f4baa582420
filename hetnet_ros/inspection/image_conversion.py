"""Image messages to uint8 RGB arrays, and arrays back to image messages, in plain numpy and OpenCV.

This is the package's own converter because cv_bridge cannot be relied on: it is absent where ROS comes as wheels, breaks
on NumPy 2 or OpenCV 5 in several distributions, and does not check a frame against its own header.  A frame that does
not add up raises :class:`BadImage`; nothing is guessed, so that a half-received frame can never be judged as if it were
whole.  Encodings are those of ``sensor_msgs/image_encodings.hpp``.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
from PIL.Image import DecompressionBombError

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.decoding import JPEG_AND_PNG, Damaged, UnknownFormat, decode
from hetnet_ros.inspection.picture_budget import TooLarge, admission
from hetnet_ros.inspection.sample_depth import FULL, TooDeep, to_8_bits


class BadImage(InputError):
    """A frame that cannot be read; ``cause`` is the token counted in the diagnostics.

    Causes: ``zero_size``, ``unknown_encoding``, ``wrong_size`` (step or amount of data contradicts size and encoding),
    ``truncated`` (data shorter than its header says), ``undecodable`` (compressed data that is damaged, or that no decoder
    accepts), ``too_large`` (compressed data that would become a picture far larger than the camera's), ``too_deep`` (16-bit values
    beyond the bits that the model was taught on).
    """

    def __init__(self, cause: str, text: str) -> None:
        super().__init__(text)
        self.cause = cause


class RawImage(Protocol):
    """What is read of a sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: object


_INTERLEAVED: dict[str, tuple[int, int, int | None]] = {
    # encoding: bytes a sample, channels, conversion to RGB (None: it is RGB, or grey to be repeated)
    "rgb8": (1, 3, None),
    "bgr8": (1, 3, cv2.COLOR_BGR2RGB),
    "rgba8": (1, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (1, 4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, 1, cv2.COLOR_GRAY2RGB),
    "rgb16": (2, 3, None),
    "bgr16": (2, 3, cv2.COLOR_BGR2RGB),
    "rgba16": (2, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": (2, 4, cv2.COLOR_BGRA2RGB),
    "mono16": (2, 1, cv2.COLOR_GRAY2RGB),
    "16UC1": (2, 1, cv2.COLOR_GRAY2RGB),
    # OpenCV names a Bayer pattern by its second row's second and third pixel, ROS by the top left four.
    "bayer_rggb8": (1, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (1, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": (2, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": (2, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": (2, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": (2, 1, cv2.COLOR_BayerGB2RGB),
    # Two bytes a pixel: brightness and, alternating, one of the two colour differences.
    "yuv422": (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (1, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (1, 2, cv2.COLOR_YUV2RGB_YUY2),
}
_PLANAR_420 = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
"""A full plane of brightness over a half-height plane of interleaved colour differences; ``step`` counts for both."""

ENCODINGS = (*_INTERLEAVED, *_PLANAR_420)
"""Encodings of raw images that :func:`image_to_rgb` reads by itself."""


def image_to_rgb(message: RawImage, fallback: Callable[[RawImage], np.ndarray] | None = None, bits: int = FULL) -> np.ndarray:
    """The pixels of a raw image message as uint8 (height, width, 3) RGB.

    Row padding (``step``) and byte order (``is_bigendian``) are honoured.  For ``rgb8`` the result is a view of the
    message's own buffer, without a copy; treat it as read-only.
    bits: how many of 16 the camera really uses (the model's ``sample_bits``): 0 to 2 ** bits - 1 becomes 0 to 255.
    fallback: asked for encodings not in :data:`ENCODINGS`; may raise anything, which then reads ``unknown_encoding``.
    Raises BadImage.
    """
    if message.height == 0 or message.width == 0:
        raise BadImage("zero_size", f"the image is {message.width}x{message.height} pixels: it has no content")
    if message.encoding in _PLANAR_420:
        return _planar_420(message)
    if message.encoding in _INTERLEAVED:
        return _interleaved(message, bits)
    if fallback is not None:
        _rows(message, message.height, 1)
        try:
            return fallback(message)
        except Exception as error:
            raise BadImage("unknown_encoding", f"encoding {message.encoding!r}: {error}") from error
    raise BadImage(
        "unknown_encoding",
        f"encoding {message.encoding!r} is not known; set the camera to rgb8, bgr8, mono8 or another one that "
        "docs/interface.md lists",
    )


def depth_to_metres(message: RawImage) -> np.ndarray:
    """The pixels of a depth image (REP 118) as float32 (height, width), m; 0 and NaN mean "not measured".

    Encodings: ``16UC1`` (mm, also called ``mono16``) and ``32FC1`` (m).  Raises BadImage.
    """
    kinds = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
    if message.encoding not in kinds:
        raise BadImage(
            "unknown_encoding", f"depth has encoding {message.encoding!r}; REP 118 asks for 16UC1 (mm) or 32FC1 (m)"
        )
    if message.height == 0 or message.width == 0:
        raise BadImage("zero_size", f"the depth image is {message.width}x{message.height} pixels: it has no content")
    kind = np.dtype((">" if message.is_bigendian else "<") + kinds[message.encoding])
    rows = _rows(message, message.height, message.width * kind.itemsize)
    depth = np.ascontiguousarray(rows).view(kind).astype(np.float32)
    return depth * np.float32(1e-3) if kind.itemsize == 2 else depth


def largest_sample(message: RawImage) -> int | None:
    """The largest value of an image message with 16-bit values; None for any other, also one that cannot be read."""
    try:
        if not hasattr(message, "encoding"):
            header = bytes(memoryview(message.data)[:25])  # type: ignore[arg-type]
            if header[12:16] != b"IHDR" or header[24] != 16:  # of what is read here, only a PNG can have 16 bits
                return None
            return int(decode(message.data, ("PNG",), deep=True).pixels.max())  # type: ignore[arg-type]
        if message.encoding not in _INTERLEAVED or _INTERLEAVED[message.encoding][0] == 1:
            return None
        return int(_samples(message).max())
    except (InputError, Damaged, DecompressionBombError, IndexError, ValueError, TypeError):
        return None  # told where the message is read


def compressed_to_rgb(data: object, image_format: str, bits: int = FULL, usual_pixels: int = 0) -> np.ndarray:
    """The pixels of a sensor_msgs/CompressedImage (JPEG or PNG) as uint8 (height, width, 3) RGB.

    image_format: the message's ``format``; what image_transport notes there of Bayer patterns and of the order of channels is
    heeded.  bits: as in :func:`image_to_rgb`.  usual_pixels: the largest that this camera has sent, 0 where that is not known.
    Raises BadImage.
    """
    size = len(data)  # type: ignore[arg-type]
    if size == 0:
        raise BadImage("zero_size", "the compressed image is empty")
    try:
        admit = admission(data, usual_pixels)  # type: ignore[arg-type]
        pixels = decode(data, JPEG_AND_PNG, deep=bits < FULL, admit=admit).pixels  # type: ignore[arg-type]
    except (TooLarge, DecompressionBombError) as error:
        raise BadImage("too_large", f"compressed image of {size} bytes is not decoded: {error}") from None
    except (Damaged, InputError) as error:
        reason = "neither JPEG nor PNG" if isinstance(error, UnknownFormat) else error
        what = f"compressed image of {size} bytes, format {image_format!r}, cannot be decoded"
        raise BadImage("undecodable", f"{what}: {reason}") from error
    if pixels.dtype != np.uint8:
        pixels = _reduced(pixels.astype(np.uint16, copy=False), bits)
    if pixels.ndim == 2:
        conversion = _mosaic(image_format)
        if conversion is not None:
            _require_even(image_format, pixels.shape[1], pixels.shape[0], rows=2)
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB if conversion is None else conversion)
    if "compressed rgb" in image_format:  # image_transport fed RGB to an encoder that expects BGR, so the file is swapped
        return np.ascontiguousarray(pixels[:, :, 2::-1])
    return np.ascontiguousarray(pixels[:, :, :3])


def _mosaic(image_format: str) -> int | None:
    """How grey pixels become colours where a ``format`` says that they are a Bayer pattern, else None.

    image_transport writes ``bayer_rggb8; jpeg compressed`` for the camera's pattern, compressed as it came, and after
    "compressed" ``bgr8`` where it had made colours of it before.
    """
    encoding, _, rest = image_format.partition(";")
    _, _, target = rest.partition("compressed")
    if encoding.strip() not in _INTERLEAVED or not encoding.strip().startswith("bayer_"):
        return None
    return _INTERLEAVED[encoding.strip()][2] if target.strip() == "" or target.strip().startswith(("mono", "bayer")) else None


def _interleaved(message: RawImage, bits: int) -> np.ndarray:
    sample_bytes, channels, conversion = _INTERLEAVED[message.encoding]
    pixels = _samples(message)
    if sample_bytes == 2:
        pixels = _reduced(pixels, bits)
    if channels > 1:
        pixels = pixels.reshape(message.height, message.width, channels)
    return pixels if conversion is None else cv2.cvtColor(pixels, conversion)


def _samples(message: RawImage) -> np.ndarray:
    """uint8 or uint16 (H, W * C) of an interleaved encoding, checked against the message's header."""
    sample_bytes, channels, _ = _INTERLEAVED[message.encoding]
    rows = _rows(message, message.height, message.width * sample_bytes * channels)
    if message.encoding.startswith("yuv") or message.encoding in ("uyvy", "yuyv"):
        _require_even(message.encoding, message.width, message.height, rows=1)
    if message.encoding.startswith("bayer_"):
        _require_even(message.encoding, message.width, message.height, rows=2)
    if sample_bytes == 1:
        return rows
    # Rows of an odd step start at odd addresses, which a 16-bit view of the whole buffer cannot express.
    return np.ascontiguousarray(rows).view(f"{'>' if message.is_bigendian else '<'}u2")


def _reduced(samples: np.ndarray, bits: int) -> np.ndarray:
    try:
        return to_8_bits(samples, bits)
    except TooDeep as error:
        raise BadImage("too_deep", str(error)) from None


def _planar_420(message: RawImage) -> np.ndarray:
    _require_even(message.encoding, message.width, message.height, rows=2)
    planes = _rows(message, message.height * 3 // 2, message.width)
    return cv2.cvtColor(np.ascontiguousarray(planes), _PLANAR_420[message.encoding])


def _rows(message: RawImage, rows: int, row_bytes: int) -> np.ndarray:
    """The message's buffer as uint8 (rows, row_bytes), a view without the padding at the end of each row."""
    what = f"{message.width}x{message.height} {message.encoding}"
    if message.step < row_bytes:
        raise BadImage("wrong_size", f"step is {message.step} bytes, but a row of {what} needs {row_bytes}")
    size, expected = len(message.data), rows * message.step  # type: ignore[arg-type]
    if size < expected:
        raise BadImage("truncated", f"{what} with step {message.step} needs {expected} bytes, but only {size} came")
    if size > expected:
        raise BadImage("wrong_size", f"{what} with step {message.step} needs {expected} bytes, but {size} came")
    buffer = np.frombuffer(message.data, np.uint8)  # type: ignore[call-overload]
    return buffer.reshape(rows, message.step)[:, :row_bytes]


def _require_even(what: str, width: int, height: int, rows: int) -> None:
    if width % 2 or height % rows:
        raise BadImage("wrong_size", f"{what} needs even sizes, but the image is {width}x{height}")


def fill_image(message: RawImage, pixels: np.ndarray, encoding: str) -> None:
    """Write ``pixels``, uint8 (H, W) or (H, W, 3) or float32 (H, W), into an image message; the header stays as it is.

    ``array.frombytes`` is the one assignment that rclpy takes without touching every byte in Python.
    """
    pixels = np.ascontiguousarray(pixels)
    message.height, message.width = pixels.shape[:2]
    message.encoding = encoding
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = pixels.nbytes // pixels.shape[0]
    data = array.array("B")
    data.frombytes(memoryview(pixels).cast("B"))
    message.data = data
