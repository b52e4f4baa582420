"""The part of an image that counts: outside of it nothing enters score, mask or defects.

The network still sees the whole image (or the crop it was taught on), because cutting it differently would change what it
was taught; the anomaly map is blanked outside.  Coordinates are pixels of the source image, whose pixel centres have
whole coordinates.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.resizing import resized
from hetnet_ros.inspection.result import Box

_FRACTION_BITS = 6

_SPARE_PX = 1.0
"""How far a region may reach beyond what is inspected of an image: a crop is given in shares and rounded to pixels."""


class RegionError(InputError):
    """A region that does not fit the image it is asked for."""


@dataclass(frozen=True, eq=False)
class Region:
    """Where several are given, what lies inside all of them counts.

    box: a rectangle.  polygon: corners (x, y), three or more.  mask: bool (H, W), as large as the source image.
    """

    box: Box | None = None
    polygon: tuple[tuple[float, float], ...] = ()
    mask: np.ndarray | None = None

    def inside(self, source_size: tuple[int, int], roi: Box, map_shape: tuple[int, ...]) -> np.ndarray:
        """bool ``map_shape``: which pixels of a map that covers ``roi`` of an image (height, width) count.

        Raises RegionError if the region leaves the image or reaches beyond ``roi``, the mask has another size, or nothing of
        ``roi`` is inside.
        """
        inside = np.ones(map_shape, bool)
        scale = np.array([map_shape[1] / roi.width, map_shape[0] / roi.height])
        outlines = self._outlines(source_size)
        for corners in outlines:
            points = (np.array(corners, np.float64) + 0.5 - (roi.x, roi.y)) * scale - 0.5
            filled = np.zeros(map_shape, np.uint8)
            cv2.fillPoly(filled, [np.rint(points * (1 << _FRACTION_BITS)).astype(np.int32)], 1, shift=_FRACTION_BITS)
            inside &= filled > 0
        if self.mask is not None:
            if self.mask.shape != tuple(source_size):
                raise RegionError(f"the mask of the region of interest is {self.mask.shape[1]}x{self.mask.shape[0]}, the "
                                  f"image {source_size[1]}x{source_size[0]}: make it of the camera's size")
            cut = self.mask[roi.y:roi.y + roi.height, roi.x:roi.x + roi.width].astype(np.float32)
            inside &= resized(cut, map_shape[:2], cv2.INTER_AREA) >= 0.5
        if not inside.any():
            raise RegionError("the region of interest holds nothing of the inspected image: set it to where the part is")
        self._check_inspected(outlines, roi)
        return inside

    def _check_inspected(self, outlines: list[list[tuple[float, float]]], roi: Box) -> None:
        """Refuse a region that reaches beyond what is inspected: a defect there would pass unseen."""
        spans = [(*np.min(corners, axis=0), *np.max(corners, axis=0)) for corners in outlines]
        if self.mask is not None:
            spans.append(self._mask_span)
        if not spans:
            return
        left, top = (max(span[i] for span in spans) for i in (0, 1))
        right, bottom = (min(span[i] for span in spans) for i in (2, 3))
        beyond = max(roi.x - 0.5 - left, roi.y - 0.5 - top,
                     right - (roi.x + roi.width - 0.5), bottom - (roi.y + roi.height - 0.5))
        if beyond > _SPARE_PX:
            raise RegionError(f"the region of interest reaches {beyond:.0f} px beyond the {roi.width}x{roi.height} px at x={roi.x} "
                              f"y={roi.y} that are inspected (the model's crop of the image, or of the parameter roi), where a "
                              "defect would pass unseen: make the region smaller, or what is inspected larger")

    @functools.cached_property
    def _mask_span(self) -> tuple[float, float, float, float]:
        """Left, upper, right and lower edge of what is white in the mask."""
        columns, rows = (np.flatnonzero(self.mask.any(axis)) for axis in (0, 1))
        return columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5

    def _outlines(self, source_size: tuple[int, int]) -> list[list[tuple[float, float]]]:
        outlines = [list(self.polygon)] if self.polygon else []
        if self.box is not None:
            left, top = self.box.x - 0.5, self.box.y - 0.5
            right, bottom = left + self.box.width, top + self.box.height
            outlines.append([(left, top), (right, top), (right, bottom), (left, bottom)])
        height, width = source_size
        for x, y in (corner for outline in outlines for corner in outline):
            if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                raise RegionError(f"the region of interest reaches to x={x:g} y={y:g}, outside the {width}x{height} image: "
                                  "set it to a region inside")
        return outlines


def score_inside(raw_map: np.ndarray, inside: np.ndarray, score: str, top_fraction: float) -> float:
    """Raw image score read from the map's pixels ``inside`` alone, as the network reads it from the whole map.

    score: ``max``, or ``top`` for the mean of the ``top_fraction`` largest values.
    """
    values = raw_map[inside]
    if score == "max" or not np.isfinite(values).all():
        return float(values.max())  # NaN stays NaN
    top = max(1, int(round(top_fraction * values.size)))
    return float(np.partition(values, values.size - top)[values.size - top:].mean())
