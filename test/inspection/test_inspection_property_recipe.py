"""Any recipe: regions that can be inspected, or one line."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hostile_values import read_or_refused, texts, yaml_files
from hypothesis import example, given
from hypothesis import strategies as st

from hetnet_ros.inspection.image_files import MIN_SIDE_PX
from hetnet_ros.inspection.recipe import load_recipe
from hetnet_ros.inspection.region_of_interest import Region, RegionError
from hetnet_ros.inspection.result import Box

RECIPE = {
    "views": {
        "front": {"polygon": [[1, 2], [40, 2], [40.5, 40], [1, 40]], "model": "front.safetensors"},
        "back": {"mask": "mask.png", "box": [1, 2, 30, 40]},
        "top": None,
    },
    "default": {"box": [0, 0, 40, 30]},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipes")
    mask = np.zeros((48, 64), np.uint8)
    mask[10:40, 4:] = 255
    cv2.imwrite(str(folder / "mask.png"), mask)
    return folder


@given(yaml_files(RECIPE), texts)
@example(b"default: {mask: ''}", "")
@example(b"default: {mask: .}", "")
@example(b"default: {mask: /dev/zero}", "")
@example(b"default: {mask: " + b"m" * 5000 + b"}", "")
@example(b'default: {mask: "a\\0b"}', "")
@example(b"default: {box: [0, 0, 1e6, 1e6]}", "")
@example(b"default: {box: [true, 0, 100, 100]}", "")
@example(b"default: {polygon: [[0, 0], [100, 0], [0, 100], [100, 100]]}", "")
@example(b"views: {? !!bool x : {}}", "")
@example(b"views: {1: {}, 1.5: {}, '1': {box: [0, 0, 20, 20]}}", "1")
@example(b"views: {1: {box: [0, 0, 20, 20]}, '1': }", "1")
@example(b"{}", "\n")
@example(b"5", "")
def test_a_recipe_is_sound_or_refused(folder, data, view_id):
    path = folder / "recipe.yaml"
    path.write_bytes(data)
    recipe = read_or_refused(lambda: load_recipe(path))
    if recipe is None:
        return
    for view in (*recipe.views.values(), recipe.default, recipe.view(view_id)):
        assert type(view.model) is str
        if view.region is not None:
            region = view.region
            assert region.flaw is None
            assert all(math.isfinite(number) for corner in region.polygon for number in corner)
            assert region.box is None or min(region.box.width, region.box.height) >= MIN_SIDE_PX and min(region.box.x, region.box.y) >= 0
            assert region.mask is None or region.mask.any()


@given(yaml_files({"views": {str(key): {"box": [key, 0, 40, 40]} for key in range(3)}}))
@example(b"views: {1: {box: [1, 0, 20, 20]}, '1': {box: [2, 0, 30, 30]}}")
def test_no_view_of_a_recipe_hides_another(folder, data):
    path = folder / "recipe.yaml"
    path.write_bytes(data)
    recipe = read_or_refused(lambda: load_recipe(path))
    if recipe is not None:
        views = (yaml.safe_load(data.decode("utf-8-sig")) or {}).get("views") or {}
        assert len(recipe.views) == len(views)


coordinates = st.one_of(st.integers(-5, 70), st.floats(-5, 70), st.floats(-2.0**33, 2.0**33), st.sampled_from([math.nan, math.inf]))
regions = st.builds(
    Region, st.none() | st.builds(Box, *[st.integers(0, 70)] * 4) | st.builds(Box, *[st.integers(0, 2**32 - 1)] * 4),
    st.lists(st.tuples(coordinates, coordinates), max_size=6).map(tuple),
    st.sampled_from([None, np.zeros((48, 64), bool), np.ones((48, 64), bool), np.eye(48, 64, dtype=bool), np.ones((8, 8), bool)]),
    st.just("~/roi")).filter(lambda region: region.box or region.polygon or region.mask is not None)


@given(regions, st.sampled_from([Box(0, 0, 64, 48), Box(10, 10, 30, 20), Box(16, 0, 16, 16)]))
@example(Region(Box(0, 0, 2**32 - 1, 2**32 - 1)), Box(0, 0, 64, 48))
@example(Region(Box(2**32 - 1, 2**32 - 1, 40, 40)), Box(0, 0, 64, 48))
@example(Region(polygon=((0.0, 0.0), (math.nan, 40.0), (40.0, 40.0))), Box(0, 0, 64, 48))
@example(Region(polygon=((-0.5, -0.5), (63.5, -0.5), (63.5, 47.5), (-0.5, 47.5))), Box(0, 0, 64, 48))
@example(Region(polygon=((0, 0), (60, 0), (60, 40), (0, 40), (0, 0), (60, 0), (60, 40), (0, 40))), Box(0, 0, 64, 48))
def test_a_region_counts_within_the_image_or_is_refused(region, roi):
    """Every pixel that counts lies within all that was given, and what is told of it within what is inspected."""
    try:
        inside = region.inside((48, 64), roi, (roi.height, roi.width))
    except RegionError as error:
        assert str(error).isprintable() and error.reason.startswith("roi_")
        return
    assert inside.shape == (roi.height, roi.width) and inside.any()
    rows, columns = np.nonzero(inside)
    rows, columns = rows + roi.y, columns + roi.x
    if region.box is not None:
        box = region.box
        assert box.x - 1 <= columns.min() and columns.max() <= box.x + box.width and box.y - 1 <= rows.min() and rows.max() <= box.y + box.height
        assert box.x + box.width <= 64 and box.y + box.height <= 48
    if region.mask is not None:
        assert region.mask[rows, columns].all()
    if region.polygon:
        low, high = np.min(region.polygon, axis=0), np.max(region.polygon, axis=0)
        assert low[0] - 1 <= columns.min() and columns.max() <= high[0] + 1 and low[1] - 1 <= rows.min() and rows.max() <= high[1] + 1
    assert 0 < region.share(inside, roi) <= 1
    seen = region.seen(roi).box
    assert roi.x <= seen.x and roi.y <= seen.y and seen.x + seen.width <= roi.x + roi.width and seen.y + seen.height <= roi.y + roi.height
