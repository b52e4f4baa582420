"""The drawing board on which a part face is designed: heights and materials over a grid of texels.

The grid may be the whole face or a window of it.  A window gives the same values as the whole, which is how a face
with a feature left out (a missing hole) is made without drawing everything again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from hetnet_ros.cell import shapes

TEXEL_MM = 0.2
"""Grid spacing of every face."""
HALF_X_MM, HALF_Y_MM = 96.0, 70.0
"""The grid reaches from -96 to 96 mm and from -70 to 70 mm: the part and the plate that it lies on.  Its border is
plain plate, so that the plate can go on beyond it."""
COLUMNS, ROWS = round(2 * HALF_X_MM / TEXEL_MM), round(2 * HALF_Y_MM / TEXEL_MM)
PLATE_MM = -9.0
"""Height of the plate's top in the face frame."""
WALL = math.tan(math.radians(78))
"""Slope of walls.  Not quite upright, so that a height above every point of the plane describes them."""


@dataclass(frozen=True)
class Grid:
    """A window of the texel grid; the centre of texel (row, column) lies at
    x = (column + 0.5) * TEXEL_MM - HALF_X_MM and y = HALF_Y_MM - (row + 0.5) * TEXEL_MM in the face frame."""

    row: int = 0
    column: int = 0
    rows: int = ROWS
    columns: int = COLUMNS

    @property
    def x(self) -> np.ndarray:
        """float32 (1, columns), mm."""
        return ((np.arange(self.column, self.column + self.columns) + 0.5) * TEXEL_MM - HALF_X_MM).astype(np.float32)[
            None
        ]

    @property
    def y(self) -> np.ndarray:
        """float32 (rows, 1), mm; y points up, rows go down."""
        return (HALF_Y_MM - (np.arange(self.row, self.row + self.rows) + 0.5) * TEXEL_MM).astype(np.float32)[:, None]

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.row, self.row + self.rows), slice(self.column, self.column + self.columns)

    def around(self, x: float, y: float, radius: float) -> Grid:
        """The window of this grid within ``radius`` mm of (x, y), clipped to the face; at least one texel."""
        left, top = to_texel(x - radius, y + radius)
        right, bottom = to_texel(x + radius, y - radius)
        column, row = (int(np.clip(math.floor(v), 0, n - 1)) for v, n in ((left, COLUMNS), (top, ROWS)))
        return replace(
            self,
            row=row,
            column=column,
            rows=max(1, min(ROWS, math.ceil(bottom)) - row),
            columns=max(1, min(COLUMNS, math.ceil(right)) - column),
        )


def to_texel(x, y):
    """Grid coordinates (column, row) of face points in mm; texel centres are whole numbers."""
    return (x + HALF_X_MM) / TEXEL_MM - 0.5, (HALF_Y_MM - y) / TEXEL_MM - 0.5


@dataclass(frozen=True)
class Finish:
    """What a region's surface is like.

    tone: reflectance, 0 to 1.  roughness: 0.05 (polished) to 1.  cast: weight of the cast grain, 0 to 1.
    marks: weight of the tool marks, 0 to 1.  tint: colour, -1 (blue black) to 1 (rust), 0 is bare metal.
    """

    tone: float
    roughness: float
    cast: float = 0.0
    marks: float = 0.0
    tint: float = 0.0


CAST = Finish(tone=0.55, roughness=0.54, cast=1.0)
MILLED = Finish(tone=0.80, roughness=0.34, cast=0.04, marks=1.0)
TURNED = Finish(tone=0.84, roughness=0.27, cast=0.02, marks=0.9)
BORE = Finish(tone=0.20, roughness=0.45, cast=0.10, marks=0.15)
PLATE = Finish(tone=0.105, roughness=0.50, cast=0.22, tint=-0.55)
PLATE_HOLE = Finish(tone=0.05, roughness=0.5, cast=0.1, tint=-0.4)


