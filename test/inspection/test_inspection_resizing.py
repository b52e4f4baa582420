"""Strips: what is much longer than the network's square and no higher is shrunk by area, not by points."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from model_fixtures import write_images

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.maps import in_place, source_mask
from hetnet_ros.inspection.overlay import draw_overlay
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.preprocessing import resize
from hetnet_ros.inspection.region_of_interest import Region
from hetnet_ros.inspection.result import Box, Inspection, Thresholds, Verdict
from hetnet_ros.learning.bag_images import _thumbnail
from hetnet_ros.learning.good_images import load_good_images

SIZE = 384


def strip(height: int, width: int, at: int, thickness: int = 8) -> np.ndarray:
    """A grey strip with a black line across its middle rows that begins at column ``at``."""
    image = np.full((height, width, 3), 180, np.uint8)
    image[height // 5: -(height // 5), at:at + thickness] = 0
    return image


@pytest.mark.parametrize("height", [200, SIZE - 1, SIZE])  # less than the network's side, and just as much
@pytest.mark.parametrize("turned", [False, True], ids=["lying", "standing"])
def test_a_line_across_a_strip_reaches_the_network_wherever_it_is(height, turned):
    for at in range(100, 4900, 201):  # 24 places, at all phases of 5000 / 384 = 13 px
        image = strip(height, 5000, at)
        seen = resize(image.transpose(1, 0, 2).copy() if turned else image, SIZE)
        # 8 px of black in 13 px of grey; at worst they fall in halves on two columns: 180 * 4 / 13 = 55
        assert 180 - int(seen.min()) >= 50, at


def test_the_mean_of_a_strip_of_noise_is_kept_and_its_noise_averaged():
    noise = np.random.default_rng(0).normal(128, 20, (200, 6000, 3)).clip(0, 255).astype(np.uint8)
    seen = resize(noise, SIZE)
    assert abs(seen.mean() - noise.mean()) < 0.5
    assert seen.std() < 8  # 15.6 px in one: 20 / 4 = 5; points would keep 15 and more


@pytest.mark.parametrize("shape, flag", [((500, 700), cv2.INTER_AREA), ((1200, 385), cv2.INTER_AREA), ((96, 128), cv2.INTER_LINEAR),
                                         ((384, 200), cv2.INTER_LINEAR), ((383, 383), cv2.INTER_LINEAR)])
def test_what_shrinks_or_grows_on_both_axes_is_resized_as_ever(shape, flag):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    np.testing.assert_array_equal(resize(image, SIZE), cv2.resize(image, (SIZE, SIZE), interpolation=flag))


def test_a_strip_is_taught_as_it_is_inspected(tmp_path):
    strips = [strip(40, 1500, 200 + 7 * i) for i in range(4)]
    for i, image in enumerate(strips):
        image[:, 400 + 250 * i:600 + 250 * i] = 250  # different parts, else they are copies
    folder = write_images(tmp_path / "good", strips)
    good = load_good_images(folder, 64, 100, progress=False)
    assert (good.images.min(axis=(1, 2, 3)) < 150).all()  # 8 of 23 px: 180 * 4 / 23 = 31 darker at worst; points lose most


def test_a_narrow_hot_place_of_the_map_is_in_mask_and_overlay_of_a_strip():
    size = (40, 1200)  # lower than the map, and longer: one axis shrinks, the other grows
    for row in range(100, 121):
        raw = np.full((SIZE, SIZE), 0.1, np.float32)
        raw[row] = 9.0  # one row of the map is a tenth of a picture's row
        assert in_place(raw, Box(0, 0, 1200, 40), size).max() > 0.5, row
    inspection = Inspection(
        verdict=Verdict.REJECT, reason="anomaly", detail="", score=0.9, raw_score=9.0, p_value=0.01,
        thresholds=Thresholds(0.4, 0.5), source_size=size, roi=Box(0, 0, 1200, 40), model_id="0" * 16, anomaly_map=raw)
    calibration = Calibration(good_scores=(0.1, 0.2), score_accept=0.4, score_reject=0.5, pixel=0.5)
    assert source_mask(inspection, calibration).any()
    plain = np.full((*size, 3), 128, np.uint8)
    assert (draw_overlay(plain, inspection, calibration)[8:-8, 100:-100] != 128).any()


def test_a_thin_mask_of_a_strip_still_counts():
    mask = np.repeat((np.arange(1500) % 3 != 1)[None], 40, axis=0)  # two of three columns, so two thirds of every map pixel
    assert Region(mask=mask).inside((40, 1500), Box(0, 0, 1500, 40), (64, 64)).all()


def test_thumbnails_of_a_recording_of_strips_see_all_of_it():
    image = np.full((3000, 16, 3), 200, np.uint8)
    image[1500:1540] = 0
    assert _thumbnail(image).min() < 170  # 40 of the 200 px of a row: 200 * 160 / 200; as points it would be lost


def test_a_defect_on_a_strip_does_not_pass_for_where_it_lies(tiny_model):
    """The map of a strip with a line differs from that without one, at every place."""
    inspector = PartInspector.load(tiny_model, "cpu")
    clean = inspector.inspect(np.full((40, 1500, 3), 180, np.uint8)).raw_score
    scores = [inspector.inspect(strip(40, 1500, at)).raw_score for at in range(300, 324, 2)]  # every phase of 23 px
    assert min(abs(score - clean) for score in scores) > 0
