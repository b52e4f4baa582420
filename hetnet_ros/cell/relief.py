"""Where each pixel's ray meets the displaced surface: the base plane's homography plus the height map's parallax.

A ray is followed down from the highest surface in its reach: at once while nothing as high is around it, else in
steps of about two texels sideways, until it is below the surface; then the crossing is narrowed down.  So nearer
walls hide what lies behind them, and depth is that of the metal itself, dents included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hetnet_ros.cell.camera import PinholeCamera, Rigid
from hetnet_ros.cell.canvas import HALF_X_MM, HALF_Y_MM, TEXEL_MM

_STRIDE_MM = 0.45
_SKIP_MM = 2.0
_REFINEMENTS = 7
_COARSE = 4
_LEVEL_MM = 0.002
_BORDER = cv2.BORDER_REPLICATE


@dataclass(frozen=True, eq=False)
class Hits:
    """Where the rays of an image meet the metal, float32 (height, width) each.

    column, row: texel coordinates.  x, y, z: face frame, mm.  depth: along the optical axis, mm (REP 118's z).
    eye: the camera's centre in the face frame, mm, (3,).  footprint: texels that one pixel spans at the image's
    centre.
    """

    column: np.ndarray
    row: np.ndarray
    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    depth: np.ndarray
    eye: np.ndarray
    footprint: float


@dataclass(frozen=True, eq=False)
class _Rays:
    """Rays by height: texel coordinates at height z are (column + z * d_column, row + z * d_row)."""

    column: np.ndarray
    row: np.ndarray
    d_column: np.ndarray
    d_row: np.ndarray

    def at(self, z) -> tuple[np.ndarray, np.ndarray]:
        return self.column + z * self.d_column, self.row + z * self.d_row

    def pick(self, where: np.ndarray) -> _Rays:
        return _Rays(*(_strip(a.ravel().take(where)) for a in (self.column, self.row, self.d_column, self.d_row)))


def sample(field: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Bilinear values of a texel map at texel coordinates; beyond the face the plate goes on."""
    return cv2.remap(field, column, row, cv2.INTER_LINEAR, borderMode=_BORDER)


def intersect(
    height: np.ndarray, camera: PinholeCamera, optical_from_face: Rigid, window: tuple[slice, slice] = np.s_[:, :]
) -> Hits:
    """Trace every pixel's ray to the surface ``height`` (mm, float32 (ROWS, COLUMNS)); ``window`` picks a part of the
    pixels.

    The camera must stand above the surface and look down on it.
    """
    face_from_optical = optical_from_face.inverse()
    eye, r = face_from_optical.translation, face_from_optical.rotation
    ray_x, ray_y = (field[window] for field in camera.rays())
    down = np.float32(r[2, 0]) * ray_x + np.float32(r[2, 1]) * ray_y + np.float32(r[2, 2])
    np.minimum(down, np.float32(-0.05), out=down)
    lean_x = (np.float32(r[0, 0]) * ray_x + np.float32(r[0, 1]) * ray_y + np.float32(r[0, 2])) / down
    lean_y = (np.float32(r[1, 0]) * ray_x + np.float32(r[1, 1]) * ray_y + np.float32(r[1, 2])) / down
    per_texel = np.float32(1 / TEXEL_MM)
    ex, ey, ez = (np.float32(v) for v in eye)
    rays = _Rays(
        (ex - ez * lean_x + np.float32(HALF_X_MM)) * per_texel - np.float32(0.5),
        (np.float32(HALF_Y_MM) - ey + ez * lean_y) * per_texel - np.float32(0.5),
        lean_x * per_texel,
        -lean_y * per_texel,
    )
    footprint = abs(float(eye[2] / r[2, 2])) / camera.fx / TEXEL_MM
    z = _solve(height, rays, float(np.sqrt((lean_x[::8, ::8] ** 2 + lean_y[::8, ::8] ** 2).max())), footprint < 2.5)
    column, row = rays.at(z)
    drop = z - ez
    return Hits(column, row, ex + drop * lean_x, ey + drop * lean_y, z, drop / down, eye, footprint)


def _solve(height: np.ndarray, rays: _Rays, steepest: float, dense: bool) -> np.ndarray:
    """Height at which each ray meets the surface.

    ``dense`` rays (neighbours closer than anything on a face is thin) save time: every second one of every second row
    is followed from the highest place in reach, then all of them from the highest hit of their neighbours.
    """
    blocks = cv2.dilate(height, np.ones((2 * _COARSE + 1,) * 2, np.uint8))[::_COARSE, ::_COARSE]
    around = _highest(blocks, _SKIP_MM)
    reach = _highest(blocks, float(height.max() - height.min()) * steepest)
    if not dense:
        return _descend(height, around, reach, rays, _coarse(reach, *rays.at(np.float32(0))), steepest)
    few = _Rays(*(np.ascontiguousarray(a[::2, ::2]) for a in (rays.column, rays.row, rays.d_column, rays.d_row)))
    first = _descend(height, around, reach, few, _coarse(reach, *few.at(np.float32(0))), steepest)
    rows, columns = rays.column.shape
    near = cv2.resize(
        cv2.dilate(first, np.ones((3, 3), np.uint8)),
        (first.shape[1] * 2, first.shape[0] * 2),
        interpolation=cv2.INTER_NEAREST,
    )[:rows, :columns]
    return _descend(height, around, reach, rays, near, steepest)


def _descend(
    height: np.ndarray, around: np.ndarray, reach: np.ndarray, rays: _Rays, top: np.ndarray, steepest: float
) -> np.ndarray:
    """First crossing below ``top``, or below the highest place in ``reach`` for rays that are inside the metal at
    ``top``."""
    z = sample(height, *rays.at(top))
    # Where the surface is level all around, and where a ray starts on the highest level, that height is the answer.
    where = np.flatnonzero((np.abs(top - z) > _LEVEL_MM).ravel())
    if len(where):
        left, start = rays.pick(where), _strip(top.ravel().take(where))
        inside = start < _strip(z.ravel().take(where))
        start = np.where(inside, _coarse(reach, *left.at(np.float32(0))), start)
        found = _march(height, around, left, start, max(steepest, 0.02))
        z.ravel()[where] = found.ravel()[: len(where)]
    return z


def _march(height: np.ndarray, around: np.ndarray, rays: _Rays, top: np.ndarray, steepest: float) -> np.ndarray:
    """First crossing below ``top``, for rays above the surface there.  While a ray is above all that is ``around``
    it, it drops at once; else it descends in small steps."""
    above, below = top.ravel().copy(), np.empty(top.size, np.float32)
    going, active, start = np.arange(top.size), rays, top
    drop, leap = np.float32(_STRIDE_MM / steepest), np.float32(_SKIP_MM / steepest)
    while len(going):
        z = start - np.clip(start - _coarse(around, *active.at(start)) + np.float32(_LEVEL_MM), drop, leap)
        under = (sample(height, *active.at(z)) >= z).ravel()[: len(going)]
        flat = z.ravel()[: len(going)]
        down = np.flatnonzero(under)
        below[going.take(down)] = flat.take(down)
        onward = np.flatnonzero(~under)
        going = going.take(onward)
        if len(going):
            above[going] = flat.take(onward)
            active, start = active.pick(onward), _strip(flat.take(onward))
    above, below = above.reshape(top.shape), below.reshape(top.shape)
    z = sample(height, *rays.at(below))
    loose = np.flatnonzero((np.abs(sample(height, *rays.at(z)) - z) > np.float32(1e-4)).ravel())
    if len(loose):
        fine = _refine(height, rays.pick(loose), _strip(above.ravel()[loose]), _strip(below.ravel()[loose]))
        z.ravel()[loose] = fine.ravel()[: len(loose)]
    return z


def _highest(blocks: np.ndarray, reach_mm: float) -> np.ndarray:
    """Highest surface within ``reach_mm`` sideways, on the coarse grid."""
    radius = math.ceil(reach_mm / TEXEL_MM / _COARSE)
    return cv2.dilate(blocks, np.ones((2 * radius + 1,) * 2, np.uint8))


def _coarse(field: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    scale = np.float32(1 / _COARSE)
    return cv2.remap(field, column * scale, row * scale, cv2.INTER_NEAREST, borderMode=_BORDER)


def _refine(height: np.ndarray, rays: _Rays, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Narrow each bracket by regula falsi in turn with bisection: the first is exact on planes, the second always
    works."""
    gap_above, gap_below = above - sample(height, *rays.at(above)), below - sample(height, *rays.at(below))
    for turn in range(_REFINEMENTS):
        share = gap_above / np.maximum(gap_above - gap_below, np.float32(1e-9))
        if turn % 2:
            share = np.float32(0.5)
        z = above + (below - above) * np.clip(share, 0, 1)
        gap = z - sample(height, *rays.at(z))
        under = (gap <= 0).astype(np.float32)
        # Blending by 0 and 1 is ten times faster than a masked copy.
        for bound, new, weight in (
            (below, z, under),
            (gap_below, gap, under),
            (above, z, 1 - under),
            (gap_above, gap, 1 - under),
        ):
            bound += weight * (new - bound)
    share = gap_above / np.maximum(gap_above - gap_below, np.float32(1e-9))
    return above + (below - above) * np.clip(share, 0, 1)


def _strip(values: np.ndarray) -> np.ndarray:
    """A flat array as rows of 4096, padded with its last value: cv2.remap wants both sides under 32768."""
    padded = np.empty(-(-values.size // 4096) * 4096, values.dtype)
    padded[: values.size] = values
    padded[values.size :] = values[-1]
    return padded.reshape(-1, 4096)
