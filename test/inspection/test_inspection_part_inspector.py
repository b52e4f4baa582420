"""One image in, one Inspection out."""

import numpy as np
import pytest
import torch
from model_fixtures import made_up_part

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.preprocessing import cut, resize
from hetnet_ros.inspection.result import Box, Verdict


@pytest.fixture(scope="module")
def inspector(tiny_model):
    return PartInspector.load(tiny_model, "cpu")


def test_a_defect_is_found_where_it_is(inspector):
    result = inspector.inspect(made_up_part(500, defect=True))
    assert result.verdict != Verdict.PASS and result.reason
    y, x = np.unravel_index(result.anomaly_map.argmax(), result.anomaly_map.shape)
    assert 48 <= x * 2 <= 82 and 30 <= y * 1.5 <= 66  # the cross, in source pixels, with a patch of slack
    assert result.source_size == (96, 128) and result.model_id == inspector.model_id
    assert 0 < result.p_value <= 1 and result.timings.inference_ms > 0


def test_the_same_image_gives_the_same_result(inspector):
    first, second = (inspector.inspect(made_up_part(7)) for _ in range(2))
    assert first.raw_score == second.raw_score and np.array_equal(first.anomaly_map, second.anomaly_map)


def test_a_region_is_inspected_as_if_it_were_cut_out(inspector):
    image = made_up_part(9, defect=True)
    inside = inspector.inspect(image, Box(20, 10, 80, 70))
    cut = inspector.inspect(np.ascontiguousarray(image[10:80, 20:100]))
    assert inside.raw_score == cut.raw_score and inside.roi == Box(20, 10, 80, 70)
    for a, b in zip(inside.defects, cut.defects, strict=True):
        assert (a.box.x, a.box.y) == (b.box.x + 20, b.box.y + 10)


@pytest.mark.parametrize("image, said", [
    (np.zeros((64, 64), np.uint8), "give uint8 RGB"), (np.zeros((64, 64, 4), np.uint8), "give uint8 RGB"),
    (np.zeros((64, 64, 3), np.float32), "give uint8 RGB"), (np.zeros((0, 64, 3), np.uint8), "at least 16x16"),
    (np.zeros((8, 64, 3), np.uint8), "at least 16x16")])
def test_images_that_cannot_be_inspected_are_refused(inspector, image, said):
    with pytest.raises(InputError, match=said):
        inspector.inspect(image)


def test_a_region_outside_the_image_is_refused(inspector):
    with pytest.raises(InputError, match="leaves the 128x96 image"):
        inspector.inspect(made_up_part(0), Box(100, 0, 64, 64))


def test_weights_that_break_in_memory_never_pass(tiny_model):
    inspector = PartInspector.load(tiny_model, "cpu")
    with torch.no_grad():
        inspector.runner.network.denoising.heads[0].project.bias.fill_(float("nan"))
    result = inspector.inspect(made_up_part(0))
    assert result.verdict == Verdict.UNCERTAIN and result.reason == "inference_failed" and not result.defects


def test_shrinking_averages_areas():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[::2] = 255
    assert np.abs(resize(stripes, 64).astype(int) - 127.5).max() < 1
    image = cut(stripes, Box(0, 0, 128, 128), 64)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8 and 126 < image.mean() < 129
