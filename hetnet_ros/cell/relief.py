"""Where each pixel's ray meets the displaced surface: the base plane's homography plus the parallax of the height map.

A ray is followed down through the slab between the highest and the lowest surface in its reach, in steps of about two
texels sideways, until it is below the surface; bisection then finds the crossing.  So nearer walls hide what lies behind
them, and depth is that of the metal itself, dents included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hetnet_ros.cell.camera import PinholeCamera, Rigid
from hetnet_ros.cell.canvas import COLUMNS, HALF_X_MM, HALF_Y_MM, ROWS, TEXEL_MM

_STRIDE_MM = 0.35
_REFINEMENTS = 5
_COARSE = 8
_LEVEL_MM = 0.002
_BORDER = cv2.BORDER_REFLECT_101


@dataclass(frozen=True, eq=False)
class Hits:
    """Where the rays of an image meet the metal, float32 (height, width) each.

    column, row: texel coordinates.  x, y, z: face frame, mm.  depth: along the optical axis, mm (REP 118's z).
    eye: the camera's centre in the face frame, mm, (3,).  footprint: texels that one pixel spans at the image's centre.
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
        return _Rays(*(_strip(a.ravel()[where]) for a in (self.column, self.row, self.d_column, self.d_row)))


def sample(field: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Bilinear values of a texel map at texel coordinates; beyond the face the map is mirrored."""
    return cv2.remap(field, column, row, cv2.INTER_LINEAR, borderMode=_BORDER)


def intersect(height: np.ndarray, camera: PinholeCamera, optical_from_face: Rigid) -> Hits:
    """Trace every pixel's ray to the surface ``height`` (mm, float32 (ROWS, COLUMNS)).

    The camera must stand above the surface and look down on it.
    """
    face_from_optical = optical_from_face.inverse()
    eye, r = face_from_optical.translation, face_from_optical.rotation
    ray_x, ray_y = camera.rays()
    down = np.float32(r[2, 0]) * ray_x + np.float32(r[2, 1]) * ray_y + np.float32(r[2, 2])
    np.minimum(down, np.float32(-0.05), out=down)
    lean_x = (np.float32(r[0, 0]) * ray_x + np.float32(r[0, 1]) * ray_y + np.float32(r[0, 2])) / down
    lean_y = (np.float32(r[1, 0]) * ray_x + np.float32(r[1, 1]) * ray_y + np.float32(r[1, 2])) / down
    per_texel = np.float32(1 / TEXEL_MM)
    ex, ey, ez = (np.float32(v) for v in eye)
    rays = _Rays((ex - ez * lean_x + np.float32(HALF_X_MM)) * per_texel - np.float32(0.5),
                 (np.float32(HALF_Y_MM) - ey + ez * lean_y) * per_texel - np.float32(0.5),
                 lean_x * per_texel, -lean_y * per_texel)
    z = _solve(height, rays, float(np.sqrt(max((lean_x[::16, ::16] ** 2 + lean_y[::16, ::16] ** 2).max(), 0))))
    column, row = rays.at(z)
    along = (z - ez) / down
    span = camera.fx * float(np.median(r[2, 2])) / max(float(eye[2]), 1.0)
    return Hits(column, row, ex + (z - ez) * lean_x, ey + (z - ez) * lean_y, z, along, eye, 1 / abs(span) / TEXEL_MM)


def _solve(height: np.ndarray, rays: _Rays, steepest: float) -> np.ndarray:
    """Height at which each ray meets the surface."""
    low, high = _bounds(height, float(height.max() - height.min()) * steepest)
    scale = np.float32(1 / _COARSE)
    column, row = rays.column * scale, rays.row * scale
    bottom, top = (cv2.remap(b, column, row, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE) for b in (low, high))
    z = sample(height, *rays.at(top))
    # Where the surface is level all around, or where a ray enters the slab on its highest level, that height is the answer.
    where = np.flatnonzero((top - z > _LEVEL_MM).ravel())
    if len(where):
        found = _march(height, rays.pick(where), _strip(top.ravel()[where]), _strip(bottom.ravel()[where]), steepest)
        z.ravel()[where] = found.ravel()[:len(where)]
    return z


def _march(height: np.ndarray, rays: _Rays, top: np.ndarray, bottom: np.ndarray, steepest: float) -> np.ndarray:
    """First crossing between ``top`` and ``bottom``, for rays that are above the surface at ``top``."""
    steps = max(2, math.ceil(float((top - bottom).max()) * steepest / _STRIDE_MM))
    above, below = top.ravel().copy(), bottom.ravel().copy()
    going, active, start, stride = np.arange(top.size), rays, top, (top - bottom) / np.float32(steps)
    for step in range(1, steps):
        z = start - np.float32(step) * stride
        under = sample(height, *active.at(z)) >= z
        flat_under, flat_z = under.ravel()[:len(going)], z.ravel()[:len(going)]
        below[going[flat_under]] = flat_z[flat_under]
        onward = np.flatnonzero(~flat_under)
        above[going[onward]] = flat_z[onward]
        if not len(onward):
            break
        going = going[onward]
        active, start, stride = active.pick(onward), _strip(start.ravel()[onward]), _strip(stride.ravel()[onward])
    return _refine(height, rays, above.reshape(top.shape), below.reshape(top.shape))


def _refine(height: np.ndarray, rays: _Rays, above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Narrow each bracket by regula falsi in turn with bisection: the first is exact on planes, the second always works."""
    gap_above, gap_below = above - sample(height, *rays.at(above)), below - sample(height, *rays.at(below))
    for turn in range(_REFINEMENTS):
        share = gap_above / np.maximum(gap_above - gap_below, np.float32(1e-9))
        if turn % 2:
            share = np.float32(0.5)
        z = above + (below - above) * np.clip(share, 0, 1)
        gap = z - sample(height, *rays.at(z))
        under = gap <= 0
        np.copyto(below, z, where=under)
        np.copyto(gap_below, gap, where=under)
        np.logical_not(under, out=under)
        np.copyto(above, z, where=under)
        np.copyto(gap_above, gap, where=under)
    share = gap_above / np.maximum(gap_above - gap_below, np.float32(1e-9))
    return above + (below - above) * np.clip(share, 0, 1)


def _bounds(height: np.ndarray, reach_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest surface within ``reach_mm``, on a grid ``_COARSE`` times coarser."""
    block = np.ones((2 * _COARSE + 1, 2 * _COARSE + 1), np.uint8)
    low, high = (np.ascontiguousarray(f(height, block)[::_COARSE, ::_COARSE]) for f in (cv2.erode, cv2.dilate))
    radius = math.ceil(reach_mm / TEXEL_MM / _COARSE)
    reach = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    return cv2.erode(low, reach), cv2.dilate(high, reach)


def _strip(values: np.ndarray) -> np.ndarray:
    """A flat array as rows of 4096, padded with its last value: cv2.remap wants both sides under 32768."""
    padded = np.empty(-(-values.size // 4096) * 4096, values.dtype)
    padded[:values.size] = values
    padded[values.size:] = values[-1]
    return padded.reshape(-1, 4096)