class Canvas:
    """Heights (mm) and material maps of one face, float32 (rows, columns) each, drawn feature by feature.

    ``lay`` is the coordinate across the tool marks in mm and ``lay_x``, ``lay_y`` its unit direction.
    """

    def __init__(self, grid: Grid) -> None:
        self.grid, self.x, self.y = grid, grid.x, grid.y
        shape = (grid.rows, grid.columns)
        self.height = np.full(shape, PLATE_MM, np.float32)
        self.tone, self.roughness, self.cast, self.marks, self.tint = (
            np.full(shape, v, np.float32) for v in (PLATE.tone, PLATE.roughness, PLATE.cast, PLATE.marks, PLATE.tint)
        )
        self.lay, self.lay_x, self.lay_y = (np.zeros(shape, np.float32) for _ in range(3))
        self.part = np.zeros(shape, bool)

    def plate(self, pitch: float = 25.0) -> None:
        """The plate under the part: a grid of threaded holes."""
        px = np.abs((self.x + pitch / 2) % pitch - pitch / 2)
        py = np.abs((self.y + pitch / 2) % pitch - pitch / 2)
        hole = np.hypot(px, py) - np.float32(3.0)
        self.cut(hole, PLATE_MM - 2.0, chamfer=0.7, top=PLATE_MM)
        self.finish(hole, PLATE_HOLE)

    def blank(self, outline: shapes.Field, top: float, finish: Finish, chamfer: float = 1.0) -> None:
        """Put the part's body on the plate: a block with this outline up to ``top``."""
        self.boss(outline, top, chamfer=chamfer)
        self.finish(outline - np.float32((top - PLATE_MM) / WALL), finish)
        self.part |= np.broadcast_to(outline < np.float32((top - PLATE_MM) / WALL), self.part.shape)

    def boss(self, outline: shapes.Field, top: float, chamfer: float = 0.4, wall: float = WALL) -> None:
        """Raise the region to ``top``; its edge is broken by a 45 degree chamfer, its foot widens with the wall."""
        edge = -outline
        profile = np.minimum(np.float32(top), np.minimum(top - chamfer + edge, top - chamfer + edge * np.float32(wall)))
        self.height = np.maximum(self.height, profile).astype(np.float32)

    def cut(
        self, outline: shapes.Field, bottom: float, chamfer: float = 0.0, top: float = 0.0, wall: float = WALL
    ) -> None:
        """Lower the region to ``bottom``; ``chamfer`` opens it at 45 degrees below the surface at ``top``."""
        cone = np.float32(top - chamfer) + outline
        side = np.float32(top - chamfer) + outline * np.float32(wall)
        profile = np.where(outline > chamfer, np.float32(1e6), np.maximum(np.minimum(cone, side), np.float32(bottom)))
        self.height = np.minimum(self.height, profile).astype(np.float32)

    def finish(self, outline: shapes.Field, finish: Finish) -> None:
        """Give the region a material, with an anti-aliased border."""
        weight = shapes.coverage(outline, TEXEL_MM)
        for name in ("tone", "roughness", "cast", "marks", "tint"):
            field = getattr(self, name)
            field += weight * (np.float32(getattr(finish, name)) - field)

    def lay_straight(self, outline: shapes.Field, angle_deg: float, offset: float = 0.0) -> None:
        """Tool marks of a straight pass that run along ``angle_deg``."""
        c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
        self._lay(outline, self.y * np.float32(c) - self.x * np.float32(s) + np.float32(offset), -s, c)

    def lay_round(self, outline: shapes.Field, cx: float, cy: float, offset: float = 0.0) -> None:
        """Tool marks on circles around (cx, cy): turned faces, and the arcs of a face mill."""
        dx, dy = self.x - np.float32(cx), self.y - np.float32(cy)
        radius = np.maximum(np.hypot(dx, dy), np.float32(1e-3))
        self._lay(outline, radius + np.float32(offset), dx / radius, dy / radius)

    def _lay(self, outline, lay, dx, dy) -> None:
        inside = np.broadcast_to(outline < 0, self.lay.shape)
        for field, value in ((self.lay, lay), (self.lay_x, dx), (self.lay_y, dy)):
            np.copyto(field, np.float32(value), where=inside)

    def hole(
        self,
        cx: float,
        cy: float,
        diameter: float,
        depth: float = 12.0,
        top: float = 0.0,
        countersink: float = 0.0,
        chamfer: float = 0.35,
    ) -> None:
        """Drill a hole; ``countersink`` is the outer diameter of a 90 degree sink."""
        ring = shapes.circle(self.x, self.y, cx, cy, diameter / 2)
        sink = max(chamfer, (countersink - diameter) / 2)
        self.cut(ring, top - depth, chamfer=sink, top=top)
        self.finish(ring - np.float32(sink), TURNED)
        self.lay_round(ring - np.float32(sink), cx, cy, offset=cx + 2 * cy)
        self.finish(ring, BORE)

    def text(self, words: str, cx: float, cy: float, size: float, step: float, stroke: float = 0.8) -> None:
        """Letter ``words`` of ``size`` mm height centred on (cx, cy): raised by ``step`` mm, or stamped where
        negative."""
        scale = size / TEXEL_MM / 22.0
        thick = max(1, round(stroke / TEXEL_MM))
        (width, height), _ = cv2.getTextSize(words, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        column, row = to_texel(cx, cy)
        sheet = np.zeros((ROWS, COLUMNS), np.uint8)
        cv2.putText(
            sheet,
            words,
            (round(column - width / 2), round(row + height / 2)),
            cv2.FONT_HERSHEY_SIMPLEX,
            scale,
            255,
            thick,
            cv2.LINE_AA,
        )
        soft = cv2.GaussianBlur(sheet, (0, 0), 1.3)[self.grid.slices]
        self.height += soft.astype(np.float32) * np.float32(step / 255)
