"""Files that hold several pictures are refused: a defect on a page that nobody looks at would pass."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_conversion import BadImage, compressed_to_rgb
from hetnet_ros.inspection.image_files import read_rgb

PICTURES = [Image.fromarray(np.full((64, 64, 3), grey, np.uint8)) for grey in (40, 90, 200)]


def several(path, **options) -> None:
    PICTURES[0].save(path, save_all=True, append_images=PICTURES[1:], **options)


def pages(path, kinds: list[int]) -> None:
    """A TIFF with a page of each kind (NewSubfileType)."""
    with TiffImagePlugin.AppendingTiffWriter(str(path), True) as file:
        for picture, kind in zip(PICTURES, kinds):
            picture.save(file, format="TIFF", tiffinfo={254: kind})
            file.newFrame()


@pytest.mark.parametrize("name", ["pages.tif", "turning.gif", "turning.png", "turning.webp"])
def test_several_pictures_are_refused(tmp_path, name):
    several(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} .*holds several pictures, .*store each"):
        read_rgb(tmp_path / name)


def test_pages_of_floats_are_refused(tmp_path):
    """Of more than one channel, which another decoder reads: two pages written by hand, little-endian, uncompressed."""
    pixels = np.full((32, 32, 3), 0.5, "<f4").tobytes()

    def page(at: int, following: int) -> bytes:
        bits, strip = at + 2 + 10 * 12 + 4, at + 2 + 10 * 12 + 4 + 12
        tags = [(256, 3, 1, 32), (257, 3, 1, 32), (258, 3, 3, bits), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, strip), (277, 3, 1, 3),
                (278, 3, 1, 32), (279, 4, 1, len(pixels)), (339, 3, 3, bits + 6)]
        entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
        return struct.pack("<H", len(tags)) + entries + struct.pack("<I3H3H", following, 32, 32, 32, 3, 3, 3) + pixels

    second = 8 + len(page(8, 0))
    one, two = tmp_path / "one.tif", tmp_path / "two.tif"
    one.write_bytes(b"II*\0" + struct.pack("<I", 8) + page(8, 0))
    two.write_bytes(b"II*\0" + struct.pack("<I", 8) + page(8, second) + page(second, 0))
    assert np.unique(read_rgb(one)).tolist() == [128]
    with pytest.raises(InputError, match="several pictures"):
        read_rgb(two)


@pytest.mark.parametrize("kinds, fine", [([0], True), ([0, 1], True), ([0, 1, 4], True), ([0, 1, 0], False), ([0, 2], False), ([1, 1], True)])
def test_a_smaller_copy_or_a_mask_beside_the_picture_is_no_other(tmp_path, kinds, fine):
    pages(tmp_path / "part.tif", kinds)
    if fine:
        assert np.unique(read_rgb(tmp_path / "part.tif")).tolist() == [40]
    else:
        with pytest.raises(InputError, match="several pictures"):
            read_rgb(tmp_path / "part.tif")


def test_a_cameras_preview_beside_its_jpeg_is_no_other(tmp_path):
    several(tmp_path / "part.jpg", format="MPO", quality=95)
    assert np.abs(read_rgb(tmp_path / "part.jpg").astype(int) - 40).max() <= 2  # quantised


def test_an_animation_on_a_topic_is_no_picture():
    data = io.BytesIO()
    several(data, format="PNG")
    with pytest.raises(BadImage, match="several pictures"):
        compressed_to_rgb(data.getvalue(), "rgb8; png compressed ")
