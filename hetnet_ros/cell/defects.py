"""Which defects there are, and where on a face each kind can occur.

A defect is given in the part's coordinates and millimetres, so it keeps its place and size on the metal whatever the
camera and the light do.  Sizes follow what inspection data sets show: about 1 to 4 percent of the image's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from hetnet_ros.cell import faces
from hetnet_ros.cell.canvas import HALF_X_MM, HALF_Y_MM, TEXEL_MM
from hetnet_ros.cell.nominal import nominal
from hetnet_ros.errors import InputError

SIZES_MM: dict[str, tuple[float, float]] = {
    "chip": (3.0, 6.0),
    "crack": (7.0, 16.0),
    "dent": (3.2, 6.5),
    "missing_hole": (0.0, 0.0),
    "pit": (2.2, 4.5),
    "scratch": (8.0, 22.0),
    "stain": (4.5, 9.0),
}
"""Kind of defect -> usual smallest and largest size in mm: the length of a scratch or crack, else the diameter.  A
missing hole has the size of the hole."""
KINDS: tuple[str, ...] = tuple(SIZES_MM)

_COARSE = 4


@dataclass(frozen=True)
class DefectSpec:
    """One defect: kind, centre in the face frame (mm), size (mm, see SIZES_MM), direction (degrees, counter-clockwise
    from +x), severity (0.2 to 1.5; 1 is plain to see: scales depth and contrast), seed of its irregular outline, and
    for a missing hole the hole's index in ``Face.holes``."""

    kind: str
    x: float = 0.0
    y: float = 0.0
    size_mm: float = 5.0
    angle_deg: float = 0.0
    severity: float = 1.0
    seed: int = 0
    hole: int = -1

    def __post_init__(self) -> None:
        if self.kind not in SIZES_MM:
            raise InputError(f"defect kind {self.kind!r} is unknown; choose from {', '.join(KINDS)}")
        if self.kind != "missing_hole" and not 0.5 <= self.size_mm <= 40:
            raise InputError(f"defect size {self.size_mm:g} mm is out of range; use 0.5 to 40")
        if not 0.2 <= self.severity <= 1.5:
            raise InputError(f"defect severity {self.severity:g} is out of range; use 0.2 to 1.5")
        if abs(self.x) > HALF_X_MM or abs(self.y) > HALF_Y_MM:
            raise InputError(
                f"defect centre ({self.x:g}, {self.y:g}) mm is off the face; use at most "
                f"{HALF_X_MM:g} and {HALF_Y_MM:g}"
            )


def missing_hole(face: str, hole: int) -> DefectSpec:
    """The defect "hole number ``hole`` of this face was never drilled"."""
    holes = faces.face(face).holes
    if not 0 <= hole < len(holes):
        raise InputError(f"face {face!r} has no hole {hole}; its holes are 0 to {len(holes) - 1}")
    where = holes[hole]
    return DefectSpec("missing_hole", where.x, where.y, 2 * where.reach - 2, hole=hole)


def random_defect(face: str, kind: str, rng: np.random.Generator, size_scale: float = 1.0) -> DefectSpec:
    """A defect of this kind of usual size at a place of the face where it can occur.

    Chips sit on outer edges, all else on the metal away from holes and walls.  ``size_scale`` multiplies the size.
    """
    if kind not in SIZES_MM:
        raise InputError(f"defect kind {kind!r} is unknown; choose from {', '.join(KINDS)}")
    if kind == "missing_hole":
        return missing_hole(face, int(rng.integers(len(faces.face(face).holes))))
    rows, columns = _places(face, kind == "chip")
    pick = int(rng.integers(len(rows)))
    row, column = (rows[pick] + rng.random()) * _COARSE, (columns[pick] + rng.random()) * _COARSE
    low, high = SIZES_MM[kind]
    return DefectSpec(
        kind,
        float(column * TEXEL_MM - HALF_X_MM),
        float(HALF_Y_MM - row * TEXEL_MM),
        float(np.clip(rng.uniform(low, high) * size_scale, 0.5, 40)),
        float(rng.uniform(0, 360)),
        float(rng.uniform(0.75, 1.1)),
        int(rng.integers(1 << 31)),
    )


@lru_cache(maxsize=12)
def _places(face: str, edges: bool) -> tuple[np.ndarray, np.ndarray]:
    """Coarse rows and columns where a chip (``edges``) or another defect can have its centre."""
    maps = nominal(face)
    height = cv2.resize(maps.height, None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=cv2.INTER_AREA)
    part = (
        cv2.resize(maps.part.astype(np.float32), (height.shape[1], height.shape[0]), interpolation=cv2.INTER_AREA)
        > 0.99
    )
    texel = TEXEL_MM * _COARSE
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    low, high = cv2.erode(height, reach), cv2.dilate(height, reach)
    if edges:
        # On top of an edge: the surface falls away at least 1.5 mm within two coarse texels, nothing near is higher.
        sites = part & (height - low > 1.5) & (high - height < 0.25)
    else:
        flat = (high - low < 0.45) & part
        room = cv2.distanceTransform(flat.astype(np.uint8), cv2.DIST_L2, 5) * texel
        sites = (room > 0.8) & (height > -6.8)
    rows, columns = np.nonzero(sites)
    return rows, columns
