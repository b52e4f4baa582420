"""Where an image's conditions come from: names, a table, a pattern; and what is said where they cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from hetnet_ros.cell.dataset import Stem
from hetnet_ros.cell.faces import FACES
from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_sources import find_conditions
from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.datasets import LabelledDataset, LabelledImage
from hetnet_ros.evaluation.msc_ad_grid import SURFACES, condition_of_stem

ROOT = Path("data") / "tile"


def dataset(*names: str) -> LabelledDataset:
    """A data set whose images are ``<type>/<stem>``; their files are never opened here."""
    images = [LabelledImage(ROOT / "test" / f"{name}.png", name.split("/")[0]) for name in names]
    return LabelledDataset("tile", ROOT, tuple(images))


def test_the_virtual_cells_names_are_understood():
    for surface in FACES:
        condition = condition_of_stem(str(Stem(surface, "mid", 300, 7)))
        assert condition == Condition((("resolution", "300"), ("illumination", "mid"), ("surface", surface)))
    assert set(SURFACES) == set(FACES)


@pytest.mark.parametrize("stem", ["front_high_300", "front_high_300_0007_mask", "lid_high_300_0007", "000", "up_left"])
def test_other_names_say_nothing(stem):
    assert condition_of_stem(stem) == Condition()


def test_names_over_the_grid_are_found_by_themselves_and_listed_in_the_papers_order():
    found = find_conditions(
        dataset("good/up_low_600_0000", "good/up_high_150_0000", "dent/back_mid_200_0001", "dent/000")
    )
    assert found.axes == ("resolution", "illumination", "surface")
    assert found.values_on("resolution") == ["150", "200", "600"]
    assert found.values_on("illumination") == ["high", "mid", "low"]
    assert found.values_on("surface") == ["back", "up"]
    assert found.of_images[2].on("surface") == "back" and found.of_images[3] == Condition()


def test_conditions_that_never_vary_are_not_reported_by_themselves():
    assert find_conditions(dataset("good/up_low_600_0000", "dent/up_low_600_0001")) is None
    assert find_conditions(dataset("good/000", "dent/000")) is None


def test_a_pattern_makes_an_axis_of_each_group():
    tiles = dataset("good/exp10_num_1", "good/exp2_num_2", "crack/exp2_num_3", "crack/odd")
    found = find_conditions(tiles, pattern=r"exp(?P<exposure>\d+)_num_(?P<tile>\d)")
    assert found.axes == ("exposure", "tile") and found.values_on("exposure") == ["2", "10"]
    assert found.of_images[0] == Condition((("exposure", "10"), ("tile", "1"))) and found.of_images[3] == Condition()


def test_a_pattern_sees_folders_too_and_may_leave_an_axis_open():
    found = find_conditions(dataset("good/a", "crack/a_dim"), pattern=r"test/(?P<kind>\w+)/a(_(?P<light>dim))?")
    assert [condition.on("kind") for condition in found.of_images] == ["good", "crack"]
    assert [condition.on("light") for condition in found.of_images] == [None, "dim"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"exp(?P<exposure>\d", r"is no regular expression: missing \)"),
        (r"exp(\d)", r"names no axis; name a group"),
        (r"exp(?P<exposure>\d)", r"fits no image of data/tile; it is searched in paths such as 'test/good/a\.png'"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(pattern, message):
    with pytest.raises(InputError, match=message):
        find_conditions(dataset("good/a"), pattern=pattern)


def table(tmp_path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "conditions.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_table_names_images_by_path_or_by_stem(tmp_path):
    tiles = dataset("good/a", "good/b", "crack/a", "crack/c")
    text = (
        "light,image,robot pose\n"
        "dim,test/good/a.png,3\n"
        "bright, test\\crack\\a.png ,12\n\n"
        "dim,b,\n"
        "dim,train/good/a.png,1\n"
    )
    found = find_conditions(tiles, table=table(tmp_path, text, "utf-8-sig"))
    assert found.axes == ("light", "robot pose") and found.values_on("robot pose") == ["3", "12"]
    assert found.of_images == (
        Condition((("light", "dim"), ("robot pose", "3"))),
        Condition((("light", "dim"),)),
        Condition((("light", "bright"), ("robot pose", "12"))),
        Condition(),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"conditions\.csv, line 1: no column 'image'"),
        ("file,light\na,dim\n", r"line 1: no column 'image' among \['file', 'light'\]"),
        ("image;light\na;dim\n", r"line 1: no column 'image' .*separate columns by commas"),
        ("image\nb\n", r"line 1: .*at least one axis"),
        ("image," + ",".join(f"axis{number}" for number in range(51)) + "\n", r"line 1: there are 51 axes, and at most 50"),
        ("image,light,light\nb,dim,dim\n", r"line 1: .*a name of its own"),
        ("image,light,\nb,dim,x\n", r"line 1: .*a name of its own"),
        ("image,light\nb,dim\ntest/good/a.png\n", r"line 3: 1 values for 2 columns"),
        ("image,light\na,dim\n", r"line 2: 2 images have the stem 'a'; give the path"),
        ("image,light\nb,dim\n\ntest/good/b.png,dim\n", r"line 4: 'test/good/b\.png' is already in line 2"),
        ("image,light\nz,dim\n", r"names no image of data/tile; .*'test/good/a\.png'"),
        ("image,light\nb,gr\xfcn\n", r"is not UTF-8 text"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_its_line(tmp_path, text, message):
    path = table(tmp_path, text, "latin-1")
    with pytest.raises(InputError, match=message) as caught:
        find_conditions(dataset("good/a", "good/b", "crack/a"), table=path)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_there_or_is_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="absent.csv does not exist"):
        find_conditions(dataset("good/a"), table=tmp_path / "absent.csv")
    with pytest.raises(InputError, match="is a folder, not a file"):
        find_conditions(dataset("good/a"), table=tmp_path)
