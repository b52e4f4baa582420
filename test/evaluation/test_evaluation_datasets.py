"""Reading labelled data sets: what fits is found, what does not is refused in one line that says what to do."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import open_dataset


def picture(path, size=(20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(size, np.uint8)).save(path)


@pytest.fixture
def category(tmp_path):
    root = tmp_path / "gear"
    for name in ("good/1", "good/2", "good/10", "scratch/1", "scratch/2", "dent/1"):
        picture(root / "test" / f"{name}.png")
    for name in ("scratch/1", "scratch/2", "dent/1"):
        picture(root / "ground_truth" / f"{name}_mask.png")
    return root


def test_images_are_listed_good_first_in_natural_order_with_their_masks(category):
    dataset = open_dataset(category)
    assert [image.name for image in dataset.images] == [
        "good/1",
        "good/2",
        "good/10",
        "dent/1",
        "scratch/1",
        "scratch/2",
    ]
    assert [image.is_defective for image in dataset.images] == [False, False, False, True, True, True]
    masks = [[mask.name for mask in image.mask_paths] for image in dataset.images]
    assert masks == [[], [], [], ["1_mask.png"], ["1_mask.png"], ["2_mask.png"]]
    assert dataset.defect_types == ("dent", "scratch") and dataset.name == "gear"


@pytest.mark.parametrize("mask_name", ["1_mask.png", "1.png", "1_gt.bmp", "1_mask.jpg"])
def test_masks_are_found_under_the_names_in_use(category, mask_name):
    (category / "ground_truth" / "dent" / "1_mask.png").unlink()
    picture(category / "ground_truth" / "dent" / mask_name)
    (dent,) = [image for image in open_dataset(category).images if image.defect_type == "dent"]
    assert [mask.name for mask in dent.mask_paths] == [mask_name]


def test_without_any_ground_truth_images_are_still_labelled(category):
    import shutil

    shutil.rmtree(category / "ground_truth")
    dataset = open_dataset(category)
    assert len(dataset.images) == 6 and all(image.mask((20, 30)) is None for image in dataset.images)


def test_a_mask_marks_the_defect(category):
    mask = np.zeros((20, 30), np.uint8)
    mask[3:6, 7:9] = 255
    Image.fromarray(mask).save(category / "ground_truth" / "dent" / "1_mask.png")
    (dent,) = [image for image in open_dataset(category).images if image.defect_type == "dent"]
    np.testing.assert_array_equal(dent.mask((20, 30)), mask > 0)
    with pytest.raises(InputError, match=r"1_mask\.png is 30x20 but its image 1\.png is 60x40"):
        dent.mask((40, 60))


def missing_mask(root):
    (root / "ground_truth" / "scratch" / "2_mask.png").unlink()
    return root


def missing_mask_folder(root):
    for file in (root / "ground_truth" / "dent").iterdir():
        file.unlink()
    (root / "ground_truth" / "dent").rmdir()
    return root


def same_stem(root):
    picture(root / "test" / "good" / "1.bmp")
    return root


def no_images(root):
    for file in (root / "test").rglob("*.png"):
        file.unlink()
    return root


def plain_folder(root):
    return root / "test" / "good"


def the_test_folder(root):
    return root / "test"


def several(root):
    return root.parent


def absent(root):
    return root / "absent"


def a_file(root):
    return root / "test" / "good" / "1.png"


def two_layouts(root):
    picture(root / "kos01" / "Part0.jpg")
    picture(root / "kos01" / "Part0_label.bmp")
    return root


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing_mask, r"scratch has no mask for 1 of 2 images, the first is 2\.png; add 2_mask\.png"),
        (missing_mask_folder, r"dent has no mask for 1 of 1 images"),
        (same_stem, r"1\.(png|bmp) and 1\.(png|bmp) differ only in their suffix"),
        (no_images, r"test holds no images"),
        (plain_folder, r"good is no labelled data set known here; looked for .*test/<type>.*VisA.*KolektorSDD2.*plain"),
        (the_test_folder, r"test is a part of a data set; give the whole: .*gear$"),
        (several, r"is not itself a data set but holds some; give one of them: .*gear$"),
        (absent, r"absent: no such data set"),
        (two_layouts, r"gear fits more than one layout: MVTec AD.* and KolektorSDD .*; move"),
        (a_file, r"1\.png is no labelled data set"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(category, spoil, message):
    path = spoil(category)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(path)
    assert "\n" not in str(caught.value)
