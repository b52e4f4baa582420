"""Data sets come in MVTec AD's layout, named after MSC-AD's grid."""

import csv

import cv2
import numpy as np
import pytest

from hetnet_ros.cell.dataset import Condition, Recipe, Stem, parse_conditions, parse_stem, write
from hetnet_ros.cell.faces import FACES
from hetnet_ros.errors import InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cell") / "data"
    recipe = Recipe(
        ("front", "up"),
        parse_conditions(["high_150", "low_200"]),
        train=2,
        good=1,
        defective=2,
        kinds=("dent", "scratch"),
        seed=4,
    )
    paths = list(write(recipe, folder))
    return recipe, folder, paths


def test_every_image_is_where_mvtec_has_it_and_has_the_size_in_its_name(data):
    recipe, folder, paths = data
    assert len(paths) == recipe.count == 20
    assert {path.parent.relative_to(folder).as_posix() for path in paths} == {
        "train/good",
        "test/good",
        "test/dent",
        "test/scratch",
    }
    for path in paths:
        stem = parse_stem(path.stem)
        height, width = cv2.imread(str(path)).shape[:2]
        assert (width, height) == (stem.width, stem.width * 3 // 4)
    cells = {(stem.face, stem.illumination, stem.width) for stem in (parse_stem(path.stem) for path in paths)}
    assert cells == {(face, *condition) for face in ("front", "up") for condition in (("high", 150), ("low", 200))}


def test_each_defective_image_and_no_other_has_a_mask_of_its_size(data):
    _, folder, paths = data
    defective = [path for path in paths if path.parent.name != "good"]
    masks = sorted(folder.glob("ground_truth/*/*"))
    assert len(masks) == len(defective) == 8
    for path in defective:
        mask = cv2.imread(
            str(folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"), cv2.IMREAD_UNCHANGED
        )
        assert mask.shape == cv2.imread(str(path)).shape[:2]
        assert set(np.unique(mask)) == {0, 255}


def test_the_table_names_every_image_and_its_defect(data):
    _, folder, paths = data
    with (folder / "parts.csv").open() as table:
        rows = list(csv.DictReader(table))
    assert [folder / row["file"] for row in rows] == paths
    for row in rows:
        assert row["defect"] == row["file"].split("/")[1]
        assert (row["x_mm"] == "") == (row["defect"] == "good")
    assert len({row["part_seed"] for row in rows}) == len(rows), "no part is shown twice"


def test_the_same_recipe_writes_the_same_bytes(data, tmp_path):
    recipe, folder, paths = data
    again = list(write(recipe, tmp_path))
    assert [path.relative_to(tmp_path) for path in again] == [path.relative_to(folder) for path in paths]
    assert all(one.read_bytes() == two.read_bytes() for one, two in zip(paths, again))


@pytest.mark.parametrize("stem", [Stem("front", "high", 300, 1), Stem("back", "low", 150, 12345)])
def test_stems_are_read_back(stem):
    assert parse_stem(str(stem)) == stem


@pytest.mark.parametrize(
    "stem", ["000", "front_high_300", "nose_high_300_0001", "front_dusk_300_0001", "front_high_300_0001_mask"]
)
def test_other_stems_are_not_taken_for_the_grid(stem):
    assert parse_stem(stem) is None


def test_conditions_are_the_grid_of_msc_ad():
    everything = parse_conditions(["all"])
    assert len(everything) == 12 and everything[0] == Condition("high", 150, 112)
    assert len(FACES) * len(everything) == 72
    assert parse_conditions(["low"]) == tuple(
        Condition("low", w, h) for w, h in ((150, 112), (200, 150), (300, 225), (600, 450))
    )
    assert parse_conditions(["300", "mid_600"]) == (
        Condition("high", 300, 225),
        Condition("mid", 300, 225),
        Condition("mid", 600, 450),
        Condition("low", 300, 225),
    )
    assert parse_conditions(["mid", "mid"], (640, 480)) == (Condition("mid", 640, 480),)


@pytest.mark.parametrize("word", ["dusk", "mid_301", "mid_", "_", "", "high_mid", "-5"])
def test_unknown_conditions_are_refused_in_one_line(word):
    with pytest.raises(InputError, match="is unknown") as refused:
        parse_conditions([word])
    assert "\n" not in str(refused.value)
