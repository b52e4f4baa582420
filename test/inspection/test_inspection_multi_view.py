"""One verdict from several views: its error rate, and never a PASS on a fault."""

import dataclasses

import numpy as np
import pytest

from hetnet_ros.inspection.multi_view import RULES, SeenView, combine, thresholds_among
from hetnet_ros.inspection.result import Box, Inspection, Thresholds, Verdict
from hetnet_ros.learning.calibrate import fit_calibration

RNG = np.random.default_rng(1)
CALIBRATION = fit_calibration(*(2 * [RNG.gamma(4, size=999)]), false_reject=0.05, doubt=0.05)


def view(raw, name="a", calibration=CALIBRATION, **changes):
    verdict, reason, detail = calibration.decide(raw)
    found = Inspection(verdict, reason, detail, calibration.calibrated_score(raw), raw, calibration.p_value(raw),
                       Thresholds(0.4), (48, 64), Box(0, 0, 64, 48), "m")
    return SeenView(name, dataclasses.replace(found, **changes), calibration)


GOOD = float(np.median(CALIBRATION.good_scores))
BAD = 3 * CALIBRATION.score_reject


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.99])
@pytest.mark.parametrize("count", [2, 4])
def test_all_views_together_reject_no_more_good_parts_than_promised(correlation, count):
    """Over many calibration sets; views of one part depend on each other as much as ``correlation`` says."""
    rng = np.random.default_rng(count)
    rates = []
    for _ in range(30):
        calibration = fit_calibration(*(2 * [np.exp(rng.normal(size=199))]), false_reject=0.05)
        part = rng.normal(size=(100, 1))
        scores = np.exp(np.sqrt(correlation) * part + np.sqrt(1 - correlation) * rng.normal(size=(100, count)))
        verdicts = [combine([view(float(s), str(k), calibration) for k, s in enumerate(row)], count, count) for row in scores]
        rates.append(np.mean([verdict.verdict == Verdict.REJECT for verdict in verdicts]))
        assert all((v.p_value <= 0.05) == (v.verdict == Verdict.REJECT) for v in verdicts)
    mean, error = np.mean(rates), np.std(rates) / np.sqrt(30)
    assert mean <= 0.05 + 3 * error
    if correlation == 0:
        assert mean >= 0.02  # and the correction is not needlessly strict where views are independent


def test_fishers_rule_keeps_the_rate_of_independent_views_and_finds_more():
    """Defects shift the logarithms of all scores by 1.2 deviations."""
    rng = np.random.default_rng(7)
    rates = {(rule, shift): [] for rule in RULES for shift in (0.0, 1.2)}
    for _ in range(30):
        calibration = fit_calibration(*(2 * [np.exp(rng.normal(size=199))]), false_reject=0.05)
        noise = rng.normal(size=(60, 3))
        for (rule, shift), found in rates.items():
            parts = [[view(float(s), str(k), calibration) for k, s in enumerate(row)] for row in np.exp(noise + shift)]
            found.append(np.mean([combine(part, 3, 3, rule).verdict == Verdict.REJECT for part in parts]))
    error = np.std(rates["fisher", 0.0]) / np.sqrt(30)
    assert np.mean(rates["fisher", 0.0]) <= 0.05 + 3 * error
    assert np.mean(rates["fisher", 1.2]) > np.mean(rates["bonferroni", 1.2]) + 0.1


@pytest.mark.parametrize("rule", RULES)
def test_further_views_never_take_a_reject_back(rule):
    seen = [view(BAD, "a"), view(BAD, "b")]
    early = combine(seen, 4, 4, rule)
    late = combine([*seen, view(GOOD, "c"), view(GOOD, "d")], 4, 4, rule)
    assert early.verdict == late.verdict == Verdict.REJECT and late.p_value <= early.p_value + 1e-12


@pytest.mark.parametrize("rule", RULES)
def test_a_view_that_is_very_suspicious_never_passes(rule):
    found = combine([view(BAD, "a"), *(view(GOOD, name) for name in "bcdef")], 6, 6, rule)
    assert found.verdict != Verdict.PASS and found.deciding == 0


def test_one_view_is_judged_as_an_image_is():
    for raw in (GOOD, (CALIBRATION.score_accept + CALIBRATION.score_reject) / 2, BAD):
        single = view(raw)
        found = combine([single], 1, 1)
        assert (found.verdict, found.reason) == (single.inspection.verdict, single.inspection.reason)
        assert found.p_value == single.inspection.p_value


def test_a_reject_in_one_view_rejects_the_part_and_is_named():
    found = combine([view(GOOD, "front"), view(BAD, "back"), view(GOOD, "left")], 3, 3)
    assert (found.verdict, found.reason, found.deciding) == (Verdict.REJECT, "anomaly", 1) and "back" in found.detail
    assert found.p_value == pytest.approx(3 * CALIBRATION.p_value(BAD))


