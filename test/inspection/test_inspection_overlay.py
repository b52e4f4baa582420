"""The overlay: what is normal stays as it was photographed, what is not is shown, and the verdict can be read off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.overlay import VERDICT_COLOURS, draw_overlay
from hetnet_ros.inspection.regions import find_defects
from hetnet_ros.inspection.result import Box, Inspection, SeenRegion, Verdict

CALIBRATION = Calibration(good_scores=(0.1, 0.2), score_accept=0.4, score_reject=0.5, pixel=0.5)


def photograph(height: int = 240, width: int = 320) -> np.ndarray:
    return np.random.default_rng(0).integers(60, 180, (height, width, 3), np.uint8)


def inspection(rgb, verdict, defect: bool = True, roi=None, raw=True) -> Inspection:
    box = roi or Box(0, 0, rgb.shape[1], rgb.shape[0])
    values = np.full((64, 64), 0.05, np.float32)
    if defect:
        values[30:40, 20:36] = 2.0
    return Inspection(
        verdict=verdict,
        reason="" if verdict is Verdict.PASS else "anomaly",
        detail="",
        score=0.7,
        raw_score=1.0,
        p_value=0.01,
        thresholds=CALIBRATION.thresholds,
        source_size=rgb.shape[:2],
        roi=box,
        model_id="0" * 16,
        defects=find_defects(values, CALIBRATION, box),
        anomaly_map=values if raw else None,
    )


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_overlay_keeps_the_size_shows_the_verdict_and_leaves_the_input(verdict):
    rgb = photograph()
    before = rgb.copy()
    picture = draw_overlay(rgb, inspection(rgb, verdict), CALIBRATION)
    assert picture.shape == rgb.shape and picture.dtype == np.uint8
    np.testing.assert_array_equal(rgb, before)
    assert tuple(picture[-1, 0]) == VERDICT_COLOURS[verdict]  # the frame
    assert (picture[2:20, 2:60] == VERDICT_COLOURS[verdict]).all(-1).mean() > 0.4  # the banner behind its word


def test_a_good_part_looks_like_its_photograph_below_the_banner():
    rgb = photograph()
    picture = draw_overlay(rgb, inspection(rgb, Verdict.PASS, defect=False), CALIBRATION)
    np.testing.assert_array_equal(picture[40:-4, 4:-4], rgb[40:-4, 4:-4])


def test_only_the_surroundings_of_the_defect_change():
    rgb = photograph()
    picture = draw_overlay(rgb, inspection(rgb, Verdict.REJECT), CALIBRATION)
    changed = np.any(picture != rgb, axis=-1)
    assert changed[125:140, 110:170].all()  # the defect, scaled from the map's 64 x 64
    changed[:40] = changed[-4:] = changed[:, :4] = changed[:, -4:] = False
    rows, columns = np.nonzero(changed)
    assert rows.min() > 100 and rows.max() < 162 and columns.min() > 85 and columns.max() < 195


def test_the_banner_makes_way_for_a_defect_at_the_upper_edge():
    rgb, box = photograph(), Box(0, 0, 320, 240)
    values = np.full((64, 64), 0.05, np.float32)
    values[0:8, 20:36] = 2.0
    seen = replace(inspection(rgb, Verdict.REJECT), anomaly_map=values, defects=find_defects(values, CALIBRATION, box))
    picture = draw_overlay(rgb, seen, CALIBRATION)
    assert (picture[-20:-2, 2:60] == VERDICT_COLOURS[Verdict.REJECT]).all(-1).mean() > 0.4
    np.testing.assert_array_equal(picture[4:16, 4:60], rgb[4:16, 4:60])


def test_outside_the_region_of_interest_the_picture_is_dimmed():
    rgb = photograph()
    roi = Box(100, 80, 120, 100)
    picture = draw_overlay(rgb, inspection(rgb, Verdict.PASS, defect=False, roi=roi), CALIBRATION)
    np.testing.assert_array_equal(picture[200:230, 20:80], rgb[200:230, 20:80] // 2)
    np.testing.assert_array_equal(picture[90:170, 110:210], rgb[90:170, 110:210])


def test_outside_a_region_within_it_the_picture_is_dimmed_too():
    rgb = photograph()
    seen = replace(inspection(rgb, Verdict.PASS, defect=False),
                   region=SeenRegion("recipe", ((100.0, 80.0), (219.0, 80.0), (100.0, 179.0)), Box(100, 80, 120, 100)))
    picture = draw_overlay(rgb, seen, CALIBRATION)
    np.testing.assert_array_equal(picture[200:230, 20:80], rgb[200:230, 20:80] // 2)
    np.testing.assert_array_equal(picture[150:175, 190:215], rgb[150:175, 190:215] // 2)  # beyond the slope
    np.testing.assert_array_equal(picture[90:120, 110:150], rgb[90:120, 110:150])


@pytest.mark.parametrize("size", [(16, 16), (60, 400), (96, 96), (1200, 1600)])
def test_every_size_of_image_can_be_drawn(size):
    rgb = photograph(*size)
    assert draw_overlay(rgb, inspection(rgb, Verdict.UNCERTAIN), CALIBRATION).shape == rgb.shape


def test_without_a_map_there_is_still_a_verdict():
    rgb = photograph()
    picture = draw_overlay(rgb, inspection(rgb, Verdict.UNCERTAIN, raw=False), CALIBRATION)
    assert tuple(picture[-1, 0]) == VERDICT_COLOURS[Verdict.UNCERTAIN]
