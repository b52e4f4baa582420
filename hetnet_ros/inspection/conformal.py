"""Conformal p-values and the thresholds that keep a promised rate of false alarms (Vovk, Gammerman, Shafer 2005).

A new good image is as likely to take any rank among n held-out good ones as any other; so rejecting where the p-value,
(1 + number of held-out scores at least as large) / (n + 1), is at most ``rate`` rejects at most that share of good
images, whatever the scores' distribution.  n images cannot promise less than 1 / (n + 1).  For a smaller rate a Student-t
prediction bound of the scores' logarithms stands in: it widens by itself where little is known, but it rests on the
logarithms being about normal and is therefore no promise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit


def smallest_rate(count: int) -> float:
    """The smallest share of false alarms that ``count`` good images can promise."""
    return 1 / (count + 1)


def p_value(good_scores: Sequence[float], raw: float) -> float:
    """p-value of "this image is good" against ascending good scores, in [1 / (n + 1), 1]."""
    at_least = len(good_scores) - int(np.searchsorted(good_scores, raw, side="left"))
    return (1 + at_least) / (1 + len(good_scores))


def is_promised(count: int, rate: float) -> bool:
    """Whether ``count`` good images promise ``rate``, whatever the scores' distribution."""
    return _rank(count, rate) >= 1


def threshold(good_scores: Sequence[float], rate: float) -> float:
    """The score from which on at most a share ``rate`` of good images lies.

    good_scores: ascending.  rate: above 0.  Where the rate is promised, a score reaches the threshold exactly if its
    p-value is at most ``rate``; else the threshold is a prediction bound above all scores seen.
    """
    count, rank = len(good_scores), _rank(len(good_scores), rate)
    if rank > count:
        return float(np.nextafter(0.0, 1.0))
    if rank >= 1:
        return _above(good_scores[count - rank])
    return max(prediction_bound(good_scores, rate), _above(good_scores[-1]))


def prediction_bound(values: Sequence[float], share: float) -> float:
    """The value that one more good image exceeds with probability ``share``, were log values normal; at most ten times
    the largest seen."""
    logs, deviation = _log_moments(values)
    count = len(logs)
    bound = logs.mean() + stdtrit(max(1, count - 1), 1 - share) * deviation * np.sqrt(1 + 1 / count)
    return float(np.exp(min(bound, logs.max() + np.log(10))))


def seen_bound(values: Sequence[float]) -> float:
    """Half a deviation (of the logarithms) above the largest value seen: what good images have shown, and hardly more."""
    logs, deviation = _log_moments(values)
    return float(np.exp(logs.max() + 0.5 * deviation))


def _rank(count: int, rate: float) -> int:
    """How many of ``count + 1`` equally likely ranks may be alarms; the slack absorbs rounding, as of 0.07 * 100."""
    return int(np.floor(rate * (count + 1) + 1e-9))


def _above(value: float) -> float:
    return float(np.nextafter(max(float(value), 0.0), np.inf))


def _log_moments(values: Sequence[float]) -> tuple[np.ndarray, float]:
    logs = np.log(np.maximum(np.asarray(values, np.float64), 1e-9))
    return logs, max(float(logs.std(ddof=1)) if len(logs) > 1 else 0.0, 0.02)