def test_what_rejects_one_view_only_just_is_doubtful_among_many():
    raw = 1.001 * CALIBRATION.score_reject
    assert combine([view(raw)], 1, 1).verdict == Verdict.REJECT
    found = combine([view(raw), view(GOOD, "b"), view(GOOD, "c"), view(GOOD, "d")], 4, 4)
    assert found.verdict != Verdict.REJECT
    limits = thresholds_among(CALIBRATION, 4)
    assert 0.5 < limits.reject and limits.accept <= limits.reject


@pytest.mark.parametrize("fault", ["out_of_domain_dark", "bad_image", "inference_failed", "frozen_camera", "stale"])
def test_a_fault_never_passes_and_is_told(fault):
    faulty = view(GOOD, "back", reason=fault, verdict=Verdict.UNCERTAIN, detail="because")
    found = combine([view(GOOD, "front"), faulty], 2, 1)
    assert (found.verdict, found.reason, found.deciding) == (Verdict.UNCERTAIN, fault, 1) and "because" in found.detail
    assert combine([view(BAD, "front"), faulty], 2, 1).verdict == Verdict.REJECT


def test_a_score_that_is_no_number_never_passes():
    found = combine([view(GOOD, "a", raw_score=float("nan"))], 1, 1)
    assert (found.verdict, found.reason) == (Verdict.UNCERTAIN, "inference_failed")


def test_too_few_views_do_not_pass():
    assert combine([], 2, 1).reason == "too_few_views" and np.isnan(combine([], 2, 1).p_value)
    found = combine([view(GOOD)], 3, 2)
    assert (found.verdict, found.reason) == (Verdict.UNCERTAIN, "too_few_views")
    assert combine([view(GOOD), view(GOOD, "b")], 3, 2).verdict == Verdict.PASS


BORDERLINE = (CALIBRATION.score_accept + CALIBRATION.score_reject) / 2


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("planned", [1, 2, 5, 100])
@pytest.mark.parametrize("raw", [1.0001 * CALIBRATION.score_accept, BORDERLINE, 0.9999 * CALIBRATION.score_reject,
                                 1.01 * CALIBRATION.score_reject], ids=["accepted not", "between", "nearly", "over"])
def test_views_that_were_never_taken_let_no_doubtful_view_pass(rule, planned, raw):
    """A part seen once, or once doubtfully among good views, when many more views would have been allowed."""
    assert view(raw).inspection.verdict != Verdict.PASS
    assert combine([view(raw)], planned, 1, rule).verdict != Verdict.PASS
    count = min(planned, 5) - 1
    seen = [view(GOOD, str(number)) for number in range(count)]
    for place in range(count + 1):
        found = combine([*seen[:place], view(raw, "x"), *seen[place:]], planned, 1, rule)
        assert found.verdict != Verdict.PASS and (found.verdict == Verdict.REJECT or found.deciding == place)


@pytest.mark.parametrize("rule", RULES)
def test_a_view_that_did_not_pass_by_itself_keeps_the_part_from_passing(rule):
    """Whatever its score says: the verdict of the view holds what else was found out about the image."""
    odd = view(GOOD, "b", verdict=Verdict.UNCERTAIN, reason="borderline")
    assert combine([view(GOOD, "a"), odd], 2, 1, rule).verdict == Verdict.UNCERTAIN
    assert combine([view(GOOD, "a"), view(GOOD, "b", verdict=Verdict.REJECT, reason="anomaly")], 2, 1, rule).verdict \
        != Verdict.PASS


@pytest.mark.parametrize("rule", RULES)
def test_a_pass_carries_the_p_value_of_the_views_seen(rule):
    """Views that were never taken make a part no better: the p-value is the same, however many were allowed."""
    seen = [view(GOOD), view(GOOD, "b")]
    values = {combine(seen, planned, 1, rule).p_value for planned in (2, 5, 100)}
    assert len(values) == 1 and combine(seen, 5, 1, rule).verdict == Verdict.PASS


@pytest.mark.parametrize("rule", RULES)
def test_an_end_at_the_first_sure_reject_keeps_the_promised_rate(rule):
    """Good parts whose inspection may end after any view: at the first reject, or at the first PASS."""
    rng = np.random.default_rng(3)
    rates = []
    for _ in range(30):
        calibration = fit_calibration(*(2 * [np.exp(rng.normal(size=199))]), false_reject=0.05)
        ends = []
        for row in np.exp(rng.normal(size=(60, 5))):
            views = [view(float(s), str(k), calibration) for k, s in enumerate(row)]
            found = (combine(views[: count + 1], 5, 1, rule).verdict for count in range(5))
            ends.append(next((v for v in found if v != Verdict.UNCERTAIN), Verdict.UNCERTAIN))
        rates.append(np.mean([end == Verdict.REJECT for end in ends]))
    assert np.mean(rates) <= 0.05 + 3 * np.std(rates) / np.sqrt(30)
