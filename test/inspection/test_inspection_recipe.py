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
    ("views: [a]", "must map names"), ("views: {a: [", "not valid YAML")])
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(InputError, match=said) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_recipe_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_recipe(tmp_path / "none.yaml")
