"""What a picture may cost: asked of its header, so that kilobytes do not become gigabytes, and no real picture is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_conversion import BadImage, compressed_to_rgb
from hetnet_ros.inspection.image_files import read_mask, read_rgb
from hetnet_ros.inspection.picture_budget import CameraBudget, TooLarge, check_picture


def stored(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("kind", "mode", "options"), [
    ("PNG", "1", {}), ("PNG", "L", {}), ("TIFF", "L", {"compression": "tiff_adobe_deflate"}), ("WEBP", "RGB", {"lossless": True}),
    ("GIF", "P", {}),
])
def test_a_file_that_claims_far_more_than_it_weighs_is_refused(tmp_path, kind, mode, options):
    side = 7000  # 49 megapixels, 200 MB in colour; each of these files has less than a hundredth of the pixels in bytes
    (tmp_path / f"a.{kind.lower()}").write_bytes(stored(Image.new(mode, (side, side)), kind, **options))
    with pytest.raises(InputError, match="it claims 7000x7000 pixels in .* bytes, too little for a picture of anything"):
        read_rgb(tmp_path / f"a.{kind.lower()}")


def test_small_and_honest_pictures_are_read_however_well_they_compress(tmp_path):
    for side in (64, 2000):  # 4 megapixels of one grey weigh 4 kB
        (tmp_path / "a.png").write_bytes(stored(Image.new("L", (side, side), 9), "PNG"))
        assert read_rgb(tmp_path / "a.png").shape == (side, side, 3)


def test_a_large_photograph_is_read(tmp_path):
    noise = np.random.default_rng(0).integers(100, 110, (4700, 4700), np.uint8)  # 22 megapixels, beyond what is free
    data = stored(Image.fromarray(noise), "JPEG", quality=50)
    (tmp_path / "a.jpg").write_bytes(data)
    assert noise.size > 20e6 and read_rgb(tmp_path / "a.jpg").shape == (4700, 4700, 3)


def test_a_mask_of_its_images_size_is_read_however_little_it_weighs(tmp_path):
    side = 7000
    (tmp_path / "mask.png").write_bytes(stored(Image.new("1", (side, side), 1), "PNG"))
    assert read_mask(tmp_path / "mask.png", (side, side)).all()
    with pytest.raises(InputError, match="it claims 7000x7000 pixels"):
        read_mask(tmp_path / "mask.png", (480, 640))


def test_a_format_that_runs_programs_is_not_read(tmp_path):
    (tmp_path / "a.png").write_bytes(stored(Image.new("RGB", (64, 64)), "EPS"))
    with pytest.raises(InputError, match="its format, EPS, is not read"):
        read_rgb(tmp_path / "a.png")


def test_a_camera_may_grow_but_not_by_nothing():
    """A camera of 0.3 megapixels: four times as much is another setting of it, and more only if it weighs something."""
    budget = CameraBudget()
    budget.note((480, 640, 3))
    grown = stored(Image.new("L", (1280, 960)), "PNG")
    assert compressed_to_rgb(grown, "png", usual_pixels=budget.usual_pixels).shape == (960, 1280, 3)
    far = Image.new("L", (4000, 3000))
    assert compressed_to_rgb(stored(far, "PNG"), "png").shape == (3000, 4000, 3)  # where its size is not known yet
    with pytest.raises(BadImage, match="the camera's largest so far had 307,200") as caught:
        compressed_to_rgb(stored(far, "PNG"), "png", usual_pixels=budget.usual_pixels)
    assert caught.value.cause == "too_large"
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (3000, 4000), np.uint8))
    assert compressed_to_rgb(stored(photograph, "JPEG"), "jpeg", usual_pixels=budget.usual_pixels).shape == (3000, 4000, 3)


def test_nothing_is_decoded_to_find_out():
    image = Image.open(io.BytesIO(stored(Image.new("1", (7000, 7000)), "PNG")))
    image.load = None  # where Pillow decodes
    with pytest.raises(TooLarge):
        check_picture(image, 9000)
