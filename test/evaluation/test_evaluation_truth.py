"""Data sets as users have them: masks that say nothing or the reverse, turned pictures, links to nowhere, rarer suffixes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from hetnet_ros.cli.main import main
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import open_dataset
from hetnet_ros.evaluation.replay.label_files import read_labels
from hetnet_ros.evaluation.truth import check_truth
from hetnet_ros.inspection.image_files import list_images

SHAPE = (60, 80)


def defect(value=255, background=0):
    mask = np.full(SHAPE, background, np.uint8)
    mask[10:20, 30:50] = value
    return mask


@pytest.fixture
def category(tmp_path):
    """Three defective images with masks in MVTec's layout."""
    root = tmp_path / "gear"
    for folder in ("test/good", "test/dent", "ground_truth/dent"):
        (root / folder).mkdir(parents=True)
    for index in range(3):
        picture = Image.fromarray(np.random.default_rng(index).integers(0, 255, (*SHAPE, 3), dtype=np.uint8))
        picture.save(root / f"test/good/{index}.png")
        picture.save(root / f"test/dent/{index}.png")
        Image.fromarray(defect()).save(root / f"ground_truth/dent/{index}_mask.png")
    return root


def replace_masks(root, mask, count=3):
    for index in range(count):
        (mask if isinstance(mask, Image.Image) else Image.fromarray(mask)).save(root / f"ground_truth/dent/{index}_mask.png")


def check(root):
    return check_truth(open_dataset(root))


def palette(indices, colours):
    image = Image.fromarray(indices, "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


def alpha(mask, colour):
    return Image.fromarray(np.dstack([np.full((*SHAPE, 3), colour, np.uint8), mask]), "RGBA")


@pytest.mark.parametrize(
    "mask",
    [
        defect(1),
        Image.fromarray(np.dstack([defect(), np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)])),
        palette(defect(1), [(0, 0, 0), (128, 0, 0)]),
        Image.fromarray(defect() > 0),
        Image.fromarray(defect().astype(np.uint16) * 257),
        Image.merge("LA", [Image.fromarray(defect()), Image.new("L", SHAPE[::-1], 255)]),
    ],
    ids=["0 and 1", "one channel", "palette", "one bit", "16 bits", "grey with alpha"],
)
def test_masks_of_every_usual_kind_are_read(category, mask):
    replace_masks(category, mask)
    assert check(category) == ()
    image = next(image for image in open_dataset(category).images if image.is_defective)
    assert np.array_equal(image.mask(SHAPE), defect() > 0)


@pytest.mark.parametrize(
    "mask",
    [np.zeros(SHAPE, np.uint8), palette(defect(1), [(0, 0, 0), (0, 0, 0)]), alpha(defect(), 0)],
    ids=["black", "palette without colours", "mask in the alpha channel"],
)
@pytest.mark.parametrize("count", [1, 3])
def test_a_mask_that_marks_nothing_is_refused(category, mask, count):
    replace_masks(category, mask, count)
    with pytest.raises(InputError, match=f"0_mask.png marks nothing.*{count} of 3"):
        check(category)


@pytest.mark.parametrize(
    "mask",
    [np.full(SHAPE, 255, np.uint8), defect(0, 255), defect(2, 1), alpha(defect(), 255), palette(defect(1), [(9, 9, 9), (255, 0, 0)])],
    ids=["white", "inverted", "1 for good", "white with the mask in the alpha channel", "palette with a grey for good"],
)
def test_masks_that_mark_what_is_good_are_refused(category, mask):
    replace_masks(category, mask)
    with pytest.raises(InputError, match="3 of 3 masks.*edge.*0 on what is good"):
        check(category)


def test_one_mask_that_covers_the_whole_picture_is_read_and_told(category):
    replace_masks(category, np.full(SHAPE, 255, np.uint8), count=1)
    (line,) = check(category)
    assert "0_mask.png" in line and "1 of 3" in line
    assert open_dataset(category).images[3].mask(SHAPE).all()


def test_a_large_defect_that_reaches_the_edge_is_no_inverted_mask(category):
    mask = np.full(SHAPE, 255, np.uint8)
    mask[:, :5] = 0
    replace_masks(category, mask)
    assert check(category) == ()


def test_it_is_told_before_the_work(category, tmp_path, capsys):
    replace_masks(category, np.zeros(SHAPE, np.uint8))
    assert main(["evaluate", str(tmp_path / "there_is_no_model.safetensors"), str(category)]) == 2
    assert "marks nothing" in capsys.readouterr().err


