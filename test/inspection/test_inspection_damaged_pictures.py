"""Damaged JPEG and PNG files and messages: read exactly as the sound one, or refused; and what cannot be noticed is counted."""

from __future__ import annotations

import io
import random
import struct
import sys
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_conversion import BadImage, compressed_to_rgb
from hetnet_ros.inspection.image_files import read_rgb

PLACES = 100


def scene(height: int = 120, width: int = 160) -> np.ndarray:
    """uint8 (H, W, 3): smooth shading with an edge, and the noise of a camera."""
    rng = np.random.default_rng(7)
    smooth = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3)).astype(np.float32), (0, 0), 9)
    smooth = 128 + 8 * (smooth - smooth.mean())
    smooth[:, width // 3:] += 30
    return np.clip(smooth + rng.normal(0, 2, smooth.shape), 0, 255).astype(np.uint8)


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene()).convert(mode).save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


KINDS = {
    "colour": jpeg(), "fine colour": jpeg(subsampling=0), "grey": jpeg("L"), "progressive": jpeg(progressive=True),
    "restart markers": jpeg(restart_marker_rows=1), "own tables": jpeg(optimize=True), "cmyk": jpeg("CMYK"),
}


def by_pillow(data: bytes) -> np.ndarray:
    """What the common decoder makes of it, which mends."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def entropy(data: bytes) -> int:
    """Where the first scan's data begin."""
    at = data.index(b"\xff\xda")
    return at + 2 + struct.unpack_from(">H", data, at + 2)[0]


def cut_short(data: bytearray, at: int, dice: random.Random) -> None:
    del data[at:]


def missing_end(data: bytearray, at: int, dice: random.Random) -> None:
    del data[-2:]


def hole(data: bytearray, at: int, dice: random.Random) -> None:
    del data[at:at + 256]


def zeroed(data: bytearray, at: int, dice: random.Random) -> None:
    data[at:at + 1024] = bytes(len(data[at:at + 1024]))


def overwritten(data: bytearray, at: int, dice: random.Random) -> None:
    length = len(data[at:at + 1024])
    data[at:at + length] = bytes(dice.randrange(255) for _ in range(length))


def repeated(data: bytearray, at: int, dice: random.Random) -> None:
    data[at:at] = data[at:at + 256]


def flipped_bit(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] ^= 1 << dice.randrange(8)


def flipped_byte(data: bytearray, at: int, dice: random.Random) -> None:
    data[at] ^= 0xFF


