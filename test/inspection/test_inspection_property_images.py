"""Any image message: pixels of the size that it claims, or BadImage in one line, within bounded memory."""

from __future__ import annotations

import array
import io
import struct
import types
import zlib
from typing import Any

import numpy as np
import pytest
from hostile_values import damaged, read_or_refused, texts
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from hetnet_ros.inspection.image_conversion import ENCODINGS, BadImage, compressed_to_rgb, depth_to_metres, fill_image, image_to_rgb, largest_sample
from hetnet_ros.inspection.picture_budget import CameraBudget
from hetnet_ros.inspection.sample_depth import DEPTHS

CAUSES = {"zero_size", "unknown_encoding", "wrong_size", "truncated", "undecodable", "too_large", "too_deep"}


def bytes_of(encoding: str, height: int, width: int) -> tuple[int, int]:
    """Rows and bytes in a row by the name of an encoding, as sensor_msgs/image_encodings.hpp counts them."""
    if encoding in ("nv12", "nv21"):
        return height * 3 // 2, width
    if encoding.startswith(("yuv", "yuyv", "uyvy")):
        return height, 2 * width
    channels = {"rgba": 4, "bgra": 4, "rgb": 3, "bgr": 3}
    count = next((number for name, number in channels.items() if encoding.startswith(name)), 1)
    return height, width * count * (2 if "16" in encoding else 1)


def message(encoding: str, height: int, width: int, step: int, bigendian: int, data: bytes) -> Any:
    return types.SimpleNamespace(encoding=encoding, height=height, width=width, step=step, is_bigendian=bigendian, data=array.array("B", data))


@st.composite
def messages(draw: st.DrawFn) -> Any:
    """Mostly what adds up, with a few things that do not."""
    encoding = draw(st.one_of(st.sampled_from([*ENCODINGS, "32FC1", "8UC3", "bayer_rggb32"]), texts))
    height, width = (draw(st.one_of(st.integers(0, 12), st.sampled_from([2, 4, 8]))) for _ in range(2))
    rows, row = bytes_of(encoding, height, width)
    step = row + draw(st.sampled_from([0, 0, 0, 1, 3, -1, 2**32 - 1 - row, -row]))
    size = rows * step + draw(st.sampled_from([0, 0, 0, 1, -1, -rows * step]))
    data = draw(st.binary(min_size=4, max_size=4)) * 3000
    if draw(st.integers(0, 9)) == 0:
        height, width = draw(st.sampled_from([(2**32 - 1, width), (height, 2**32 - 1), (2**32 - 1, 2**32 - 1), (width, height)]))
    return message(encoding, height, width, max(step, 0), draw(st.integers(0, 255)), data[:max(size, 0)])


def refused(read: Any) -> Any:
    """What is read, or None with one of the documented causes."""
    def checked() -> Any:
        try:
            return read()
        except BadImage as error:
            assert error.cause in CAUSES
            raise

    return read_or_refused(checked)


@given(messages(), st.sampled_from(DEPTHS))
@example(message("rgb8", 2**32 - 1, 2**32 - 1, 2**32 - 1, 0, b""), 16)
@example(message("mono16", 1, 3, 7, 1, b"\1\2\3\4\5\6\7"), 12)
@example(message("bayer_rggb8", 1, 2, 2, 0, b"ab"), 16)
@example(message("nv12", 2, 2, 2, 0, b"abcdef"), 16)
@example(message("nv12", 3, 2, 2, 0, b"abcdefgh"), 16)
@example(message("yuv422", 1, 1, 2, 0, b"ab"), 16)
@example(message("\ud800", 1, 1, 1, 0, b"a"), 16)
@example(message("rgb8", 1, 1, 0, 0, b""), 16)
def test_a_raw_image_has_the_size_that_it_claims_or_is_refused(image, bits):
    found = refused(lambda: image_to_rgb(image, bits=bits))
    rows, row = bytes_of(image.encoding, image.height, image.width)
    sound = image.encoding in ENCODINGS and image.height > 0 < image.width and image.step >= row and len(image.data) == rows * image.step
    if found is None:
        any_size = not image.encoding.startswith(("bayer", "yu", "uy", "nv"))
        assert not (sound and any_size) or "16" in image.encoding and bits < 16
    else:
        assert sound and found.shape == (image.height, image.width, 3) and found.dtype == np.uint8
    largest = largest_sample(image)
    assert largest is None or 0 <= largest <= 65535 and "16" in image.encoding
    depth = read_or_refused(lambda: depth_to_metres(image))
    assert depth is None or depth.shape == (image.height, image.width) and depth.dtype == np.float32


