"""One part's face as matter: its displaced heights and what each texel reflects, defects included.

The nominal face is shared; a part adds its own grain, tool marks, tone and defects.  ``altered`` is the ground truth:
it marks the texels whose shape or reflectance a defect has changed, and the image's mask is read from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hetnet_ros.cell import faces, grain
from hetnet_ros.cell.canvas import COLUMNS, ROWS
from hetnet_ros.cell.defects import DefectSpec
from hetnet_ros.cell.nominal import Nominal, nominal, without_hole
from hetnet_ros.cell.stamps import Layers, Stamp, stamp


@dataclass(frozen=True, eq=False)
class Surface:
    """One part's face, float32 maps.

    sound_height, height: (ROWS, COLUMNS) mm, without and with defects (the same array when there are none).
    optics: (ROWS, COLUMNS, 4): slope dz/dx, slope dz/dy, tone, roughness.  openness, tint: (ROWS, COLUMNS), as in
    Nominal.
    altered: (ROWS, COLUMNS), 1 where a defect changed anything, else 0.  stamps: one per defect, in order.
    """

    sound_height: np.ndarray
    height: np.ndarray
    optics: np.ndarray
    openness: np.ndarray
    tint: np.ndarray
    altered: np.ndarray
    stamps: tuple[Stamp, ...]


def build(name: str, defects: Sequence[DefectSpec], seed: int) -> Surface:
    """The face of the part with this seed.  The same seed gives the same grain with and without defects."""
    sound = shape = nominal(name)
    for spec in defects:
        if spec.kind == "missing_hole":
            shape = without_hole(shape, faces.face(name), spec.hole)
    optics = _on_its_plate(name).copy()
    window = _part_window(name)
    _finish(shape, window, np.random.default_rng((seed, 1)), optics)
    altered = np.zeros_like(sound.height)
    if not defects:
        return Surface(sound.height, sound.height, optics, shape.openness, shape.tint, altered, ())
    layers = Layers(shape.height.copy(), optics, shape.openness.copy(), shape.tint.copy(), altered)
    stamps = tuple(stamp(layers, sound, spec) for spec in defects)
    return Surface(sound.height, layers.height, optics, layers.openness, layers.tint, altered, stamps)


@lru_cache(maxsize=2)
def _on_its_plate(name: str) -> np.ndarray:
    """The optics of the whole face; what a part leaves of it is the plate, which is always the same."""
    optics = np.empty((ROWS, COLUMNS, 4), np.float32)
    _finish(nominal(name), np.s_[:, :], np.random.default_rng(1), optics)
    optics.flags.writeable = False
    return optics


@lru_cache(maxsize=8)
def _part_window(name: str) -> tuple[slice, slice]:
    rows, columns = np.nonzero(nominal(name).part)
    return np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _finish(shape: Nominal, window: tuple[slice, slice], rng: np.random.Generator, optics: np.ndarray) -> None:
    """Give the texels of a window their grain, tool marks, tone and gloss, written into ``optics``."""
    cast, marks = grain.cast_grain(rng, window), grain.tool_marks(rng)
    tone_gain, polish = np.float32(rng.uniform(0.94, 1.06)), np.float32(rng.uniform(0.90, 1.12))
    index = shape.lay_index[window] + int(rng.integers(0, len(marks.slope)))
    np.bitwise_and(index, len(marks.slope) - 1, out=index)
    # The cutter does not press evenly: the marks fade in and out over the face.
    press = shape.marks[window] * np.clip(1 + 0.35 * cast.blotch, 0.2, 1.8)
    across = marks.slope.take(index) * press
    grainy = shape.cast[window]
    tone = marks.tone.take(index)
    tone *= press
    tone += cast.tone * grainy
    tone += 0.02 * cast.blotch
    tone += 1
    tone *= shape.tone[window]
    tone *= tone_gain
    target = optics[window]
    target[..., 0] = shape.slope_x[window] + cast.slope_x * grainy + across * shape.lay_x[window]
    target[..., 1] = shape.slope_y[window] + cast.slope_y * grainy + across * shape.lay_y[window]
    target[..., 2] = np.maximum(tone, 0.01)
    target[..., 3] = shape.roughness[window] * (polish * (1 + 0.06 * cast.blotch))
