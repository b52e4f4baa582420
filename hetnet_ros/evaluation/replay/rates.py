"""Shares with confidence intervals: how often a defect passes, how often a good part is rejected.

The interval is Wilson's score interval (SciPy), which stays honest for small counts and for none at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from hetnet_ros.evaluation.metric import Metric
from hetnet_ros.evaluation.replay.outcome import FrameOutcome
from hetnet_ros.evaluation.result import VerdictCounts
from hetnet_ros.inspection.result import Verdict

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """``count`` of ``of`` frames, as a share with its interval at :data:`CONFIDENCE`; all NaN where ``of`` is 0."""

    count: int
    of: int
    value: float
    low: float
    high: float

    @classmethod
    def of_counts(cls, count: int, of: int) -> Rate:
        if of == 0:
            return cls(0, 0, *[float("nan")] * 3)
        interval = binomtest(count, of).proportion_ci(CONFIDENCE, "wilson")
        return cls(count, of, count / of, float(interval.low), float(interval.high))

    @property
    def defined(self) -> bool:
        return self.of > 0


@dataclass(frozen=True)
class ErrorRates:
    """false_pass: defective frames that passed.  false_reject: good frames that were rejected.  good_uncertain,
    defective_uncertain: frames without a decision."""

    good: VerdictCounts
    defective: VerdictCounts
    false_pass: Rate
    false_reject: Rate
    good_uncertain: Rate
    defective_uncertain: Rate


def error_rates(outcomes: Sequence[FrameOutcome]) -> ErrorRates:
    """The rates of the labelled frames among ``outcomes``."""
    good = VerdictCounts.of([outcome for outcome in outcomes if outcome.is_good])
    bad = VerdictCounts.of([outcome for outcome in outcomes if outcome.is_defective])
    return ErrorRates(
        good,
        bad,
        Rate.of_counts(bad.passed, bad.total),
        Rate.of_counts(good.rejected, good.total),
        Rate.of_counts(good.uncertain, good.total),
        Rate.of_counts(bad.uncertain, bad.total),
    )


def f1_score(outcomes: Sequence[FrameOutcome], flagged: Sequence[Verdict]) -> Metric:
    """F1 of the calibrated decision, a labelled frame counting as found where its verdict is one of ``flagged``."""
    labelled = [outcome for outcome in outcomes if outcome.is_labelled]
    if not any(outcome.is_defective for outcome in labelled):
        return Metric.undefined("there is no defective frame")
    found = np.array([outcome.verdict in flagged for outcome in labelled])
    defective = np.array([outcome.is_defective for outcome in labelled])
    hits = int((found & defective).sum())
    return Metric(2 * hits / int(found.sum() + defective.sum()))
