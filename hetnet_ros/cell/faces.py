"""The six faces of the virtual casting, named as MSC-AD names its surfaces: back, down, front, left, right, up.

Each face is drawn from its own features (pockets, ribs, bosses, flanges, grooves, slots, lettering) and its own
finishes, so that no two look alike and every one has flat, curved, rough and shiny places.  Holes are kept apart from
the rest of the drawing, because a hole that was forgotten is one of the defects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hetnet_ros.cell import shapes
from hetnet_ros.cell.canvas import CAST, MILLED, TURNED, Canvas, Finish, Grid
from hetnet_ros.errors import InputError

ROUGH_WALL = Finish(tone=0.46, roughness=0.6, cast=0.8)


@dataclass(frozen=True)
class Hole:
    """A drilled hole of a face: centre, diameter, height of the surface around it (mm), countersink diameter or 0."""

    x: float
    y: float
    diameter: float
    top: float = 0.0
    countersink: float = 0.0
    depth: float = 9.0

    @property
    def reach(self) -> float:
        """Radius within which the hole changes the surface, mm."""
        return max(self.diameter, self.countersink) / 2 + 1.0


@dataclass(frozen=True)
class Face:
    """The drawing of one face; ``draw`` puts all but the holes on a canvas."""

    name: str
    about: str
    holes: tuple[Hole, ...]
    draw: Callable[[Canvas], None]

    def on(self, grid: Grid, omit: int | None = None) -> Canvas:
        """Draw the face on a window of the grid; ``omit`` is the index of a hole that is left out."""
        canvas = Canvas(grid)
        canvas.plate()
        self.draw(canvas)
        for index, hole in enumerate(self.holes):
            if index != omit:
                canvas.hole(hole.x, hole.y, hole.diameter, hole.depth, hole.top, hole.countersink)
        return canvas


def _corners(x: float, y: float, diameter: float, **more: float) -> tuple[Hole, ...]:
    return tuple(Hole(sx * x, sy * y, diameter, **more) for sy in (1, -1) for sx in (-1, 1))


def _around(radius: float, count: int, diameter: float, start_deg: float, **more: float) -> tuple[Hole, ...]:
    angles = np.radians(start_deg + 360.0 * np.arange(count) / count)
    return tuple(Hole(float(radius * np.cos(a)), float(radius * np.sin(a)), diameter, **more) for a in angles)


def _front(c: Canvas) -> None:
    body = shapes.box(c.x, c.y, 58, 43, 8)
    c.blank(body, 0, CAST)
    c.finish(body + np.float32(1.2), MILLED)
    c.lay_straight(body, 12)
    pocket = np.maximum(shapes.box(c.x, c.y, 37, 33, 9), -shapes.circle(c.x, c.y, 0, 0, 24.5))
    c.cut(pocket, -4.5, chamfer=0.5)
    c.finish(pocket, CAST)
    hub = shapes.circle(c.x, c.y, 0, 0, 23)
    c.boss(hub, 1.2, chamfer=0.8)
    c.finish(hub + np.float32(0.8), TURNED)
    c.lay_round(hub, 0, 0)
    bore = shapes.circle(c.x, c.y, 0, 0, 13)
    c.cut(bore, -11, chamfer=1.6, top=1.2)
    c.finish(bore, ROUGH_WALL)
    step = shapes.band(shapes.circle(c.x, c.y, 0, 0, 18.5), 0.7)
    c.cut(step, 0.5, top=1.2)


def _back(c: Canvas) -> None:
    body = shapes.box(c.x, c.y, 58, 43, 10)
    c.blank(body, 0, CAST, chamfer=1.6)
    pocket = shapes.box(c.x, c.y, 51, 36, 9)
    c.cut(pocket, -6.5, chamfer=0.8, wall=3.2)
    for x, y in ((46, 32), (-46, 32), (46, -32), (-46, -32)):
        c.boss(shapes.stadium(c.x, c.y, 0, 0, x, y, 1.7), -1.2, chamfer=0.7, wall=3.0)
        c.boss(shapes.circle(c.x, c.y, x, y, 8.0), 0.6, chamfer=0.5)
        c.finish(shapes.circle(c.x, c.y, x, y, 7.4), MILLED)
        c.lay_round(shapes.circle(c.x, c.y, x, y, 7.6), x, y, offset=3 * x)
    c.boss(shapes.stadium(c.x, c.y, 0, -36, 0, 36, 1.5), -2.4, chamfer=0.7, wall=3.0)
    hub = shapes.circle(c.x, c.y, 0, 0, 14)
    c.boss(hub, 1.0, chamfer=0.8)
    c.finish(hub + np.float32(0.8), TURNED)
    c.lay_round(hub, 0, 0)


def _up(c: Canvas) -> None:
    body = shapes.box(c.x, c.y, 58, 40, 4)
    c.blank(body, 0, CAST, chamfer=1.8)
    c.finish(body + np.float32(1.8), MILLED)
    c.lay_straight(body, 0)
    for y in (13.5, -13.5):
        slot = shapes.stadium(c.x, c.y, -24, y, 24, y, 5.0)
        c.cut(slot, -5.5, chamfer=0.8)
        c.finish(slot - np.float32(0.8), TURNED)
        c.lay_straight(slot, 0, offset=31 + y)
        c.finish(slot, ROUGH_WALL)
    c.text("HN-204", -16, 30.5, 6.0, -0.35)
    c.text("B7", 31, 30.5, 6.0, -0.35)
    c.text("06.25", 0, -31, 4.2, -0.30, stroke=0.6)


def _down(c: Canvas) -> None:
    body = shapes.box(c.x, c.y, 56, 43, 14)
    c.blank(body, -3.0, CAST, chamfer=1.4)
    for x in (-1, 1):
        rib = shapes.stadium(c.x, c.y, x * 36, 0, x * 54, 0, 2.2)
        c.boss(rib, -0.6, chamfer=0.8, wall=2.5)
    flange = shapes.circle(c.x, c.y, 0, 0, 38)
    c.boss(flange, 0, chamfer=1.0)
    c.finish(flange + np.float32(1.0), TURNED)
    c.lay_round(flange, 0, 0)
    groove = shapes.band(shapes.circle(c.x, c.y, 0, 0, 21.5), 1.3)
    c.cut(groove, -1.6, chamfer=0.2)
    c.cut(shapes.circle(c.x, c.y, 0, 0, 17), -2.5, chamfer=0.4)
    bore = shapes.circle(c.x, c.y, 0, 0, 11.5)
    c.cut(bore, -11, chamfer=1.0, top=-2.5)
    c.finish(bore, ROUGH_WALL)


def _left(c: Canvas) -> None:
    body = shapes.box(c.x, c.y, 56, 42, 5)
    c.blank(body, 0, CAST, chamfer=2.2)
    for x in (-31, 31):
        boss = shapes.circle(c.x, c.y, x, -12, 14)
        c.boss(boss, 4.0, chamfer=0.8, wall=3.5)
        c.finish(boss + np.float32(0.8), TURNED)
        c.lay_round(boss, x, -12, offset=x)
        c.cut(shapes.circle(c.x, c.y, x, -12, 8.5), 2.8, chamfer=0.3, top=4.0)
    for x in (-8, 0, 8):
        c.boss(shapes.stadium(c.x, c.y, x, -34, x, 8, 1.6), 2.6, chamfer=0.8, wall=2.5)
    pad = shapes.box(c.x, c.y, 52, 6.5, 2.5, 0, 33)
    c.boss(pad, 1.2, chamfer=0.6)
    c.finish(pad + np.float32(0.6), MILLED)
    c.lay_straight(pad, 3)
    c.text("AlSi9  356", 0, 17, 7.5, 0.7, stroke=1.1)


def _right(c: Canvas) -> None:
    body = shapes.box(c.x, c.y, 58, 42, 12)
    c.blank(body, 0, CAST, chamfer=1.2)
    c.finish(body + np.float32(1.2), MILLED)
    c.lay_round(body, -96, -26)
    seal = shapes.band(shapes.box(c.x, c.y, 41, 25, 12), 1.9)
    c.cut(seal, -2.2, chamfer=0.3)
    port = shapes.stadium(c.x, c.y, -13, 0, 13, 0, 12)
    c.cut(port, -8.0, chamfer=2.4)
    c.finish(port, CAST)
    web = np.maximum(shapes.stadium(c.x, c.y, 0, -16, 0, 16, 1.8), port)
    c.boss(web, -2.6, chamfer=0.5)
    for x in (-31, 31):
        nut = shapes.hexagon(c.x, c.y, x, 0, 9.0)
        c.cut(nut, -3.5, chamfer=0.4)
        c.finish(nut, ROUGH_WALL)


_ALL = (
    Face(
        "back",
        "cast pocket, crossed ribs, turned hub, four screw bosses",
        (*_corners(46, 32, 5.2, top=0.6), Hole(0, 0, 11, top=1.0)),
        _back,
    ),
    Face(
        "down",
        "turned flange with seal groove and bolt circle on a cast body",
        (*_around(29.5, 6, 6.6, 30), *_corners(46.5, 33, 6.0, top=-3.0, countersink=9.0)),
        _down,
    ),
    Face(
        "front",
        "milled frame around a cast recess, turned hub with a through bore",
        (*_corners(47, 32, 6.6, countersink=12.5), Hole(-47, 0, 5.0), Hole(47, 0, 5.0)),
        _front,
    ),
    Face(
        "left",
        "raised cast lettering, two counterbored bosses, three ribs, a milled pad",
        (
            Hole(-31, -12, 8.0, top=2.8),
            Hole(31, -12, 8.0, top=2.8),
            Hole(-43, 33, 4.5, top=1.2),
            Hole(43, 33, 4.5, top=1.2),
        ),
        _left,
    ),
    Face(
        "right",
        "face-milled arcs, seal groove, port with a web, hexagonal nut pockets, bolt holes",
        (*_corners(49, 33, 6.6), Hole(0, 33.5, 6.6), Hole(0, -33.5, 6.6), Hole(-49.5, 0, 5.0), Hole(49.5, 0, 5.0)),
        _right,
    ),
    Face(
        "up",
        "straight-milled top with two slots, a row of tapped holes and stamped marks",
        (*tuple(Hole(x, 0.0, 5.0) for x in (-36.0, -18.0, 0.0, 18.0, 36.0)), *_corners(49, 31, 5.5, countersink=10.0)),
        _up,
    ),
)
FACES: dict[str, Face] = {face.name: face for face in _ALL}
"""By name, in MSC-AD's order."""


def face(name: str) -> Face:
    """The face of this name; InputError if there is none."""
    if name not in FACES:
        raise InputError(f"face {name!r} is unknown; choose from {', '.join(FACES)}")
    return FACES[name]
