"""The nominal face as maps: what every part of its kind has in common, drawn once and kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from hetnet_ros.cell import faces, grain
from hetnet_ros.cell.canvas import TEXEL_MM, Canvas, Grid
from hetnet_ros.cell.faces import Face

_ROUND_MM = 0.28
"""Edges are rounded by about this much: nothing real is quite sharp, and a rounded edge catches the light."""
_SHADE_MM = 3.0
"""Walls farther away than this take little of the light off a texel."""


@dataclass(frozen=True, eq=False)
class Nominal:
    """Maps of (ROWS, COLUMNS), float32 unless said otherwise.

    height: mm.  slope_x, slope_y: dz/dx and dz/dy.  openness: share of the surroundings' light that gets in, 0 to 1.
    tone, roughness, cast, marks, tint: see :class:`~hetnet_ros.cell.canvas.Finish`.  lay_index (int32), lay_x, lay_y:
    position in the tool-mark profile and the direction across the marks.  part: bool, part or plate.
    """

    height: np.ndarray
    slope_x: np.ndarray
    slope_y: np.ndarray
    openness: np.ndarray
    tone: np.ndarray
    roughness: np.ndarray
    cast: np.ndarray
    marks: np.ndarray
    tint: np.ndarray
    lay_index: np.ndarray
    lay_x: np.ndarray
    lay_y: np.ndarray
    part: np.ndarray


@lru_cache(maxsize=2)
def nominal(name: str) -> Nominal:
    """The maps of the face of this name; shared, so their arrays are read-only."""
    maps = _maps(faces.face(name).on(Grid()))
    for field in vars(maps).values():
        field.flags.writeable = False
    return maps


def without_hole(whole: Nominal, face: Face, index: int) -> Nominal:
    """A copy of the face's maps in which one hole was never drilled."""
    hole = face.holes[index]
    window = Grid().around(hole.x, hole.y, hole.reach)
    wide = Grid().around(hole.x, hole.y, hole.reach + 6 * _SHADE_MM)
    patch = _maps(face.on(wide, omit=index))
    inner = np.s_[
        window.row - wide.row : window.row - wide.row + window.rows,
        window.column - wide.column : window.column - wide.column + window.columns,
    ]
    maps = {}
    for name, field in vars(whole).items():
        maps[name] = field.copy()
        maps[name][window.slices] = getattr(patch, name)[inner]
    return Nominal(**maps)


def _maps(canvas: Canvas) -> Nominal:
    height = cv2.GaussianBlur(canvas.height, (0, 0), _ROUND_MM / TEXEL_MM)
    slope_down, slope_x = np.gradient(height, TEXEL_MM)
    near = cv2.GaussianBlur(height, (0, 0), _SHADE_MM / TEXEL_MM / 2)
    far = cv2.GaussianBlur(height, (0, 0), _SHADE_MM / TEXEL_MM)
    sunk = np.maximum(0.6 * near + 0.4 * far - height, 0)
    index = np.rint(canvas.lay / grain.MARKS_STEP_MM).astype(np.int32)
    return Nominal(
        height,
        slope_x,
        -slope_down,
        1 / (1 + 0.55 * sunk),
        canvas.tone,
        canvas.roughness,
        canvas.cast,
        canvas.marks,
        canvas.tint,
        index,
        canvas.lay_x,
        canvas.lay_y,
        canvas.part,
    )
