"""Defect regions: found at map resolution, reported in source pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.regions import MAX_DEFECTS, find_defects
from hetnet_ros.inspection.result import Box

CALIBRATION = Calibration(good_scores=(0.1, 0.2), score_accept=0.4, score_reject=0.5, pixel=0.5)
SAME = Box(0, 0, 64, 48)


def blank() -> np.ndarray:
    return np.full((48, 64), 0.1, np.float32)


def test_nothing_above_the_threshold_gives_no_defect():
    assert find_defects(blank(), CALIBRATION, SAME) == ()


def test_one_rectangle_is_measured_exactly_where_map_and_source_agree():
    raw = blank()
    raw[10:14, 20:30] = 1.0
    (defect,) = find_defects(raw, CALIBRATION, SAME)
    assert defect.box == Box(20, 10, 10, 4)
    assert defect.area_px == 40
    assert defect.centroid == pytest.approx((24.5, 11.5))
    assert defect.score == pytest.approx(float(CALIBRATION.calibrated_map(np.float32(1.0))), abs=1e-6)
    assert defect.contour.dtype == np.int32
    assert {tuple(point) for point in defect.contour.tolist()} == {(20, 10), (29, 10), (29, 13), (20, 13)}


def test_a_value_at_the_threshold_belongs_to_the_defect_and_scores_one_half():
    raw = blank()
    raw[5, 6] = 0.5
    (defect,) = find_defects(raw, CALIBRATION, SAME)
    assert defect.score == pytest.approx(0.5) and defect.mean_score == pytest.approx(0.5)
    assert defect.contour.tolist() == [[6, 5]]


def test_the_highest_score_comes_first_and_corners_join():
    raw = blank()
    raw[2:4, 2:4] = 0.6
    raw[4:6, 4:6] = 0.6  # touches the first at a corner
    raw[30:33, 50:53] = 2.0
    raw[40, 10] = 1.0
    defects = find_defects(raw, CALIBRATION, SAME)
    assert [defect.area_px for defect in defects] == [9, 1, 8]
    scores = [defect.score for defect in defects]
    assert scores == sorted(scores, reverse=True)


def test_the_centroid_leans_to_the_stronger_side_and_the_mean_lies_between():
    raw = blank()
    raw[20, 10:20] = np.linspace(0.5, 2.0, 10)
    (defect,) = find_defects(raw, CALIBRATION, SAME)
    assert defect.centroid[0] > 14.5 and defect.centroid[1] == pytest.approx(20)
    assert 0.5 < defect.mean_score < defect.score < 1


@pytest.mark.parametrize("roi", [Box(0, 0, 640, 480), Box(100, 50, 320, 96), Box(3, 5, 40, 30), Box(7, 9, 101, 53)])
def test_boxes_and_contours_follow_the_region_of_interest_at_any_scale(roi):
    raw = blank()
    raw[12:24, 16:48] = 1.0  # a quarter to a half of the height, a quarter to three quarters of the width
    (defect,) = find_defects(raw, CALIBRATION, roi)
    expected = (roi.x + roi.width / 4, roi.y + roi.height / 4, roi.width / 2, roi.height / 4)
    got = (defect.box.x, defect.box.y, defect.box.width, defect.box.height)
    assert np.abs(np.subtract(got, expected)).max() <= 2  # whole pixels round outwards
    assert defect.area_px == pytest.approx(roi.width * roi.height / 8)
    centre = (roi.x + roi.width / 2 - 0.5, roi.y + roi.height * 3 / 8 - 0.5)
    assert defect.centroid == pytest.approx(centre)
    box = defect.box
    x, y = defect.contour.T
    assert x.min() >= box.x and x.max() < box.x + box.width and y.min() >= box.y and y.max() < box.y + box.height


def test_a_region_on_the_border_stays_inside_the_region_of_interest():
    raw = blank()
    raw[-3:, -5:] = 1.0
    roi = Box(11, 13, 151, 77)
    (defect,) = find_defects(raw, CALIBRATION, roi)
    assert defect.box.x + defect.box.width == roi.x + roi.width
    assert defect.box.y + defect.box.height == roi.y + roi.height
    assert defect.contour[:, 0].max() < roi.x + roi.width and defect.contour[:, 1].max() < roi.y + roi.height


def test_the_contour_encloses_the_region_it_came_from():
    raw = blank()
    cv2.circle(raw, (30, 24), 12, 1.0, -1)
    (defect,) = find_defects(raw, CALIBRATION, SAME)
    filled = np.zeros(raw.shape, np.uint8)
    cv2.fillPoly(filled, [defect.contour], 1)
    np.testing.assert_array_equal(filled.astype(bool), raw > 0.5)


def test_small_regions_are_left_out_on_request_counted_in_source_pixels():
    raw = blank()
    raw[5, 5] = 1.0
    raw[20:24, 20:24] = 1.0
    roi = Box(0, 0, 128, 96)  # a map pixel covers four source pixels
    assert len(find_defects(raw, CALIBRATION, roi, min_area_px=4)) == 2
    assert [d.area_px for d in find_defects(raw, CALIBRATION, roi, min_area_px=5)] == [64]


def test_a_hopeless_image_reports_the_strongest_regions_only():
    raw = np.full((64, 64), 0.1, np.float32)
    strength = np.linspace(0.6, 1.4, 32 * 32).reshape(32, 32).astype(np.float32)
    raw[::2, ::2] = strength
    defects = find_defects(raw, CALIBRATION, Box(0, 0, 64, 64))
    assert len(defects) == MAX_DEFECTS
    weakest = CALIBRATION.calibrated_map(np.sort(strength.ravel())[-MAX_DEFECTS])
    assert min(defect.score for defect in defects) == pytest.approx(float(weakest), abs=1e-6)


def test_values_that_are_not_finite_belong_to_no_region():
    raw = blank()
    raw[3, 3] = np.nan
    raw[30, 30] = np.inf
    raw[10, 10] = 1.0
    assert [defect.contour.tolist() for defect in find_defects(raw, CALIBRATION, SAME)] == [[[10, 10]]]
