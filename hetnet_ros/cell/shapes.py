"""Signed distances of the plane figures that parts are made of, in mm: negative inside, zero on the outline.

Distances rather than rasters, because one distance field yields the wall, the chamfer, the anti-aliased material
border and the lay of the tool marks of a feature, all at sub-texel accuracy.  Formulas: I.  Quilez, "2D distance
functions".
"""

from __future__ import annotations

import numpy as np

Field = np.ndarray
"""float32 (H, W), or anything that broadcasts to it."""


def circle(x: Field, y: Field, cx: float, cy: float, radius: float) -> Field:
    """Disc around (cx, cy)."""
    return np.hypot(x - np.float32(cx), y - np.float32(cy)) - np.float32(radius)


def box(
    x: Field, y: Field, half_x: float, half_y: float, corner: float = 0.0, cx: float = 0.0, cy: float = 0.0
) -> Field:
    """Upright rectangle around (cx, cy) with rounded corners; ``half_x``, ``half_y`` are half the outer sides."""
    qx = np.abs(x - np.float32(cx)) - np.float32(half_x - corner)
    qy = np.abs(y - np.float32(cy)) - np.float32(half_y - corner)
    outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0))
    return outside + np.minimum(np.maximum(qx, qy), 0) - np.float32(corner)


def stadium(x: Field, y: Field, x1: float, y1: float, x2: float, y2: float, radius: float) -> Field:
    """All points within ``radius`` of the segment from (x1, y1) to (x2, y2): slots and ribs."""
    dx, dy = x2 - x1, y2 - y1
    px, py = x - np.float32(x1), y - np.float32(y1)
    along = np.clip((px * np.float32(dx) + py * np.float32(dy)) / np.float32(dx * dx + dy * dy), 0, 1)
    return np.hypot(px - along * np.float32(dx), py - along * np.float32(dy)) - np.float32(radius)


def hexagon(x: Field, y: Field, cx: float, cy: float, across: float) -> Field:
    """Regular hexagon, ``across`` flats, flats at the top and the bottom."""
    px, py = np.abs(x - np.float32(cx)), np.abs(y - np.float32(cy))
    return np.maximum(py, px * np.float32(0.8660254) + py * np.float32(0.5)) - np.float32(across / 2)


def band(distance: Field, half_width: float) -> Field:
    """The outline of a figure, ``2 * half_width`` wide."""
    return np.abs(distance) - np.float32(half_width)


def coverage(distance: Field, texel_mm: float) -> Field:
    """Share of a texel inside the figure, 0 to 1, from the distance at its centre."""
    return np.clip(np.float32(0.5) - distance / np.float32(texel_mm), 0, 1)
