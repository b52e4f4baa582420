"""Defect regions: connected components of the anomaly map above the pixel threshold.

They are found at the network's resolution, where the map's information is, and only then scaled to source pixels; the
cost therefore does not grow with the camera.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.result import Box, Defect

#: No more regions than this are reported, those of highest score; it bounds a message's size on a hopeless image.
MAX_DEFECTS = 100


def find_defects(
    raw_map: np.ndarray, calibration: Calibration, roi: Box, min_area_px: float = 0.0
) -> tuple[Defect, ...]:
    """The 8-connected regions of ``raw_map`` at or above ``calibration.pixel``, largest score first.

    raw_map: float32 (h, w), raw distances covering ``roi``; values that are not finite belong to no region.
    roi: the region of the source image that the map covers, px.
    min_area_px: regions smaller than this many source pixels are left out.
    Boxes and contours lie inside ``roi``.  At most :data:`MAX_DEFECTS` are returned.
    """
    above = (raw_map >= calibration.pixel) & np.isfinite(raw_map)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8), connectivity=8)
    to_source = _ToSource(raw_map.shape, roi)
    smallest = min_area_px / to_source.pixel_area
    numbers = [number for number in range(1, count) if stats[number, cv2.CC_STAT_AREA] >= smallest]
    if len(numbers) > MAX_DEFECTS:
        peaks = np.full(count, -np.inf, np.float32)
        np.maximum.at(peaks, labels[above], raw_map[above])
        numbers = sorted(numbers, key=lambda number: -peaks[number])[:MAX_DEFECTS]
    if not numbers:
        return ()
    calibrated = calibration.calibrated_map(raw_map)
    defects = [_defect(number, labels, stats[number], calibrated, to_source) for number in numbers]
    return tuple(sorted(defects, key=lambda defect: (-defect.score, -defect.area_px, defect.box.y, defect.box.x)))


class _ToSource:
    """Map coordinates to source coordinates; a pixel's centre has whole coordinates in both."""

    def __init__(self, map_shape: tuple[int, ...], roi: Box) -> None:
        self.roi = roi
        self.scale = np.array([roi.width / map_shape[1], roi.height / map_shape[0]])
        self.pixel_area = float(self.scale.prod())

    def points(self, xy: np.ndarray) -> np.ndarray:
        """Float (N, 2) map positions -> float (N, 2) source positions."""
        return (xy + 0.5) * self.scale - 0.5 + (self.roi.x, self.roi.y)

    def box(self, x: int, y: int, width: int, height: int) -> Box:
        """The smallest box of source pixels that holds the map pixels whole."""
        left, top = math.floor(x * self.scale[0]), math.floor(y * self.scale[1])
        right, bottom = math.ceil((x + width) * self.scale[0]), math.ceil((y + height) * self.scale[1])
        return Box(self.roi.x + left, self.roi.y + top, right - left, bottom - top)

    def contour(self, xy: np.ndarray) -> np.ndarray:
        """Outline points, int32 (N, 2), rounded into the region, without repeated neighbours."""
        low = (self.roi.x, self.roi.y)
        high = (self.roi.x + self.roi.width - 1, self.roi.y + self.roi.height - 1)
        points = np.clip(np.rint(self.points(xy)), low, high).astype(np.int32)
        moved = np.any(points != np.roll(points, 1, axis=0), axis=1)
        return points[moved] if moved.any() else points[:1]


def _defect(number: int, labels: np.ndarray, stats: np.ndarray, calibrated: np.ndarray, to_source: _ToSource) -> Defect:
    left, top, width, height, area = (int(value) for value in stats)
    window = np.s_[top : top + height, left : left + width]
    inside = labels[window] == number
    outlines, _ = cv2.findContours(
        inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top)
    )
    rows, columns = np.nonzero(inside)
    weights = calibrated[window][inside].astype(np.float64)
    total = weights.sum()
    # sums, not products of vectors, after which OpenBLAS's threads would spin beside the next inference
    centre = np.array([[left + (columns * weights).sum() / total, top + (rows * weights).sum() / total]])
    centroid_x, centroid_y = to_source.points(centre)[0]
    return Defect(
        box=to_source.box(left, top, width, height),
        contour=to_source.contour(outlines[0].reshape(-1, 2)),
        centroid=(float(centroid_x), float(centroid_y)),
        area_px=area * to_source.pixel_area,
        score=float(weights.max()),
        mean_score=float(weights.mean()),
    )
