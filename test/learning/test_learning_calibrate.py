"""Thresholds from good scores keep the share of false alarms they promise, and say less when little is known."""

import numpy as np
import pytest

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.learning.calibrate import fit_calibration, prediction_bound


def scores(count, seed):
    return np.exp(np.random.default_rng(seed).normal(-1.0, 0.2, count))


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_the_bound_is_exceeded_by_the_share_it_promises(share):
    exceeded = np.mean([scores(1, 10_000 + i)[0] > prediction_bound(scores(12, i), share) for i in range(4000)])
    assert exceeded == pytest.approx(share, abs=4 * np.sqrt(share / 4000))


def test_fewer_good_images_give_a_wider_margin():
    wide, narrow = (np.mean([prediction_bound(scores(n, i), 0.002) for i in range(50)]) for n in (4, 100))
    assert wide > 1.5 * narrow


def test_few_good_images_make_more_images_uncertain_never_more_pass():
    few, many = (fit_calibration(scores(n, 5), scores(n, 5)) for n in (3, 100))
    assert few.score_reject / few.score_accept > 2 * many.score_reject / many.score_accept
    assert few.score_accept < 1.2 * max(few.good_scores)


def test_equal_scores_still_leave_a_margin():
    assert prediction_bound(np.full(10, 0.5), 0.002) > 0.5


def test_verdicts_and_calibrated_scores_agree_with_the_thresholds():
    calibration = fit_calibration(scores(30, 0), scores(30, 0))
    low, high = calibration.score_accept, calibration.score_reject
    assert [calibration.decide(x)[0] for x in (0.9 * low, (low + high) / 2, 1.01 * high)] == \
        [Verdict.PASS, Verdict.UNCERTAIN, Verdict.REJECT]
    assert calibration.calibrated_score(high) == pytest.approx(0.5)
    raw = np.linspace(0, 5 * high, 200)
    calibrated = [calibration.calibrated_score(x) for x in raw]
    assert calibrated[0] == 0 and all(a < b for a, b in zip(calibrated[:50], calibrated[1:])) and calibrated[-1] <= 1
    assert calibration.calibrated_map(np.full((2, 3), calibration.pixel)) == pytest.approx(0.5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_score_that_is_not_finite_never_passes(bad):
    verdict, reason, _ = fit_calibration(scores(30, 0), scores(30, 0)).decide(bad)
    assert verdict == Verdict.UNCERTAIN and reason == "inference_failed"


def test_p_values_are_conformal():
    calibration = Calibration((1.0, 2.0, 3.0), 2.5, 3.5, 3.5)
    assert [calibration.p_value(x) for x in (0.5, 1.0, 2.5, 9.0)] == [1.0, 1.0, 0.5, 0.25]


@pytest.mark.parametrize("accept, reject", [(2.0, 1.0), (float("nan"), 1.0), (0.0, 1.0)])
def test_thresholds_that_make_no_sense_are_refused(accept, reject):
    with pytest.raises(ValueError):
        Calibration((1.0,), accept, reject, 1.0)
