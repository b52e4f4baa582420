"""One part's face as matter: its displaced heights and what each texel reflects, defects included.

The nominal face is shared; a part adds its own grain, tool marks, tone and defects.  ``altered`` is the ground truth: it
marks the texels whose shape or reflectance a defect has changed, and the image's mask is read from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetnet_ros.cell import faces, grain
from hetnet_ros.cell.defects import DefectSpec
from hetnet_ros.cell.nominal import nominal, without_hole
from hetnet_ros.cell.stamps import Layers, Stamp, stamp


@dataclass(frozen=True, eq=False)
class Surface:
    """One part's face, float32 maps.

    sound_height, height: (ROWS, COLUMNS) mm, without and with defects (the same array when there are none).
    optics: (ROWS, COLUMNS, 4): slope dz/dx, slope dz/dy, tone, roughness.  openness, tint: (ROWS, COLUMNS), as in Nominal.
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
    rng = np.random.default_rng((seed, 1))
    cast, marks = grain.cast_grain(rng), grain.tool_marks(rng)
    tone_gain, polish = np.float32(rng.uniform(0.94, 1.06)), np.float32(rng.uniform(0.90, 1.12))
    index = shape.lay_index + int(rng.integers(0, len(marks.slope)))
    np.bitwise_and(index, len(marks.slope) - 1, out=index)
    # The cutter does not press evenly: the marks fade in and out over the face.
    press = shape.marks * np.clip(1 + 0.35 * cast.blotch, 0.2, 1.8)
    across = marks.slope.take(index) * press
    tone = marks.tone.take(index)
    tone *= press
    tone += cast.tone * shape.cast
    tone += 0.02 * cast.blotch
    tone += 1
    tone *= shape.tone
    tone *= tone_gain
    optics = np.empty((*tone.shape, 4), np.float32)
    optics[..., 0] = shape.slope_x + cast.slope_x * shape.cast + across * shape.lay_x
    optics[..., 1] = shape.slope_y + cast.slope_y * shape.cast + across * shape.lay_y
    optics[..., 2] = np.maximum(tone, 0.01)
    optics[..., 3] = shape.roughness * (polish * (1 + 0.06 * cast.blotch))
    altered = np.zeros_like(tone)
    if not defects:
        return Surface(sound.height, sound.height, optics, shape.openness, shape.tint, altered, ())
    layers = Layers(shape.height.copy(), optics, shape.openness.copy(), shape.tint.copy(), altered)
    stamps = tuple(stamp(layers, sound, spec) for spec in defects)
    return Surface(sound.height, layers.height, optics, layers.openness, layers.tint, altered, stamps)
