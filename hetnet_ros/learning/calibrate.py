"""Thresholds from held-out defect-free images.

The logarithms of good images' scores are close to normal, so a Student-t prediction interval places the thresholds: it
widens by itself when few images were held out.  Below ``reject`` lie all but ``false_reject`` of good images, below
``accept`` all but ``doubt`` - but ``accept`` never goes beyond what good images have shown.  Little knowledge thus makes
more images UNCERTAIN; it never makes more of them PASS.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from hetnet_ros.inspection.calibration import Calibration


def fit_calibration(scores: np.ndarray, peaks: np.ndarray, doubt: float = 0.02, false_reject: float = 0.002) -> Calibration:
    """Calibration from held-out good images.

    scores: raw image scores (N,), N >= 2.  peaks: largest raw map value of each image (N,).
    doubt, false_reject: expected shares of good images above ``accept`` and above ``reject``.
    """
    reject = prediction_bound(scores, false_reject)
    accept = min(prediction_bound(scores, doubt), _seen_bound(scores), reject)
    pixel = prediction_bound(peaks, false_reject)
    return Calibration(
        good_scores=tuple(float(s) for s in np.sort(scores)), score_accept=accept, score_reject=reject, pixel=pixel,
        score_steepness=_steepness(scores, reject), pixel_steepness=_steepness(peaks, pixel))


def prediction_bound(values: np.ndarray, share: float) -> float:
    """The value that one more good image exceeds with probability ``share``, were log values normal; at most ten times
    the largest seen."""
    logs, deviation = _log_moments(values)
    n = len(logs)
    bound = logs.mean() + stats.t.ppf(1 - share, max(1, n - 1)) * deviation * np.sqrt(1 + 1 / n)
    return float(np.exp(min(bound, logs.max() + np.log(10))))


def _seen_bound(values: np.ndarray) -> float:
    """Half a deviation above the largest value seen."""
    logs, deviation = _log_moments(values)
    return float(np.exp(logs.max() + 0.5 * deviation))


def _log_moments(values: np.ndarray) -> tuple[np.ndarray, float]:
    logs = np.log(np.maximum(np.asarray(values, np.float64), 1e-9))
    return logs, max(float(logs.std(ddof=1)) if len(logs) > 1 else 0.0, 0.02)


def _steepness(values: np.ndarray, threshold: float) -> float:
    """So steep that the median good value reads 0.1."""
    ratio = threshold / max(float(np.median(values)), 1e-9)
    return float(np.clip(np.log(9) / max(np.log(ratio), 1e-6), 1, 16))
