"""Image messages to uint8 RGB arrays, and arrays back to image messages, in plain numpy and OpenCV.

This is the package's own converter because cv_bridge cannot be relied on: it is absent where ROS comes as wheels, breaks
on NumPy 2 or OpenCV 5 in several distributions, and does not check a frame against its own header.  A frame that does
not add up raises :class:`BadImage`; nothing is guessed, so that a half-received frame can never be judged as if it were
whole.  Encodings are those of ``sensor_msgs/image_encodings.hpp``.
"""

from __future__ import annotations

import array
import io
import sys
import warnings
from typing import Callable, Protocol

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.picture_budget import TooLarge, admission


class BadImage(InputError):
    """A frame that cannot be read; ``cause`` is the token counted in the diagnostics.

    Causes: ``zero_size``, ``unknown_encoding``, ``wrong_size`` (step or amount of data contradicts size and encoding),
    ``truncated`` (data shorter than its header says), ``undecodable`` (compressed data that no decoder accepts), ``too_large``
    (compressed data that would become a picture far larger than the camera's).
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


_UPPER_BYTE = ((np.arange(65536, dtype=np.uint32) + 128) // 257).astype(np.uint8)
"""16 to 8 bits over the full range, 65535 becoming 255, as image files are read when a part is taught."""

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


def image_to_rgb(message: RawImage, fallback: Callable[[RawImage], np.ndarray] | None = None) -> np.ndarray:
    """The pixels of a raw image message as uint8 (height, width, 3) RGB.

    Row padding (``step``) and byte order (``is_bigendian``) are honoured.  For ``rgb8`` the result is a view of the
    message's own buffer, without a copy; treat it as read-only. 16-bit samples are scaled over their full range.
    fallback: asked for encodings not in :data:`ENCODINGS`; may raise anything, which then reads ``unknown_encoding``.
    Raises BadImage.
    """
    if message.height == 0 or message.width == 0:
        raise BadImage("zero_size", f"the image is {message.width}x{message.height} pixels: it has no content")
    if message.encoding in _PLANAR_420:
        return _planar_420(message)
    if message.encoding in _INTERLEAVED:
        return _interleaved(message)
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


def compressed_to_rgb(data: object, image_format: str, usual_pixels: int = 0) -> np.ndarray:
    """The pixels of a sensor_msgs/CompressedImage (JPEG or PNG) as uint8 (height, width, 3) RGB.

    image_format: the message's ``format``; only the channel order that image_transport notes there matters.  usual_pixels: the
    largest that this camera has sent, 0 where that is not known.
    Raises BadImage.
    """
    buffer = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)  # type: ignore[arg-type]
    if buffer.size == 0:
        raise BadImage("zero_size", "the compressed image is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on metadata; damage raises
            # Pillow, because it refuses truncated files where OpenCV fills the rest with grey.
            with PillowImage.open(io.BytesIO(buffer), formats=("JPEG", "PNG")) as image:
                admission(buffer.data, usual_pixels)(image)
                pixels = np.asarray(image if image.mode.startswith("I;16") else image.convert("RGB"))
    except (TooLarge, PillowImage.DecompressionBombError) as error:
        raise BadImage("too_large", f"compressed image of {buffer.size} bytes is not decoded: {error}") from None
    except Exception as error:  # Pillow's decoders raise many types on bad data
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "neither JPEG nor PNG" if unknown else " ".join(str(error).split()) or type(error).__name__
        raise BadImage(
            "undecodable",
            f"compressed image of {buffer.size} bytes, format {image_format!r}, cannot be decoded: {reason}",
        ) from error
    if pixels.ndim == 2:
        return cv2.cvtColor(_UPPER_BYTE[pixels], cv2.COLOR_GRAY2RGB)
    if (
        "compressed rgb" in image_format
    ):  # image_transport fed RGB to an encoder that expects BGR, so the file is swapped
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels


def _interleaved(message: RawImage) -> np.ndarray:
    sample_bytes, channels, conversion = _INTERLEAVED[message.encoding]
    rows = _rows(message, message.height, message.width * sample_bytes * channels)
    if message.encoding.startswith("yuv") or message.encoding in ("uyvy", "yuyv"):
        _require_even(message, rows=1)
    if message.encoding.startswith("bayer_"):
        _require_even(message, rows=2)
    if sample_bytes == 2:
        # Rows of an odd step start at odd addresses, which a 16-bit view of the whole buffer cannot express.
        order = ">" if message.is_bigendian else "<"
        rows = _UPPER_BYTE[np.ascontiguousarray(rows).view(f"{order}u2")]
    pixels = rows.reshape(message.height, message.width, channels) if channels > 1 else rows
    return pixels if conversion is None else cv2.cvtColor(pixels, conversion)


def _planar_420(message: RawImage) -> np.ndarray:
    _require_even(message, rows=2)
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


def _require_even(message: RawImage, rows: int) -> None:
    if message.width % 2 or message.height % rows:
        raise BadImage(
            "wrong_size", f"{message.encoding} needs even sizes, but the image is {message.width}x{message.height}"
        )


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
