"""Is this the kind of image the model was taught on?  If not, no verdict about defects can be trusted (ours).

Three monitors, all learned from good images.  Plain statistics (:mod:`image_statistics`) tell bad exposure and blur.  The
median of the anomaly map tells another part or view: a defect is somewhere, but an image of something else is anomalous
nearly everywhere.  And the image's descriptor is compared to those of the taught views: an image further away than good
images ever were must not PASS.  One that is far away altogether is no inspection at all, and is UNCERTAIN even where the
map would reject it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hetnet_ros.inspection.image_statistics import ImageStatistics, StatisticLimits
from hetnet_ros.inspection.result import Verdict

FOREIGN_DISTANCE = 0.12
"""Cosine distance from which an image is foreign, unless good images vary more: blank, dark and blurred images and other
parts lie at 0.12 to 0.5, real defects of several data sets below 0.11."""
MARGIN = 3.0
"""How many times the largest distance of a held-out good image counts as familiar still."""
SMALLEST_SPREAD = 0.002
LEAST_RISE = 0.3
"""A map's level may always rise by this much (in its logarithm) over the highest of held-out good images: a large defect
raises it a little everywhere, because the Transformer looks at the whole.  A map of which a share of its own level is taken
off (``NetworkConfig.image_level``) rises by so much less."""
EVEN = 1 / 3
"""A map whose median is more than this share of its peak is anomalous everywhere rather than somewhere."""

MAX_REFERENCES = 1024


@dataclass(frozen=True)
class MapSpread:
    """Median and largest value of a raw anomaly map."""

    level: float
    peak: float

    @classmethod
    def of(cls, raw_map: np.ndarray) -> MapSpread:
        """raw_map: float32 (H, W); the median is taken of every other row and column."""
        return cls(float(np.median(raw_map[::2, ::2])), float(raw_map.max()))


@dataclass(frozen=True)
class DomainLimits:
    """Cosine distances to the nearest taught view: up to ``familiar`` an image may PASS; beyond ``foreign`` (>= familiar)
    no verdict stands.  ``level``: median of the raw map beyond which none stands if the map is even, too; ``statistics``:
    what the image itself must keep within for any verdict to stand."""

    familiar: float
    foreign: float
    level: float
    statistics: StatisticLimits

    def judge(self, distance: float, verdict: Verdict, spread: MapSpread, found: ImageStatistics) -> tuple[str, str] | None:
        """Reason token and detail that turn ``verdict`` into UNCERTAIN, or None where it may stand.

        spread: of the image's anomaly map.  A distance of NaN is foreign.
        """
        fault = self.statistics.fault(found)
        if fault is None and spread.level > self.level and spread.level > EVEN * spread.peak:
            fault = "appearance", (f"most of the image is unlike the taught ones (another part or view?): half of it differs "
                                   f"by more than {spread.level:.3g}, of good images by less than {self.level:.3g}")
        if fault is None and not (distance <= self.familiar or (distance <= self.foreign and verdict != Verdict.PASS)):
            fault = "appearance", (f"the image does not look like the taught ones (another part, view or light?): its "
                                   f"distance to them is {distance:.3f}, good images stay below {self.familiar:.3f}")
        return None if fault is None else (f"out_of_domain_{fault[0]}", fault[1])


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
    # not a product of matrices, after which OpenBLAS's threads would spin beside the next inference
    return 1 - np.einsum("md,nd->mn", descriptors, references).max(1)


def fit_limits(apart: np.ndarray, levels: np.ndarray, statistics: StatisticLimits, image_level: float = 0.0) -> DomainLimits:
    """Limits from distances (N,) and map levels (N,) of held-out good images, and those of the images' statistics.

    image_level: the share of an image's own level that its map lacks.
    """
    familiar = MARGIN * max(float(apart.max()), SMALLEST_SPREAD)
    logs = np.log(np.maximum(levels, 1e-9))
    level = float(np.exp(logs.max() + max(MARGIN * float(logs.std()), LEAST_RISE * (1 - image_level))))
    return DomainLimits(familiar, max(familiar, FOREIGN_DISTANCE), level, statistics)
