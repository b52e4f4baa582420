"""Maps on the source image's grid."""

from __future__ import annotations

import numpy as np
import pytest

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.maps import calibrated_source_map, source_map, source_mask
from hetnet_ros.inspection.result import Box, Inspection, Verdict

CALIBRATION = Calibration(good_scores=(0.1, 0.2), score_accept=0.4, score_reject=0.5, pixel=0.5)


def inspection(raw, size, roi=None) -> Inspection:
    return Inspection(
        verdict=Verdict.REJECT,
        reason="anomaly",
        detail="",
        score=0.7,
        raw_score=1.0,
        p_value=0.01,
        thresholds=CALIBRATION.thresholds,
        source_size=size,
        roi=roi or Box(0, 0, size[1], size[0]),
        model_id="0" * 16,
        anomaly_map=raw,
    )


def test_a_map_of_the_source_size_is_returned_as_it_is():
    raw = np.random.default_rng(0).random((30, 40), np.float32)
    np.testing.assert_array_equal(source_map(inspection(raw, (30, 40))), raw)


@pytest.mark.parametrize("size", [(97, 131), (48, 64), (20, 25), (240, 30)])
def test_a_resized_map_keeps_place_range_and_type(size):
    raw = np.full((48, 64), 0.2, np.float32)
    raw[12:24, 32:48] = 0.9
    big = source_map(inspection(raw, size))
    assert big.shape == size and big.dtype == np.float32
    assert 0.2 - 1e-6 <= big.min() and big.max() <= 0.9 + 1e-6
    rows, columns = np.nonzero(big > 0.55)
    assert (rows.mean() + 0.5) / size[0] == pytest.approx(18 / 48, abs=0.02)
    assert (columns.mean() + 0.5) / size[1] == pytest.approx(40 / 64, abs=0.02)


def test_outside_the_region_of_interest_the_map_is_zero():
    raw = np.full((16, 16), 0.8, np.float32)
    full = source_map(inspection(raw, (60, 80), Box(10, 20, 32, 24)))
    inside = np.zeros((60, 80), bool)
    inside[20:44, 10:42] = True
    np.testing.assert_allclose(full[inside], 0.8)
    assert not full[~inside].any()


def test_mask_and_calibrated_map_meet_at_the_pixel_threshold():
    raw = np.linspace(0, 1, 40 * 50).reshape(40, 50).astype(np.float32)
    result = inspection(raw, (120, 150))
    mask, calibrated = source_mask(result, CALIBRATION), calibrated_source_map(result, CALIBRATION)
    assert mask.dtype == np.uint8 and np.unique(mask).tolist() == [0, 255]
    assert calibrated.dtype == np.float32 and calibrated.min() >= 0 and calibrated.max() <= 1
    assert (mask == 255).mean() == pytest.approx(0.5, abs=0.02)
    np.testing.assert_array_equal(mask == 255, calibrated >= 0.5)


def test_an_inspection_without_a_map_says_so():
    with pytest.raises(ValueError, match="no anomaly map"):
        source_map(inspection(None, (40, 50)))