def store_turned(root, orientation, shape=SHAPE, mask_upright=True, suffix=".jpg"):
    """The defective images as a camera stores them that was held otherwise: turned, with a tag that says how."""
    upright = np.zeros(shape, np.uint8)
    upright[5:15, 8:30] = 255
    back = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]

    def turned(image, how):
        exif = Image.Exif()
        exif[0x0112] = how
        image.info["exif"] = exif.tobytes()
        image.getexif()[0x0112] = how
        return ImageOps.exif_transpose(image)

    stored = turned(Image.fromarray(np.dstack([upright] * 3)), back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    for index in range(3):
        (root / f"test/dent/{index}.png").unlink(missing_ok=True)
        stored.save(root / f"test/dent/{index}{suffix}", **({"quality": 95} if suffix == ".jpg" else {}), exif=exif)
        mask = Image.fromarray(upright) if mask_upright else Image.fromarray(np.asarray(stored)[:, :, 0] // 128 * 255)
        mask.save(root / f"ground_truth/dent/{index}_mask.png")
    return np.asarray(stored)[:, :, 0] > 127


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@pytest.mark.parametrize("upright", [True, False])
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_a_mask_drawn_on_the_upright_picture_is_turned_to_the_stored_one(category, orientation, upright, suffix):
    stored = store_turned(category, orientation, mask_upright=upright, suffix=suffix)
    assert stored.shape == SHAPE[::-1] and check(category) == ()
    image = next(image for image in open_dataset(category).images if image.is_defective)
    assert np.array_equal(image.mask(stored.shape), stored)


@pytest.mark.parametrize(("orientation", "shape"), [(3, SHAPE), (2, SHAPE), (4, SHAPE), (6, (60, 60)), (8, (60, 60))])
def test_where_the_sizes_do_not_tell_how_a_mask_lies_that_is_said(category, orientation, shape):
    store_turned(category, orientation, shape)
    (line,) = check(category)
    assert "EXIF" in line and "3 images" in line and "0.jpg" in line and "as stored" in line


def test_a_mask_of_another_size_without_a_tag_is_refused_before_the_work(category):
    Image.fromarray(defect().T.copy()).save(category / "ground_truth/dent/1_mask.png")
    with pytest.raises(InputError, match="1_mask.png is 60x80 but its image 1.png is 80x60"):
        check(category)


@pytest.mark.parametrize("place", ["test/good/9.png", "test/dent/1.png", "ground_truth/dent/1_mask.png", "test/scratch",
                                   "ground_truth/dent"])
def test_a_link_to_nowhere_is_told_and_not_passed_over(category, place, tmp_path, capsys):
    there = category / place
    if there.is_dir():
        shutil.rmtree(there)
    there.unlink(missing_ok=True)
    there.symlink_to(tmp_path / "unmounted" / there.name)
    with pytest.raises(InputError) as caught:
        check(category)
    said = str(caught.value)
    assert str(there) in said and "is a link to" in said and "unmounted" in said and "\n" not in said


def test_a_link_to_nowhere_among_the_good_images_is_told(category, tmp_path, tiny_preset, weights_cache, capsys):
    (category / "test/good/9.png").symlink_to(tmp_path / "unmounted/9.png")
    argv = ["train", str(category / "test/good"), "-o", str(tmp_path / "m.safetensors"), "--preset", str(tiny_preset)]
    assert main(argv) == 2
    assert "9.png is a link to" in capsys.readouterr().err


@pytest.mark.parametrize(("suffix", "kind"), [(".pnm", "PPM"), (".PNM", "PPM"), (".jfif", "JPEG"), (".jpe", "JPEG"), (".pbm", "PPM")])
def test_rarer_suffixes_are_images_too(tmp_path, suffix, kind):
    mode = "1" if suffix == ".pbm" else "RGB"
    Image.new(mode, (20, 20)).save(tmp_path / f"part{suffix}", kind)
    assert [path.name for path in list_images(tmp_path)] == [f"part{suffix}"]


def test_a_picture_that_is_too_large_to_decode_is_one_line(category, tmp_path):
    """179 million pixels are what Pillow opens at most; of one bit each they make a file of some kilobytes."""
    Image.new("1", (18_000, 10_000)).save(category / "test/dent/0.png")
    image = next(image for image in open_dataset(category).images if image.is_defective)
    from hetnet_ros.inspection.image_files import read_rgb

    with pytest.raises(InputError, match="0.png") as caught:
        read_rgb(image.path)
    assert "too large" in str(caught.value) or "pixels" in str(caught.value)


@pytest.mark.parametrize(("mask", "words"), [(np.zeros(SHAPE, np.uint8), "marks nothing"), (defect(0, 255), "edge")])
def test_masks_of_labels_are_looked_at_too(tmp_path, mask, words):
    Image.fromarray(mask).save(tmp_path / "m.png")
    (tmp_path / "run.labels.csv").write_text("frame,label,mask\n0,good,\n1,dent,m.png\n2,dent,m.png\n")
    with pytest.raises(InputError, match=words):
        read_labels(tmp_path / "run.labels.csv").check_masks()
