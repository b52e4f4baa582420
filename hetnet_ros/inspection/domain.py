"""Is this the kind of image the model was taught on?  If not, no verdict about defects can be trusted (ours).

The image's descriptor is compared to those of the taught views.  An image further away than good images ever were must
not PASS; one that is far away altogether (lens cap, light off, another part) is no inspection at all, and is UNCERTAIN
even where the map would reject it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hetnet_ros.inspection.result import Verdict

FOREIGN_DISTANCE = 0.12
"""Cosine distance from which an image is foreign, unless good images vary more: blank, dark and blurred images and other
parts lie at 0.12 to 0.5, real defects of several data sets below 0.11."""
MARGIN = 3.0
"""How many times the largest distance of a held-out good image counts as familiar still."""
SMALLEST_SPREAD = 0.002

MAX_REFERENCES = 1024


@dataclass(frozen=True)
class DomainLimits:
    """Cosine distances to the nearest taught view: up to ``familiar`` an image may PASS; beyond ``foreign`` (>= familiar)
    no verdict stands."""

    familiar: float
    foreign: float

    def judge(self, distance: float, verdict: Verdict, rgb: np.ndarray) -> tuple[str, str] | None:
        """Reason token and detail that turn ``verdict`` into UNCERTAIN, or None where it may stand.

        rgb: the inspected image, uint8 (H, W, 3), from which the likely cause is read.  A distance of NaN is foreign.
        """
        if distance <= self.familiar or (distance <= self.foreign and verdict != Verdict.PASS):
            return None
        cause, words = _likely_cause(rgb)
        return f"out_of_domain_{cause}", (f"{words}: its distance to the taught images is {distance:.3f}, good images stay "
                                          f"below {self.familiar:.3f}")


class Domain:
    """The taught views' descriptors, float32 (N, D), unit length, and the limits."""

    def __init__(self, references: np.ndarray, limits: DomainLimits) -> None:
        self.references = references
        self.limits = limits

    def distance(self, descriptor: np.ndarray) -> float:
        """Cosine distance (0 to 2) of one unit descriptor (D,) to the nearest reference."""
        return distances(self.references, descriptor[None])[0]


def distances(references: np.ndarray, descriptors: np.ndarray) -> np.ndarray:
    """Cosine distances of unit descriptors (M, D) to their nearest references (N, D): (M,)."""
    return 1 - (descriptors @ references.T).max(1)


def fit_limits(held_out: np.ndarray) -> DomainLimits:
    """Limits from the distances (N,) of held-out good images."""
    familiar = MARGIN * max(float(held_out.max()), SMALLEST_SPREAD)
    return DomainLimits(familiar, max(familiar, FOREIGN_DISTANCE))


def _likely_cause(rgb: np.ndarray) -> tuple[str, str]:
    values = rgb[::4, ::4]
    if values.mean() < 16:
        return "dark", "the image is almost black (lens cap, light off or exposure too short?)"
    if (values > 250).mean() > 0.5:
        return "bright", "most of the image is saturated (overexposed?)"
    return "appearance", "the image does not look like the taught ones (another part, view, light or focus?)"