@given(messages())
@example(message("anything", 2, 2, 1, 0, b"ab"))
def test_a_fallback_sees_no_half_image_and_may_raise_anything(image):
    def convert(given_image: Any) -> np.ndarray:
        assert given_image.height > 0 < given_image.width and len(given_image.data) == given_image.height * given_image.step
        raise MemoryError("\n")

    if image.encoding not in ENCODINGS:
        assert refused(lambda: image_to_rgb(image, convert)) is None


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1), st.sampled_from(["rgb8", "mono8", "32FC1"]))
def test_what_is_filled_in_is_read_back(height, width, seed, encoding):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3) if encoding == "rgb8" else (height, width)).astype(
        np.float32 if encoding == "32FC1" else np.uint8)
    image = message("", 0, 0, 0, 0, b"")
    fill_image(image, pixels, encoding)
    if encoding == "32FC1":
        assert np.array_equal(depth_to_metres(image), pixels)
    else:
        read = image_to_rgb(image)
        assert np.array_equal(read if encoding == "rgb8" else read[:, :, 1], pixels)


def encoded(kind: str, mode: str, **options: Any) -> bytes:
    picture = Image.fromarray(np.random.default_rng(3).integers(0, 256, (12, 16, 3), dtype=np.uint8)).convert(mode)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int = 8, colour: int = 2, content: bytes = b"") -> bytes:
    """A PNG that claims this size; its checksums are right."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)), (b"IDAT", zlib.compress(content)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)


PICTURES = [encoded("JPEG", "RGB"), encoded("JPEG", "L"), encoded("JPEG", "CMYK"), encoded("JPEG", "RGB", progressive=True), encoded("PNG", "RGB"),
            encoded("PNG", "RGBA"), encoded("PNG", "P"), encoded("PNG", "LA"), encoded("PNG", "1"), encoded("PNG", "I;16"),
            png(2, 2, 16, 2, 2 * (b"\0" + b"\1\2" * 6)), png(2, 2, 16, 4, 2 * (b"\0" + b"\1\2" * 4)), encoded("TIFF", "RGB"), encoded("BMP", "RGB")]
formats = st.one_of(st.sampled_from(["jpeg", "png", "", "rgb8; jpeg compressed bgr8", "bayer_rggb8; jpeg compressed ",
                                     "bayer_grbg16; png compressed mono8",
                                     "rgb8; png compressed rgb8", "compressed rgb", "bayer_; compressed", "32FC1; compressedDepth"]), texts)


@given(st.one_of(st.sampled_from(PICTURES), st.sampled_from(PICTURES).flatmap(damaged), st.binary(max_size=40)), formats, st.sampled_from(DEPTHS),
       st.sampled_from([0, 1, 192, 10**6]))
@example(png(2**31 - 1, 2**31 - 1), "png", 16, 0)
@example(png(100_000, 100_000), "png", 16, 0)
@example(png(13_000, 13_000), "png", 16, 0)
@example(png(4000, 4000, content=bytes(4000)), "png", 16, 192)
@example(png(0, 5), "png", 16, 0)
@example(png(3, 3, 16, 0, 3 * bytes(7)), "bayer_rggb16; png compressed mono16", 12, 0)
@example(png(1, 1, 8, 4, bytes(3)), "compressed rgb", 16, 0)
@example(png(1, 1, 1, 0, bytes(2)), "compressed rgb", 16, 0)
@example(b"\xff\xd8\xff", "jpeg", 16, 0)
@example(b"II*\0" + b"\xff" * 40, "tiff", 16, 0)
@example(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "eps", 16, 0)
def test_a_compressed_image_is_decoded_whole_or_refused(data, said, bits, usual):
    found = refused(lambda: compressed_to_rgb(array.array("B", data), said, bits, usual))
    if found is not None:
        assert found.ndim == 3 and found.shape[2] == 3 and found.dtype == np.uint8 and found.flags.c_contiguous
        budget = CameraBudget()
        budget.note(found.shape)
        with Image.open(io.BytesIO(data)) as whole:
            assert whole.format in ("JPEG", "PNG", "MPO") and whole.size == found.shape[1::-1]
        assert budget.usual_pixels == found.shape[0] * found.shape[1]
    largest = largest_sample(types.SimpleNamespace(data=array.array("B", data)))
    assert largest is None or 0 <= largest <= 65535


@pytest.mark.parametrize("data", PICTURES[:-2])
def test_a_picture_that_is_damaged_here_is_a_picture(data):
    assert compressed_to_rgb(data, "").ndim == 3


def with_other_pixels(data: bytes) -> bytes:
    """The same PNG, all black, with the checksum that it had."""
    at, end = data.index(b"IDAT"), data.index(b"IEND") - 4
    black = zlib.compress(bytes(12 * (1 + 3 * 16)))
    return data[:at - 4] + struct.pack(">I", len(black)) + b"IDAT" + black + data[end - 4:]


@given(damaged(PICTURES[4], 2))
@example(with_other_pixels(PICTURES[4]))
def test_a_png_that_is_not_as_it_was_is_never_judged_as_another(data):
    """Every byte of a PNG is under a checksum: what is decoded is what was sent."""
    found = refused(lambda: compressed_to_rgb(data, "png"))
    assert found is None or np.array_equal(found, compressed_to_rgb(PICTURES[4], "png"))
