"""What one inspected image yields: a verdict, its evidence and the anomaly map it was read from.

These are the plain, frozen values that cross from the inspection room to the nodes, the command line and the
evaluation.  ``UNCERTAIN`` is zero, so that anything left at its default can never read as PASS.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np


class Verdict(enum.IntEnum):
    """Decision on one image; the values equal the constants of ``hetnet_ros/msg/Inspection``."""

    UNCERTAIN = 0
    PASS = 1
    REJECT = 2


@dataclass(frozen=True)
class Box:
    """Axis-aligned rectangle in pixels of the source image; ``x``, ``y`` is its top left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Defect:
    """One connected region above the pixel threshold, in pixels of the source image.

    ``contour`` is the outer outline, int32 of shape (N, 2), N >= 1, columns x and y.  ``centroid`` is weighted by the
    calibrated map.  ``score`` (the region's maximum) and ``mean_score`` are calibrated: 0 to 1, 0.5 at the pixel
    threshold.
    """

    box: Box
    contour: np.ndarray
    centroid: tuple[float, float]
    area_px: float
    score: float
    mean_score: float


@dataclass(frozen=True)
class Thresholds:
    """Calibrated scores (0 to 1) at which verdicts change: PASS below ``accept``, REJECT from ``reject`` on (always
    0.5), UNCERTAIN between; ``pixel`` (always 0.5) bounds the mask."""

    accept: float
    reject: float = 0.5
    pixel: float = 0.5


@dataclass(frozen=True)
class StageTimings:
    """Wall time of each stage, in milliseconds."""

    preprocess_ms: float = 0.0
    inference_ms: float = 0.0
    regions_ms: float = 0.0

    @property
    def total_ms(self) -> float:
        return self.preprocess_ms + self.inference_ms + self.regions_ms


@dataclass(frozen=True)
class SeenRegion:
    """A region of interest, outside of which nothing counted.  source: who asked for it.  outline: corners (x, y), px of the source
    image.  box: the smallest rectangle around what counted."""

    source: str
    outline: tuple[tuple[float, float], ...]
    box: Box


@dataclass(frozen=True)
class Inspection:
    """The outcome for one image.

    verdict: the decision; ``reason`` is a stable lower_snake token (``""`` on PASS) and ``detail`` one readable line.
    score: calibrated image score, 0 to 1, monotone in ``raw_score``, 0.5 at the reject threshold; NaN if not computed.
    p_value: conformal p-value of the image under "this part is good", in (0, 1]; NaN if not computed.
    anomaly_map: float32 (h, w), raw (uncalibrated) distances at the network's resolution, covering ``roi``.
    source_size: (height, width) of the image as it came in;  ``roi``: the part of it that was inspected.
    region: outside of it nothing counted; None: no such region.  share: how much counted of what the model looks at in a whole
    image, 0 to 1; NaN if not computed.
    """

    verdict: Verdict
    reason: str
    detail: str
    score: float
    raw_score: float
    p_value: float
    thresholds: Thresholds
    source_size: tuple[int, int]
    roi: Box
    model_id: str
    defects: tuple[Defect, ...] = ()
    anomaly_map: np.ndarray | None = None
    timings: StageTimings = field(default_factory=StageTimings)
    region: SeenRegion | None = None
    share: float = float("nan")
