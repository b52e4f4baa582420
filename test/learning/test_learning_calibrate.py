"""Thresholds from good scores keep the share of false alarms they promise, and say less when little is known."""

import numpy as np
import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.result import Verdict
from hetnet_ros.learning.calibrate import MOST_DOUBT, fit_calibration, refine_with_defects, with_rate


def scores(count, seed, rng=None):
    return np.exp((rng or np.random.default_rng(seed)).normal(-1.0, 0.2, count))


@pytest.mark.parametrize("count, rate", [(19, 0.05), (50, 0.05), (199, 0.01), (120, 0.02)])
def test_the_promised_rate_of_false_rejects_is_kept(count, rate):
    """Over many draws of calibration sets; heavy tails, because the promise must not rest on a distribution."""
    rng = np.random.default_rng(count)
    rejected = []
    for _ in range(1500):
        calibration = fit_calibration(*(2 * [rng.pareto(2.0, count) + 0.01]), false_reject=rate)
        fresh = rng.pareto(2.0, 20) + 0.01
        rejected.append(np.mean([calibration.decide(float(score))[0] == Verdict.REJECT for score in fresh]))
    expected = np.floor(rate * (count + 1)) / (count + 1)
    assert np.mean(rejected) == pytest.approx(expected, abs=4 * np.std(rejected) / np.sqrt(1500)) and expected <= rate


def test_doubt_is_the_share_between_the_thresholds():
    rng = np.random.default_rng(0)
    calibration = fit_calibration(*(2 * [scores(2000, 0, rng)]), doubt=0.03, false_reject=0.02)
    verdicts = [calibration.decide(float(score))[0] for score in scores(20_000, 0, rng)]
    assert verdicts.count(Verdict.UNCERTAIN) / 20_000 == pytest.approx(0.03, abs=0.015)
    assert verdicts.count(Verdict.REJECT) / 20_000 == pytest.approx(0.02, abs=0.01)


def test_the_promise_tells_what_few_images_cannot():
    few, many = (fit_calibration(scores(n, 0), scores(n, 0), false_reject=0.01) for n in (20, 99))
    assert "promise no rate below 4.76%" in few.promise and "99 would promise" in few.promise
    assert "promised by 99" in many.promise


def test_few_good_images_make_more_images_uncertain_never_more_pass():
    few, many = (fit_calibration(scores(n, 5), scores(n, 5)) for n in (3, 200))
    assert few.score_reject / few.score_accept > 1.5 * many.score_reject / many.score_accept
    assert few.score_accept < 1.2 * max(few.good_scores)


def test_between_the_largest_good_score_and_a_rate_that_is_not_promised_there_is_doubt():
    good = np.exp(np.r_[np.linspace(-0.3, 0.3, 29), 0.7, 0.75])  # two good images far above a normal spread's bound
    calibration = fit_calibration(good, good)
    assert good.max() < calibration.score_accept < 1.01 * good.max() and calibration.score_reject > 1.05 * good.max()
    assert calibration.decide(1.02 * good.max())[0] == Verdict.UNCERTAIN


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


def test_another_rate_moves_the_threshold_and_keeps_the_scores():
    strict = fit_calibration(scores(500, 0), scores(500, 1), false_reject=0.01)
    lax = with_rate(strict, 0.1)
    assert lax.score_reject < strict.score_reject and lax.pixel < strict.pixel
    assert (lax.good_scores, lax.good_peaks) == (strict.good_scores, strict.good_peaks)


@pytest.mark.parametrize("rate", [0.0, 0.6, float("nan")])
def test_a_rate_out_of_range_is_refused(rate):
    with pytest.raises(InputError, match="use 0.0001 to 0.5"):
        fit_calibration(scores(30, 0), scores(30, 0), false_reject=rate)


def test_labelled_defects_lower_accept_and_never_reject():
    calibration = fit_calibration(scores(300, 0), scores(300, 0))
    defects = np.array([0.97 * calibration.score_accept, 2 * calibration.score_reject])
    refined, report = refine_with_defects(calibration, defects)
    assert (report.passed_before, report.passed, report.uncertain, report.rejected) == (1, 0, 1, 1)
    assert refined.score_reject == calibration.score_reject and refined.score_accept <= defects[0]
    assert report.false_pass_bound == pytest.approx(1 / 3)


def test_defects_that_look_good_do_not_make_most_good_parts_uncertain():
    calibration = fit_calibration(scores(300, 0), scores(300, 0))
    refined, report = refine_with_defects(calibration, np.array([0.01, 0.02]))
    assert report.passed == 2
    assert np.mean(np.array(refined.good_scores) >= refined.score_accept) <= refined.false_reject + MOST_DOUBT + 0.01


@pytest.mark.parametrize("accept, reject", [(2.0, 1.0), (float("nan"), 1.0), (0.0, 1.0)])
def test_thresholds_that_make_no_sense_are_refused(accept, reject):
    with pytest.raises(ValueError):
        Calibration((1.0,), accept, reject, 1.0)
