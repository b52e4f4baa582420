"""Each public data set's layout, as a tiny made-up tree: what is tested, what may be taught, what each mask marks."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.datasets import good_training_images, open_dataset

SHAPE = (20, 30)


def picture(path, marked=None, value=255):
    """A grey image at ``path``; of rows ``marked`` (a slice), if any, every pixel is ``value``, else all are 0."""
    pixels = np.zeros(SHAPE, np.uint8)
    if marked is not None:
        pixels[marked] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def tree(root, *names, marked=None):
    for name in names:
        picture(root / name, marked)
    return root


def names_in(root):
    return [image.name for image in open_dataset(root).images]


def training_paths(root):
    return [path.relative_to(root).as_posix() for path in good_training_images(root)]


def mask_rows(root, name):
    """The rows that the mask of the image called ``name`` marks."""
    (image,) = [image for image in open_dataset(root).images if image.name == name]
    return np.flatnonzero(image.mask(SHAPE).any(axis=1)).tolist()


def assert_nothing_is_taught_and_tested(root):
    assert not set(good_training_images(root)) & {image.path for image in open_dataset(root).images}


@pytest.fixture
def mpdd(tmp_path):
    root = tree(tmp_path / "bracket_black", "train/good/000.png", "train/good/001.png", "test/good/000.png")
    tree(root, "test/hole/000.png", "test/scratches/000.png")
    return tree(root, "ground_truth/hole/000_mask.png", "ground_truth/scratches/000_mask.png", marked=slice(2, 4))


def test_mpdd_is_read_as_mvtec(mpdd):
    assert names_in(mpdd) == ["good/000", "hole/000", "scratches/000"]
    assert training_paths(mpdd) == ["train/good/000.png", "train/good/001.png"]
    assert mask_rows(mpdd, "hole/000") == [2, 3]


@pytest.fixture
def loco(tmp_path):
    root = tree(tmp_path / "pushpins", "train/good/000.png", "validation/good/000.png", "test/good/000.png")
    tree(root, "test/logical_anomalies/000.png", "test/structural_anomalies/000.png")
    picture(root / "ground_truth" / "logical_anomalies" / "000" / "000.png", slice(1, 2), value=3)
    picture(root / "ground_truth" / "logical_anomalies" / "000" / "001.png", slice(5, 6), value=252)
    picture(root / "ground_truth" / "structural_anomalies" / "000" / "000.png", slice(8, 9), value=1)
    return root


def test_loco_joins_an_images_masks_whatever_their_values(loco):
    assert names_in(loco) == ["good/000", "logical_anomalies/000", "structural_anomalies/000"]
    assert training_paths(loco) == ["train/good/000.png"]
    assert mask_rows(loco, "logical_anomalies/000") == [1, 5]
    assert mask_rows(loco, "structural_anomalies/000") == [8]


def test_loco_names_an_image_whose_folder_of_masks_is_empty(loco):
    (loco / "ground_truth" / "structural_anomalies" / "000" / "000.png").unlink()
    with pytest.raises(InputError, match=r"structural_anomalies has no mask for 1 of 1 images.*add 000/000\.png"):
        open_dataset(loco)


@pytest.fixture
def visa(tmp_path):
    root = tree(tmp_path / "VisA" / "candle", *(f"Data/Images/Normal/{stem}.JPG" for stem in ("0000", "0001", "0002")))
    tree(root, "Data/Images/Anomaly/000.JPG")
    picture(root / "Data" / "Masks" / "Anomaly" / "000.png", slice(4, 6), value=2)
    table = root.parent / "split_csv" / "1cls.csv"
    table.parent.mkdir()
    table.write_text(
        "object,split,label,image,mask\n"
        "candle,train,normal,candle/Data/Images/Normal/0000.JPG,\n"
        "candle,test,anomaly,candle/Data/Images/Anomaly/000.JPG,candle/Data/Masks/Anomaly/000.png\n"
        "candle,train,normal,candle/Data/Images/Normal/0002.JPG,\n"
        "candle,test,normal,candle/Data/Images/Normal/0001.JPG,\n"
        "pcb1,test,normal,pcb1/Data/Images/Normal/0000.JPG,\n"
    )
    return root


def test_visa_follows_its_one_class_split(visa):
    assert names_in(visa) == ["good/0001", "anomaly/000"]
    assert training_paths(visa) == ["Data/Images/Normal/0000.JPG", "Data/Images/Normal/0002.JPG"]
    assert mask_rows(visa, "anomaly/000") == [4, 5]
    assert_nothing_is_taught_and_tested(visa)


def test_visas_converted_layout_is_read_as_mvtec(tmp_path):
    root = tree(tmp_path / "candle", "train/good/0000.JPG", "test/good/0001.JPG", "test/bad/000.JPG")
    picture(root / "ground_truth" / "bad" / "000.png", slice(4, 6))
    assert names_in(root) == ["good/0001", "bad/000"] and mask_rows(root, "bad/000") == [4, 5]


def test_visa_without_its_table_or_with_a_broken_one_is_refused(visa):
    table = visa.parent / "split_csv" / "1cls.csv"
    (visa / "Data" / "Images" / "Normal" / "0001.JPG").unlink()
    with pytest.raises(InputError, match=r"1cls\.csv, line 5: candle/Data/Images/Normal/0001\.JPG is not there"):
        open_dataset(visa)
    table.write_text("object,split,label,image,mask\npcb1,test,normal,pcb1/Data/Images/Normal/0000.JPG,\n")
    with pytest.raises(InputError, match=r"lists no images of 'candle'"):
        open_dataset(visa)
    table.write_text("name,part\n")
    with pytest.raises(InputError, match=r"1cls\.csv, line 1: expected the columns object, split"):
        open_dataset(visa)
    table.unlink()
    with pytest.raises(InputError, match=r"split_csv folder must lie beside"):
        open_dataset(visa)
    with pytest.raises(InputError, match=r"VisA is not itself a data set but holds some.*candle"):
        open_dataset(visa.parent)


@pytest.mark.parametrize(("image", "mask"), [("bmp", "png"), ("png", "png"), ("bmp", "bmp")])
def test_btad_calls_its_types_ok_and_ko(tmp_path, image, mask):
    root = tree(tmp_path / "01", f"train/ok/0000.{image}", f"test/ok/0000.{image}", f"test/ko/0000.{image}")
    picture(root / "ground_truth" / "ko" / f"0000.{mask}", slice(7, 9))
    assert names_in(root) == ["good/0000", "ko/0000"] and training_paths(root) == [f"train/ok/0000.{image}"]
    assert mask_rows(root, "ko/0000") == [7, 8]


@pytest.fixture
def kolektor(tmp_path):
    """Six commutators of two surfaces; on each the second is defective, but for the third commutator."""
    root = tmp_path / "KolektorSDD"
    for number in range(1, 7):
        for part in range(2):
            picture(root / f"kos{number:02d}" / f"Part{part}.jpg")
            marked = slice(3, 5) if part == 1 and number != 3 else None
            picture(root / f"kos{number:02d}" / f"Part{part}_label.bmp", marked)
    return root


def test_kolektor_tests_all_defects_and_the_good_images_of_every_fifth_part(kolektor):
    assert names_in(kolektor) == [
        "good/kos01_Part0",
        "good/kos06_Part0",
        *(f"defect/kos{number:02d}_Part1" for number in (1, 2, 4, 5, 6)),
    ]
    assert training_paths(kolektor) == [
        "kos02/Part0.jpg",
        "kos03/Part0.jpg",
        "kos03/Part1.jpg",
        "kos04/Part0.jpg",
        "kos05/Part0.jpg",
    ]
    assert mask_rows(kolektor, "defect/kos02_Part1") == [3, 4]
    assert_nothing_is_taught_and_tested(kolektor)


def test_kolektor_names_an_image_without_label(kolektor):
    (kolektor / "kos02" / "Part1_label.bmp").unlink()
    with pytest.raises(InputError, match=r"Part1\.jpg has no label; add Part1_label\.bmp"):
        open_dataset(kolektor)


@pytest.fixture
def kolektor2(tmp_path):
    root = tree(tmp_path / "KolektorSDD2", *(f"{name}.png" for name in ("test/20000", "test/20001", "train/10000")))
    tree(root, "train/10001.png", "test/20001_GT.png", "train/10001_GT.png")
    return tree(root, "test/20000_GT.png", "train/10000_GT.png", marked=slice(6, 7))


def test_kolektor2_is_labelled_by_its_masks_and_never_teaches_a_defect(kolektor2):
    assert names_in(kolektor2) == ["good/20001", "defect/20000"] and training_paths(kolektor2) == ["train/10001.png"]
    assert mask_rows(kolektor2, "defect/20000") == [6]


def test_kolektor2_names_an_image_without_mask(kolektor2):
    (kolektor2 / "test" / "20001_GT.png").unlink()
    with pytest.raises(InputError, match=r"20001\.png has no mask; add 20001_GT\.png"):
        open_dataset(kolektor2)


def msc_category(root):
    tree(root, "train/good/0.png", "test/good/0.png", "test/hole/0.png")
    tree(root, "ground_truth/hole/0_mask.png", marked=slice(1, 3))


@pytest.mark.parametrize("folders", ["back/high/150", "150/back_high", "back-high-150"])
def test_msc_ad_trees_carry_their_conditions_in_any_arrangement(tmp_path, folders):
    root = tmp_path / "MSC-AD"
    msc_category(root / folders)
    msc_category(root / folders.replace("high", "low"))
    dataset = open_dataset(root)
    assert [image.defect_type for image in dataset.images] == ["good", "good", "hole", "hole"]
    expected = [
        Condition((("resolution", "150"), ("illumination", light), ("surface", "back"))) for light in ("high", "low")
    ]
    assert [image.condition for image in dataset.images] == expected * 2
    assert len(training_paths(root)) == 2 and all(image.mask(SHAPE).any() for image in dataset.images[2:])


def test_folders_that_are_not_the_grid_are_no_msc_ad(tmp_path):
    msc_category(tmp_path / "back_high")
    msc_category(tmp_path / "gear")
    with pytest.raises(InputError, match=r"not itself a data set but holds some; give one of them: .*back_high.*gear"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("good", ["good", "OK", "normal"])
def test_plain_folders_have_no_masks_and_no_training_part(tmp_path, good):
    root = tree(tmp_path / "lid", f"{good}/a.png", f"{good}/b.jpg", "bent/a.png", "scratched/a.png")
    dataset = open_dataset(root)
    assert names_in(root) == ["good/a", "good/b", "bent/a", "scratched/a"]
    assert all(image.mask(SHAPE) is None for image in dataset.images)
    with pytest.raises(InputError, match="no training images of its own"):
        good_training_images(root)


def test_two_plain_folders_of_good_images_are_ambiguous_and_refused(tmp_path):
    root = tree(tmp_path / "lid", "good/a.png", "ok/b.png", "bent/a.png")
    with pytest.raises(InputError, match="no labelled data set known here"):
        open_dataset(root)


def test_a_set_without_training_images_says_so(mpdd):
    for file in (mpdd / "train" / "good").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="bracket_black holds no good training images"):
        good_training_images(mpdd)
