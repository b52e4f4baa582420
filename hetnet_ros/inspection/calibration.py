"""From raw distances to numbers a planner can act on: calibrated score, p-value and verdict.

All of it is learned from held-out defect-free images.  Calibrated values are a monotone function of the raw ones that is
0 at 0, 0.5 at the reject threshold and tends to 1; p-values and thresholds are conformal (:mod:`conformal`), and what so
few images cannot promise is said so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hetnet_ros.inspection import conformal
from hetnet_ros.inspection.result import Thresholds, Verdict

FALSE_REJECT = 0.01
"""Share of good images that may be rejected, unless the user says otherwise."""
DOUBT = 0.01
"""Share of good images that may be UNCERTAIN for their score alone."""
RATES = (1e-4, 0.5)
"""Smallest and largest false-reject rate that can be asked for."""


@dataclass(frozen=True)
class Calibration:
    """Raw thresholds and the good images' raw scores.

    good_scores: ascending raw image scores of the held-out good images, one or more.
    score_accept <= score_reject: raw image scores; PASS below the first, REJECT from the second on.
    pixel: raw map value from which a pixel belongs to a defect.  steepness: exponents of the score's and the map's
    calibrated curve, > 0.
    false_reject: share of good images that REJECT may take; doubt: share that lies between the two thresholds.
    good_peaks: ascending largest raw map values of the same good images, where they differ from the scores.
    """

    good_scores: tuple[float, ...]
    score_accept: float
    score_reject: float
    pixel: float
    score_steepness: float = 4.0
    pixel_steepness: float = 4.0
    false_reject: float = FALSE_REJECT
    doubt: float = DOUBT
    good_peaks: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        values = (self.score_accept, self.score_reject, self.pixel, self.score_steepness, self.pixel_steepness)
        if not all(math.isfinite(v) and v > 0 for v in values) or self.score_accept > self.score_reject:
            raise ValueError(f"calibration thresholds must be finite, positive and ordered, got {values}")
        if not self.good_scores or not all(math.isfinite(s) for s in self.good_scores):
            raise ValueError("calibration needs at least one finite good score")
        if not RATES[0] <= self.false_reject <= RATES[1] or not 0 <= self.doubt < 1:
            raise ValueError(f"rates must be from {RATES[0]} to {RATES[1]}, got {self.false_reject} and {self.doubt}")

    def calibrated_score(self, raw: float) -> float:
        """Raw image score -> [0, 1], 0.5 at the reject threshold, monotone; NaN stays NaN."""
        return float(_curve(np.float64(raw), self.score_reject, self.score_steepness))

    def calibrated_map(self, raw: np.ndarray) -> np.ndarray:
        """Raw map, any shape -> float32 in [0, 1], 0.5 at the pixel threshold."""
        return _curve(np.asarray(raw, np.float32), self.pixel, self.pixel_steepness).astype(np.float32)

    def p_value(self, raw: float) -> float:
        """Conformal p-value of "this image is good", in [1 / (n + 1), 1]."""
        return conformal.p_value(self.good_scores, raw)

    def reject_among(self, views: int) -> float:
        """Raw score from which one of ``views`` views rejects the part, so that all together keep ``false_reject``."""
        return self.score_reject if views == 1 else max(self.score_reject, self._bound(self.false_reject / views))

    def _bound(self, rate: float) -> float:
        return conformal.threshold(self.good_scores, rate)

    @property
    def promise(self) -> str:
        """One line on what share of good images is rejected, and how well that is known."""
        count, least = len(self.good_scores), conformal.smallest_rate(len(self.good_scores))
        if conformal.is_promised(count, self.false_reject):
            return (f"at most {self.false_reject:.2%} of good images are rejected, promised by {count} held-out good images "
                    "(conformal)")
        needed = math.ceil(1 / self.false_reject - 1e-9) - 1
        return (f"about {self.false_reject:.2%} of good images are rejected, if the logarithms of their scores are normal: "
                f"{count} held-out good images promise no rate below {least:.2%}; {needed} would promise this one")

    @property
    def thresholds(self) -> Thresholds:
        """The same thresholds on the calibrated scale."""
        return Thresholds(accept=self.calibrated_score(self.score_accept))

    def decide(self, raw: float) -> tuple[Verdict, str, str]:
        """Verdict, reason token and one readable line for a raw image score; a score that is not finite never passes."""
        score = self.calibrated_score(raw)
        if not math.isfinite(raw):
            return Verdict.UNCERTAIN, "inference_failed", f"the network gave a score of {raw}"
        if raw >= self.score_reject:
            return Verdict.REJECT, "anomaly", f"score {score:.3f} is at or above the reject threshold 0.500"
        if raw >= self.score_accept:
            return (Verdict.UNCERTAIN, "borderline",
                    f"score {score:.3f} lies between accept {self.thresholds.accept:.3f} and reject 0.500")
        return Verdict.PASS, "", ""


def _curve(raw: np.ndarray, threshold: float, steepness: float) -> np.ndarray:
    """r^k / (r^k + t^k), written so that large values do not overflow."""
    with np.errstate(divide="ignore", over="ignore"):
        ratio = threshold / np.maximum(raw, 0)
        return 1 / (1 + ratio ** steepness)