def wrongly_read(data: bytes, damage: Callable[[bytearray, int, random.Random], None], begin: int) -> int:
    """Of 100 copies of ``data`` damaged behind ``begin``, those that are read, but not as the sound one."""
    sound, wrong = compressed_to_rgb(data, "jpeg"), 0
    for seed in range(PLACES):
        dice, damaged = random.Random(seed), bytearray(data)
        damage(damaged, dice.randrange(begin, len(data) - 2), dice)
        try:
            found = compressed_to_rgb(bytes(damaged), "jpeg")
        except BadImage as error:
            assert error.cause in ("undecodable", "zero_size") and "\n" not in str(error)
        else:
            wrong += found.shape != sound.shape or not np.array_equal(found, sound)
    return wrong


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_jpeg_is_read_as_ever(kind):
    np.testing.assert_array_equal(compressed_to_rgb(KINDS[kind], "jpeg"), by_pillow(KINDS[kind]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", [cut_short, missing_end, hole, repeated])
def test_a_jpeg_with_too_little_or_too_much_is_refused(kind, damage):
    # Losing or repeating 256 bytes leaves the count of blocks wrong; rarely (in a progressive file's many scans, 4 of 100) it fits.
    assert wrongly_read(KINDS[kind], damage, entropy(KINDS[kind])) <= 5


@pytest.mark.parametrize("damage", [zeroed, overwritten])
@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_with_a_kilobyte_of_other_content_is_nearly_always_refused(kind, damage):
    assert wrongly_read(KINDS[kind], damage, entropy(KINDS[kind])) <= 5  # 1 at most, seen


def test_flips_that_make_another_valid_jpeg_are_the_only_ones_read():
    """A flipped bit mostly changes one value of a valid stream, which no decoder can tell; docs/interface.md gives the numbers."""
    wrong = {kind: wrongly_read(KINDS[kind], flipped_bit, entropy(KINDS[kind])) for kind in ("colour", "grey", "progressive")}
    assert all(count < PLACES for count in wrong.values()), wrong  # a decoder that mends reads all of them


@pytest.mark.parametrize("tail", [b"\0" * 64, b"\xff\xd9", bytes(range(100))], ids=["padding", "second end", "garbage"])
def test_what_follows_the_end_of_a_jpeg_is_no_matter(tail):
    np.testing.assert_array_equal(compressed_to_rgb(KINDS["colour"] + tail, "jpeg"), by_pillow(KINDS["colour"]))


def test_a_twelve_bit_jpeg_is_refused():
    data = bytearray(KINDS["grey"])
    data[data.index(b"\xff\xc0") + 4] = 12  # the frame header's sample precision
    with pytest.raises(BadImage, match="cannot be decoded"):
        compressed_to_rgb(bytes(data), "jpeg")


def test_a_jpeg_that_claims_more_than_it_holds_is_refused():
    data = bytearray(KINDS["colour"])
    at = data.index(b"\xff\xc0") + 5
    for size in ((4000, 4000), (65535, 65535)):
        data[at:at + 4] = struct.pack(">HH", *size)
        with pytest.raises(BadImage):
            compressed_to_rgb(bytes(data), "jpeg")


def png(pixels: np.ndarray | None = None) -> bytes:
    return cv2.imencode(".png", scene() if pixels is None else pixels)[1].tobytes()


@pytest.mark.parametrize("pixels", [scene(), scene()[:, :, 0], scene().astype(np.uint16) * 257], ids=["colour", "grey", "16 bits"])
@pytest.mark.parametrize("damage", [cut_short, hole, zeroed, overwritten, repeated, flipped_bit, flipped_byte])
def test_a_damaged_png_is_never_read_otherwise(damage, pixels):
    assert wrongly_read(png(pixels), damage, 0) == 0


def test_a_png_whose_picture_is_whole_but_not_its_checksum_is_refused():
    data = bytearray(png())
    at = data.index(b"IEND") - 8  # the last bytes before it: of the picture's data, its own checksum
    data[at] ^= 1
    with pytest.raises(BadImage, match="checksum"):
        compressed_to_rgb(bytes(data), "png")


def test_a_png_without_its_end_is_refused():
    with pytest.raises(BadImage, match="cut short"):
        compressed_to_rgb(png()[:-12], "png")


def test_depth_compressed_is_no_picture():
    header = struct.pack("<iff", 0, 0.0, 0.0)
    for inside in (png(), KINDS["grey"]):
        with pytest.raises(BadImage, match="neither JPEG nor PNG"):
            compressed_to_rgb(header + inside, "16UC1; compressedDepth png")


@pytest.mark.parametrize("suffix, data", [(".jpg", KINDS["colour"]), (".png", png())])
def test_damaged_files_are_refused_as_messages_are(tmp_path, suffix, data):
    damaged = bytearray(data)
    overwritten(damaged, len(data) // 2, random.Random(0))
    path = tmp_path / f"part{suffix}"
    path.write_bytes(bytes(damaged))
    with pytest.raises(InputError, match=r"part\.\w+ cannot be read as an image: it is damaged or cut short"):
        read_rgb(path)


def test_orientation_is_not_applied_to_messages(tmp_path):
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(scene()).save(buffer, "JPEG", exif=exif)
    assert compressed_to_rgb(buffer.getvalue(), "jpeg").shape == scene().shape


PATTERNS = {"bayer_rggb8": (0, 1, 1, 2), "bayer_bggr8": (2, 1, 1, 0), "bayer_gbrg8": (1, 2, 0, 1), "bayer_grbg8": (1, 0, 2, 1)}


def mosaic(rgb: np.ndarray, pattern: str) -> np.ndarray:
    """Of each pixel the one channel that a camera of this pattern sees."""
    raw = np.empty(rgb.shape[:2], rgb.dtype)
    for place, channel in enumerate(PATTERNS[pattern]):
        raw[place // 2::2, place % 2::2] = rgb[place // 2::2, place % 2::2, channel]
    return raw


@pytest.mark.parametrize("after", ["", " ", " mono8"])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_a_compressed_bayer_pattern_becomes_colours(pattern, kind, after):
    rgb = np.empty((64, 64, 3), np.uint8)
    rgb[:] = (200, 120, 40)
    raw = mosaic(rgb, pattern)
    data = cv2.imencode(".jpg" if kind == "jpeg" else ".png", raw, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    found = compressed_to_rgb(data, f"{pattern}; {kind} compressed{after}")
    assert np.abs(found[4:-4, 4:-4].astype(int) - (200, 120, 40)).max() <= 6  # JPEG at quality 100; grey would be 80 off


def test_a_compressed_bayer_pattern_of_sixteen_bits_becomes_colours():
    rgb = np.empty((64, 64, 3), np.uint16)
    rgb[:] = (200 * 257, 120 * 257, 40 * 257)
    data = cv2.imencode(".png", mosaic(rgb, "bayer_grbg8"))[1].tobytes()
    found = compressed_to_rgb(data, "bayer_grbg16; png compressed ")
    assert (found[4:-4, 4:-4] == (200, 120, 40)).all()


@pytest.mark.parametrize("image_format", ["bayer_rggb8; jpeg compressed bgr8", "mono8; jpeg compressed ", "jpeg", "rgb8; jpeg compressed bgr8"])
def test_grey_that_is_no_bayer_pattern_stays_grey_and_colours_stay(image_format):
    grey = cv2.imencode(".jpg", scene()[:, :, 0])[1].tobytes()
    found = compressed_to_rgb(grey, image_format)
    assert (found == found[:, :, :1]).all()
    np.testing.assert_array_equal(compressed_to_rgb(KINDS["colour"], image_format), by_pillow(KINDS["colour"]))


def test_a_bayer_pattern_of_odd_size_is_refused():
    with pytest.raises(BadImage, match="needs even sizes") as caught:
        compressed_to_rgb(cv2.imencode(".png", scene(33, 48)[:, :, 0])[1].tobytes(), "bayer_rggb8; png compressed ")
    assert caught.value.cause == "wrong_size"


def test_pillow_alone_would_read_what_is_refused_here():
    """The measure of the rest: on damage in the middle, the common decoder returns a mended picture."""
    damaged = bytearray(KINDS["colour"])
    overwritten(damaged, len(damaged) // 2, random.Random(0))
    mended = by_pillow(bytes(damaged))
    assert mended.shape == scene().shape and not np.array_equal(mended, by_pillow(KINDS["colour"]))


def test_without_simplejpeg_a_jpeg_is_refused_with_what_to_install_and_the_rest_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(BadImage, match="pip install simplejpeg"):
        compressed_to_rgb(KINDS["colour"], "jpeg")
    assert compressed_to_rgb(png(), "png").shape == scene().shape
