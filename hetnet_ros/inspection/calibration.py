"""From raw distances to numbers a planner can act on: calibrated score, p-value and verdict.

All of it is learned from held-out defect-free images only.  Calibrated values are a monotone function of the raw ones
that is 0 at 0, 0.5 at the reject threshold and tends to 1; the p-value is conformal: the share of held-out good images
at least as suspicious, counting the image itself, so n good images never promise less than 1 / (n + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hetnet_ros.inspection.result import Thresholds, Verdict


@dataclass(frozen=True)
class Calibration:
    """Raw thresholds and the good images' raw scores.

    good_scores: ascending raw image scores of the held-out good images, one or more.
    score_accept <= score_reject: raw image scores; PASS below the first, REJECT from the second on.
    pixel: raw map value from which a pixel belongs to a defect.  steepness: exponents of the score's and the map's
    calibrated curve, > 0.
    """

    good_scores: tuple[float, ...]
    score_accept: float
    score_reject: float
    pixel: float
    score_steepness: float = 4.0
    pixel_steepness: float = 4.0

    def __post_init__(self) -> None:
        values = (self.score_accept, self.score_reject, self.pixel, self.score_steepness, self.pixel_steepness)
        if not all(math.isfinite(v) and v > 0 for v in values) or self.score_accept > self.score_reject:
            raise ValueError(f"calibration thresholds must be finite, positive and ordered, got {values}")
        if not self.good_scores or not all(math.isfinite(s) for s in self.good_scores):
            raise ValueError("calibration needs at least one finite good score")

    def calibrated_score(self, raw: float) -> float:
        """Raw image score -> [0, 1], 0.5 at the reject threshold, monotone; NaN stays NaN."""
        return float(_curve(np.float64(raw), self.score_reject, self.score_steepness))

    def calibrated_map(self, raw: np.ndarray) -> np.ndarray:
        """Raw map, any shape -> float32 in [0, 1], 0.5 at the pixel threshold."""
        return _curve(np.asarray(raw, np.float32), self.pixel, self.pixel_steepness).astype(np.float32)

    def p_value(self, raw: float) -> float:
        """Conformal p-value of "this image is good", in [1 / (n + 1), 1]."""
        at_least = len(self.good_scores) - int(np.searchsorted(self.good_scores, raw, side="left"))
        return (1 + at_least) / (1 + len(self.good_scores))

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
