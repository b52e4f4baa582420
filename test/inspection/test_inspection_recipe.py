"""Recipes: what is looked at in each view, and what a wrong file is told."""

import cv2
import numpy as np
import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.recipe import load_recipe
from hetnet_ros.inspection.result import Box


def write(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text)
    return path


def test_views_have_their_own_region_and_model(tmp_path):
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    recipe = load_recipe(write(tmp_path, """
views:
  front: {polygon: [[1, 2], [30, 2], [30, 40]], model: front.safetensors}
  back: {mask: mask.png}
  top:
default: {box: [1, 2, 30, 40]}
"""))
    assert recipe.view("front").region.polygon == ((1, 2), (30, 2), (30, 40))
    assert recipe.models == (str(tmp_path / "front.safetensors"),)
    assert np.array_equal(recipe.view("back").region.mask, mask > 0) and recipe.view("back").model == ""
    assert recipe.view("top").region is None
    assert recipe.view("another").region.box == recipe.default.region.box == Box(1, 2, 30, 40)


@pytest.mark.parametrize("text, said", [
    ("[]", "'views' and 'default'"), ("views: {a: {circle: 3}}", "known settings"), ("view: {}", "'views' and 'default'"),
    ("views: {a: {box: [0, 0, 0, 5]}}", "width and height from 1"), ("views: {a: {polygon: [[0, 0], [1, 1]]}}", "three or more"),
    ("views: {a: {polygon: [[0, 0], [1, 1], [x, 2]]}}", "three or more"), ("views: {a: {mask: none.png}}", "none.png does not exist"),
    ("views: {a: {box: [5, 5, 1, 1]}}", "1x1 px"), ("views: {a: {box: [0, 0, 640, 15]}}", "at least 16x16 px"),
    ("default: {polygon: [[9, 9], [9, 9], [9, 9]]}", "0x0 px"), ("default: {polygon: [[0, 0], [50, 50], [100, 100]]}", "area of 0 px"),
    ("default: {polygon: [[0, 0], [99, 0], [99, 2], [0, 2]]}", "99x2 px"),
    ("default: {polygon: [[0, 0], [90, 90], [90, 0], [0, 90]]}", "crosses itself"),
    ("default: {polygon: [[0, 0], [.nan, 90], [90, 0]]}", "no finite number"), ("default: {box: [0, 0, .inf, 90]}", "no finite number"),
    ("default: {polygon: [[0, 0], [1.0e+300, 90], [90, 0]]}", "at most 1,000,000"),
    ("default: {box: [0, 0, 1" + 400 * "0" + ", 90]}", "401 digits"),
    ("default: {polygon: [" + ", ".join(f"[{x}, {x % 2 * 90}]" for x in range(2000)) + "]}", "1000 or fewer"),
    ("views: [a]", "must map names"), ("views: false", "must map names"), ("views: ''", "must map names"),
    ("views: {a: {model: no}}", "model is False, no path"), ("views: {a: {model: 0}}", "model is 0, no path"),
    ("default: {model: []}", "no path"), ("default: {model: ''}", "no path"), ("views: {a: {mask: 010}}", "mask is 8, no path"),
    ("views: {a: {mask: }}", "mask is None, no path"), ("views: {1: {}, '1': {}}", "given twice"), ("views: {a: [", "not valid YAML")])
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(InputError, match=said) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_view_is_named_as_it_is_written(tmp_path):
    """Else the view no, or 010, would be looked at without its region, as any view that is not listed."""
    recipe = load_recipe(write(tmp_path, "views: {no: {box: [0, 0, 20, 20]}, 010: {box: [0, 0, 30, 30]}, 1.0: {box: [0, 0, 40, 40]}}"))
    assert [recipe.view(name).region.box.width for name in ("no", "010", "1.0")] == [20, 30, 40]
    assert recipe.view("False").region is None and recipe.view("8").region is None


def test_a_recipe_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_recipe(tmp_path / "none.yaml")


def test_a_mask_with_a_few_white_pixels_is_refused(tmp_path):
    mask = np.zeros((480, 640), np.uint8)
    mask[10:20, 10:20] = 255
    cv2.imwrite(str(tmp_path / "speck.png"), mask)
    with pytest.raises(InputError, match="view a: the mask of the region of interest is 10x10 px"):
        load_recipe(write(tmp_path, "views: {a: {mask: speck.png}}"))
