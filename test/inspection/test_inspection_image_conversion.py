"""Encodings of camera images: each one against an independent mosaic or OpenCV, and every way a frame can lie."""

from __future__ import annotations

import array
import io
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from hetnet_ros.inspection.image_conversion import ENCODINGS, BadImage, compressed_to_rgb, fill_image, image_to_rgb

HEIGHT, WIDTH = 24, 32


@dataclass
class Message:
    """The fields of sensor_msgs/Image, so that conversions are tested on machines without ROS."""

    height: int = 0
    width: int = 0
    encoding: str = ""
    is_bigendian: int = 0
    step: int = 0
    data: array.array = field(default_factory=lambda: array.array("B"))


def as_message(
    rows: np.ndarray, encoding: str, *, height: int = HEIGHT, padding: int = 0, bigendian: bool = False
) -> Message:
    """A message of the given bytes, uint8 (rows, bytes), with ``padding`` bytes of rubbish after each row."""
    rubbish = np.full((rows.shape[0], padding), 0xA5, np.uint8)
    padded = np.ascontiguousarray(np.hstack([rows, rubbish]))
    return Message(height, WIDTH, encoding, int(bigendian), padded.shape[1], array.array("B", padded.tobytes()))


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """A smooth colour scene, (24, 32, 3) RGB: smooth, so that sub-sampled colour can be compared."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return np.stack([40 + 5 * x, 60 + 6 * y, 200 - 3 * x - 2 * y], axis=-1).astype(np.uint8)


def encode(scene: np.ndarray, encoding: str) -> np.ndarray:
    """The scene as a camera would send it: uint8 (rows, bytes in a row), little-endian."""
    red, green, blue = (scene[:, :, channel] for channel in range(3))
    opaque = np.full_like(red, 255)
    order = {"r": red, "g": green, "b": blue, "a": opaque}
    if encoding in ("rgb8", "bgr8", "rgba8", "bgra8"):
        return np.stack([order[letter] for letter in encoding[:-1]], axis=-1).reshape(HEIGHT, -1)
    if encoding in ("rgb16", "bgr16", "rgba16", "bgra16"):
        wide = np.stack([order[letter] for letter in encoding[:-2]], axis=-1).astype("<u2") * 257
        return wide.reshape(HEIGHT, -1).view(np.uint8)
    if encoding in ("mono8", "8UC1"):
        return green
    if encoding in ("mono16", "16UC1"):
        return (green.astype("<u2") * 257).view(np.uint8)
    if encoding.startswith("bayer_"):
        mosaic = np.empty((HEIGHT, WIDTH), np.uint8)
        for position, letter in enumerate(encoding[len("bayer_") :][:4]):
            row, column = divmod(position, 2)
            mosaic[row::2, column::2] = order[letter][row::2, column::2]
        return (mosaic.astype("<u2") * 257).view(np.uint8) if encoding.endswith("16") else mosaic
    # BT.601 in the studio range, which is what cameras send as YUV
    luma = 16 + (65.738 * red + 129.057 * green + 25.064 * blue) / 256
    cb = 128 + (-37.945 * red - 74.494 * green + 112.439 * blue) / 256
    cr = 128 + (112.439 * red - 94.154 * green - 18.285 * blue) / 256
    luma, cb, cr = (np.round(plane).astype(np.uint8) for plane in (luma, cb, cr))
    if encoding in ("nv12", "nv21"):
        pair = (cb, cr) if encoding == "nv12" else (cr, cb)
        chroma = np.stack([plane[::2, ::2] for plane in pair], axis=-1).reshape(HEIGHT // 2, WIDTH)
        return np.vstack([luma, chroma])
    packed = np.empty((HEIGHT, WIDTH, 2), np.uint8)
    bright = 1 if encoding in ("yuv422", "uyvy") else 0
    packed[:, :, bright] = luma
    packed[:, 0::2, 1 - bright], packed[:, 1::2, 1 - bright] = cb[:, ::2], cr[:, ::2]
    return packed.reshape(HEIGHT, -1)


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_gives_the_scene_back(scene: np.ndarray, encoding: str, padding: int) -> None:
    rgb = image_to_rgb(as_message(encode(scene, encoding), encoding, padding=padding))
    assert rgb.dtype == np.uint8 and rgb.shape == scene.shape
    grey = encoding in ("mono8", "8UC1", "mono16", "16UC1")
    wanted = np.repeat(scene[:, :, 1:2], 3, axis=2) if grey else scene
    exact = grey or encoding.startswith(("rgb", "bgr"))
    # Two by two pixels that share a colour are off by up to two steps of the ramp (6 levels a pixel), more at the
    # border, which is left out; a wrong order of channels or of the mosaic is off by 100 and more.
    difference = np.abs(rgb.astype(int) - wanted)[2:-2, 2:-2]
    assert difference.max() <= (0 if exact else 12)


@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "rgb16", "bgr16", "bayer_rggb16"])
def test_big_endian_samples_are_swapped(scene: np.ndarray, encoding: str) -> None:
    # 257 * v has two equal bytes, so these values must not be multiples of it
    values = (encode(scene, encoding).view("<u2").astype(np.uint32) + 100).clip(0, 65535)
    little = as_message(values.astype("<u2").view(np.uint8), encoding)
    big = as_message(values.astype(">u2").view(np.uint8), encoding, bigendian=True)
    assert np.array_equal(image_to_rgb(little), image_to_rgb(big))
    assert not np.array_equal(
        image_to_rgb(little), image_to_rgb(as_message(values.astype(">u2").view(np.uint8), encoding))
    )


def test_sixteen_bits_span_the_full_range() -> None:
    values = np.zeros((HEIGHT, WIDTH), "<u2")
    values[0, :3] = 128, 32768, 65535
    rgb = image_to_rgb(as_message(values.view(np.uint8), "mono16"))
    assert rgb[0, :3, 0].tolist() == [0, 128, 255]


def test_rgb8_is_not_copied(scene: np.ndarray) -> None:
    message = as_message(encode(scene, "rgb8"), "rgb8", padding=4)
    assert np.shares_memory(image_to_rgb(message), np.frombuffer(message.data, np.uint8))


def bad(scene: np.ndarray, **changes: object) -> Message:
    message = as_message(encode(scene, "rgb8"), "rgb8")
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"height": 0}, "zero_size"),
        ({"width": 0}, "zero_size"),
        ({"height": 0, "width": 0, "step": 0, "data": array.array("B")}, "zero_size"),
        ({"encoding": ""}, "unknown_encoding"),
        ({"encoding": "jpeg2000"}, "unknown_encoding"),
        ({"encoding": "RGB8"}, "unknown_encoding"),
        ({"encoding": "32FC1"}, "unknown_encoding"),
        ({"encoding": "8UC3"}, "unknown_encoding"),  # the order of its channels is anybody's guess
        ({"encoding": "rgba8"}, "wrong_size"),
        ({"encoding": "mono8", "step": WIDTH}, "wrong_size"),
        ({"step": 0}, "wrong_size"),
        ({"step": WIDTH * 3 + 1}, "truncated"),
        ({"data": array.array("B")}, "truncated"),
        ({"data": array.array("B", bytes(HEIGHT * WIDTH * 3 - 1))}, "truncated"),
        ({"data": array.array("B", bytes(HEIGHT * WIDTH * 3 + 1))}, "wrong_size"),
        ({"height": 4_000_000_000}, "truncated"),
        ({"width": 4_000_000_000}, "wrong_size"),
        ({"encoding": "nv12", "width": WIDTH - 1}, "wrong_size"),
        ({"encoding": "yuv422", "width": WIDTH - 1}, "wrong_size"),
        ({"encoding": "bayer_rggb8", "height": HEIGHT - 1, "step": 0}, "wrong_size"),
    ],
)
def test_a_frame_that_does_not_add_up_is_refused(scene: np.ndarray, changes: dict[str, object], cause: str) -> None:
    with pytest.raises(BadImage) as caught:
        image_to_rgb(bad(scene, **changes))
    assert caught.value.cause == cause
    assert "\n" not in str(caught.value)


def test_the_fallback_reads_encodings_that_are_not_ours(scene: np.ndarray) -> None:
    message = bad(scene, encoding="bgr8 of a vendor")
    assert np.array_equal(
        image_to_rgb(message, lambda given: np.full((given.height, given.width, 3), 9, np.uint8)),
        np.full((HEIGHT, WIDTH, 3), 9),
    )

    def refuse(_: Message) -> np.ndarray:
        raise RuntimeError("never heard of it")

    with pytest.raises(BadImage, match="never heard of it") as caught:
        image_to_rgb(message, refuse)
    assert caught.value.cause == "unknown_encoding"


def test_png_is_exact_and_jpeg_is_close(scene: np.ndarray) -> None:
    png = cv2.imencode(".png", scene[:, :, ::-1])[1].tobytes()
    assert np.array_equal(compressed_to_rgb(array.array("B", png), "bgr8; png compressed bgr8"), scene)
    jpeg = cv2.imencode(".jpg", scene[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    rgb = compressed_to_rgb(jpeg, "jpeg")
    assert np.abs(rgb.astype(int) - scene).max() <= 12  # JPEG at quality 95


def test_grey_and_sixteen_bit_files_become_rgb(scene: np.ndarray) -> None:
    green = scene[:, :, 1]
    wanted = np.repeat(green[:, :, None], 3, axis=2)
    assert np.array_equal(compressed_to_rgb(cv2.imencode(".png", green)[1].tobytes(), "mono8; png compressed"), wanted)
    sixteen = cv2.imencode(".png", green.astype(np.uint16) * 257)[1].tobytes()
    assert np.array_equal(compressed_to_rgb(sixteen, "mono16; png compressed"), wanted)


def test_swapped_channels_are_noticed_from_the_format(scene: np.ndarray) -> None:
    swapped = cv2.imencode(".png", scene)[1].tobytes()  # RGB fed to an encoder that takes BGR
    assert np.array_equal(compressed_to_rgb(swapped, "rgb8; png compressed rgb8"), scene)


def test_damaged_files_are_refused_rather_than_half_read(scene: np.ndarray) -> None:
    big = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", big)[1].tobytes()
    png = cv2.imencode(".png", big)[1].tobytes()
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 0xFF
    bmp = io.BytesIO()
    PillowImage.fromarray(scene).save(bmp, "BMP")
    for data in (
        jpeg[: len(jpeg) // 2],
        png[: len(png) // 2],
        bytes(flipped),
        b"\xff\xd8\xff\xe0",
        b"hello",
        bmp.getvalue(),
    ):
        with pytest.raises(BadImage) as caught:
            compressed_to_rgb(data, "jpeg")
        assert caught.value.cause == "undecodable"
        assert "\n" not in str(caught.value)
    with pytest.raises(BadImage) as caught:
        compressed_to_rgb(array.array("B"), "jpeg")
    assert caught.value.cause == "zero_size"


@pytest.mark.parametrize(("dtype", "shape", "encoding"), [(np.uint8, (5, 4, 3), "rgb8"), (np.uint8, (5, 4), "mono8")])
def test_filled_messages_read_back(dtype: type, shape: tuple[int, ...], encoding: str) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, shape).astype(dtype)
    message = Message()
    fill_image(message, pixels[::-1], encoding)  # a view with negative strides, as slices are
    rgb = image_to_rgb(message)
    assert np.array_equal(rgb if len(shape) == 3 else rgb[:, :, 0], pixels[::-1])


def test_filled_floats_keep_their_values() -> None:
    pixels = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
    message = Message()
    fill_image(message, pixels, "32FC1")
    assert (message.step, message.encoding) == (20, "32FC1")
    assert np.array_equal(np.frombuffer(message.data, np.float32).reshape(4, 5), pixels)
