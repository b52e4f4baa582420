"""Thresholds from held-out defect-free images, and from a few labelled defects where there are some.

``reject`` keeps the promised rate of false rejects, ``accept`` leaves a little doubt below it.  Both are conformal where
the number of images allows it.  Where it does not, ``reject`` is extrapolated, to at least half a deviation above the largest
good score, but ``accept`` never goes beyond what good images have shown: little knowledge makes more images UNCERTAIN, it
never makes more of them PASS.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection import conformal
from hetnet_ros.inspection.calibration import DOUBT, FALSE_REJECT, RATES, Calibration
from hetnet_ros.inspection.result import Verdict

MOST_DOUBT = 0.05
"""Labelled defects may make at most this share of good images UNCERTAIN."""


@dataclass(frozen=True)
class DefectReport:
    """What labelled defects get: counts of each verdict after the refinement; ``passed_before``: those that passed without."""

    rejected: int
    uncertain: int
    passed: int
    passed_before: int

    @property
    def false_pass_bound(self) -> float:
        """Share of further defects of the same kinds that PASS at most, in expectation (conformal)."""
        return (self.passed + 1) / (self.rejected + self.uncertain + self.passed + 1)


def check_rate(false_reject: float) -> None:
    """Raise InputError for a false-reject rate that is out of range."""
    if not RATES[0] <= false_reject <= RATES[1]:
        raise InputError(f"the false-reject rate is {false_reject:g}: use {RATES[0]:g} to {RATES[1]:g}")


def fit_calibration(scores: np.ndarray, peaks: np.ndarray, doubt: float = DOUBT,
                    false_reject: float = FALSE_REJECT) -> Calibration:
    """Calibration from held-out good images.

    scores: raw image scores (N,), N >= 2.  peaks: largest raw map value of each image (N,).
    doubt, false_reject: shares of good images between the two thresholds, and from ``reject`` on.
    Raises InputError for a false-reject rate out of range.
    """
    check_rate(false_reject)
    scores, peaks = np.sort(np.asarray(scores, np.float64)), np.sort(np.asarray(peaks, np.float64))
    reject = conformal.threshold(scores, false_reject)
    if not conformal.is_promised(len(scores), false_reject):
        reject = max(reject, conformal.seen_bound(scores))
    accept = min(conformal.threshold(scores, min(false_reject + doubt, 1.0)), conformal.seen_bound(scores), reject)
    pixel = conformal.threshold(peaks, false_reject)
    return Calibration(
        good_scores=_floats(scores), score_accept=accept, score_reject=reject, pixel=pixel,
        score_steepness=_steepness(scores, reject), pixel_steepness=_steepness(peaks, pixel), false_reject=false_reject,
        doubt=doubt, good_peaks=() if np.array_equal(scores, peaks) else _floats(peaks))


def with_rate(calibration: Calibration, false_reject: float) -> Calibration:
    """The same good images' scores with another promised rate."""
    scores = np.array(calibration.good_scores)
    return fit_calibration(scores, np.array(calibration.good_peaks) if calibration.good_peaks else scores,
                           false_reject=false_reject)


def refine_with_defects(calibration: Calibration, defects: np.ndarray) -> tuple[Calibration, DefectReport]:
    """Lower ``accept`` until none of the labelled defects' raw scores (M,) passes, as long as no more than
    :data:`MOST_DOUBT` of good images become UNCERTAIN.  ``reject``, and with it the promised rate, stays."""
    defects = np.asarray(defects, np.float64)
    seen = float(np.nextafter(calibration.good_scores[-1], np.inf))
    lowest = min(seen, conformal.threshold(calibration.good_scores, min(calibration.false_reject + MOST_DOUBT, 1.0)))
    accept = min(calibration.score_accept, max(float(defects.min()), lowest))
    above = sum(score >= accept for score in calibration.good_scores)
    share = (1 + above) / (1 + len(calibration.good_scores))
    doubt = max(calibration.doubt, share - calibration.false_reject) if accept < calibration.score_accept else calibration.doubt
    refined = dataclasses.replace(calibration, score_accept=accept, doubt=min(doubt, MOST_DOUBT))
    verdicts = [refined.decide(float(score))[0] for score in defects]
    before = sum(calibration.decide(float(score))[0] == Verdict.PASS for score in defects)
    return refined, DefectReport(verdicts.count(Verdict.REJECT), verdicts.count(Verdict.UNCERTAIN),
                                 verdicts.count(Verdict.PASS), before)


def _floats(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _steepness(values: np.ndarray, threshold: float) -> float:
    """So steep that the median good value reads 0.1."""
    ratio = threshold / max(float(np.median(values)), 1e-9)
    return float(np.clip(np.log(9) / max(np.log(ratio), 1e-6), 1, 16))
