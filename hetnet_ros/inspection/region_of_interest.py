"""The part of an image that counts: outside of it nothing enters score, mask or defects.

The network still sees the whole image (or the crop it was taught on), because cutting it differently would change what it
was taught; the anomaly map is blanked outside.  Coordinates are pixels of the source image, whose pixel centres have
whole coordinates.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import cv2
import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_files import MIN_SIDE_PX
from hetnet_ros.inspection.resizing import resized
from hetnet_ros.inspection.result import Box, SeenRegion

_FRACTION_BITS = 6

_SPARE_PX = 1.0
"""How far a region may reach beyond what is inspected of an image: a crop is given in shares and rounded to pixels."""


MOST_CORNERS = 1000
"""Of a polygon."""

_Span = tuple[float, float, float, float]
"""Left, upper, right and lower edge, px; pixels reach half a pixel beyond their centres."""


class RegionError(InputError):
    """A region that cannot be used, or does not fit the image it is asked for.  reason: token of the verdict that it gives."""

    def __init__(self, text: str, reason: str = "roi_outside_image") -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Region:
    """Where several are given, what lies inside all of them counts.

    box: a rectangle.  polygon: corners (x, y), three or more.  mask: bool (H, W), as large as the source image.  source: who asked
    for it, for people.
    """

    box: Box | None = None
    polygon: tuple[tuple[float, float], ...] = ()
    mask: np.ndarray | None = None
    source: str = ""

    @functools.cached_property
    def flaw(self) -> RegionError | None:
        """Why this is no region to inspect, whatever the image: none of a pixel, a line, or one that crosses itself."""
        for what, corners in self._named_outlines():
            if len(corners) > MOST_CORNERS:
                return RegionError(f"the {what} of the region of interest has {len(corners)} corners: use {MOST_CORNERS} or fewer, or "
                                   "a mask", "roi_invalid")
            if len(corners) < 3 or not np.isfinite(corners).all():
                return RegionError(f"the {what} of the region of interest needs three or more corners [x, y], all of them numbers",
                                   "roi_invalid")
            if what == "polygon" and _crosses_itself(corners):
                return RegionError("the polygon of the region of interest crosses itself: give its corners in the order in which they "
                                   "follow each other around it", "roi_invalid")
            width, height = np.ptp(corners, axis=0)
            if min(width, height) < MIN_SIDE_PX or _area(corners) < MIN_SIDE_PX**2:
                return _too_small(what, width, height, _area(corners))
        if self.mask is not None and self.mask.any():
            left, top, right, bottom = self._mask_span
            white = int(self.mask.sum())
            if min(right - left, bottom - top) < MIN_SIDE_PX or white < MIN_SIDE_PX**2:
                return _too_small("mask", right - left, bottom - top, white)
        return None

    def seen(self, roi: Box) -> SeenRegion:
        """What is told of this region, of which ``roi`` is inspected; it must fit."""
        left, top, right, bottom = self._span
        left, top = max(math.floor(left + 0.5), roi.x), max(math.floor(top + 0.5), roi.y)
        right, bottom = min(math.ceil(right + 0.5), roi.x + roi.width), min(math.ceil(bottom + 0.5), roi.y + roi.height)
        box = Box(left, top, max(right - left, 0), max(bottom - top, 0))
        alone = self.polygon and self.box is None and self.mask is None
        outline = self.polygon if alone else ((left, top), (box.x + box.width - 1, top), (box.x + box.width - 1, box.y + box.height - 1),
                                              (left, box.y + box.height - 1))
        return SeenRegion(self.source, tuple((float(x), float(y)) for x, y in outline), box)

    def share(self, inside: np.ndarray, roi: Box) -> float:
        """Share of ``roi`` that counts, 0 to 1.  inside: as :meth:`inside` gives it, where an edge counts as inside: a region of no area
        has none here."""
        areas = [_area(corners) for _, corners in self._named_outlines()]
        return min([float(inside.mean()), *(area / (roi.width * roi.height) for area in areas)])

    def inside(self, source_size: tuple[int, int], roi: Box, map_shape: tuple[int, ...]) -> np.ndarray:
        """bool ``map_shape``: which pixels of a map that covers ``roi`` of an image (height, width) count.

        Raises RegionError if the region has a flaw, leaves the image or reaches beyond ``roi``, the mask has another size, or nothing of
        ``roi`` is inside.
        """
        if self.flaw is not None:
            raise self.flaw
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

    def _check_inspected(self, outlines: list[np.ndarray], roi: Box) -> None:
        """Refuse a region that reaches beyond what is inspected: a defect there would pass unseen."""
        if not outlines and self.mask is None:
            return
        left, top, right, bottom = self._span
        beyond = max(roi.x - 0.5 - left, roi.y - 0.5 - top,
                     right - (roi.x + roi.width - 0.5), bottom - (roi.y + roi.height - 0.5))
        if beyond > _SPARE_PX:
            raise RegionError(f"the region of interest reaches {beyond:.0f} px beyond the {roi.width}x{roi.height} px at x={roi.x} "
                              f"y={roi.y} that are inspected (the model's crop of the image, or of the parameter roi), where a "
                              "defect would pass unseen: make the region smaller, or what is inspected larger")

    @functools.cached_property
    def _span(self) -> _Span:
        """Edges of what all of box, polygon and mask may hold together."""
        spans = [(*np.min(corners, axis=0), *np.max(corners, axis=0)) for _, corners in self._named_outlines()]
        if self.mask is not None:
            spans.append(self._mask_span)
        return tuple(pick(float(span[i]) for span in spans) for i, pick in enumerate((max, max, min, min)))

    @functools.cached_property
    def _mask_span(self) -> _Span:
        """Left, upper, right and lower edge of what is white in the mask."""
        columns, rows = (np.flatnonzero(self.mask.any(axis)) for axis in (0, 1))
        return columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5

    def _named_outlines(self) -> list[tuple[str, np.ndarray]]:
        """What it is, and its corners, float (N, 2)."""
        outlines = [("polygon", np.array(self.polygon, np.float64).reshape(-1, 2))] if self.polygon else []
        if self.box is not None:
            left, top = self.box.x - 0.5, self.box.y - 0.5
            right, bottom = left + self.box.width, top + self.box.height
            outlines.append(("box", np.array([(left, top), (right, top), (right, bottom), (left, bottom)])))
        return outlines

    def _outlines(self, source_size: tuple[int, int]) -> list[np.ndarray]:
        outlines = [corners for _, corners in self._named_outlines()]
        height, width = source_size
        for x, y in (corner for outline in outlines for corner in outline):
            if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                raise RegionError(f"the region of interest reaches to x={x:g} y={y:g}, outside the {width}x{height} image: "
                                  "set it to a region inside")
        return outlines


def _too_small(what: str, width: float, height: float, area: float) -> RegionError:
    return RegionError(f"the {what} of the region of interest is {width:.4g}x{height:.4g} px with an area of {area:.4g} px: at least "
                       f"{MIN_SIDE_PX}x{MIN_SIDE_PX} px are needed", "roi_too_small")


def _area(corners: np.ndarray) -> float:
    """Of a polygon that does not cross itself, px; of any other it is no more than what lies inside of it once."""
    x, y = (corners - corners[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _crosses_itself(corners: np.ndarray) -> bool:
    """Whether two sides of a closed polygon cross."""
    begin, along = corners, np.roll(corners, -1, axis=0) - corners
    from_side = begin[None] - begin[:, None]  # [i, j]: from where side i begins to where side j does
    first = np.sign(along[:, None, 0] * from_side[..., 1] - along[:, None, 1] * from_side[..., 0])
    second = np.roll(first, -1, axis=1)
    apart = first * second < 0
    return bool((apart & apart.T).any())


def score_inside(raw_map: np.ndarray, inside: np.ndarray, score: str, top_fraction: float) -> float:
    """Raw image score read from the map's pixels ``inside`` alone, as the network reads it from the whole map.

    score: ``max``, or ``top`` for the mean of the ``top_fraction`` largest values.
    """
    values = raw_map[inside]
    if score == "max" or not np.isfinite(values).all():
        return float(values.max())  # NaN stays NaN
    top = max(1, int(round(top_fraction * values.size)))
    return float(np.partition(values, values.size - top)[values.size - top:].mean())
