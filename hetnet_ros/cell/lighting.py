"""What light each pixel sends to the camera: a lamp, a ring light and the surroundings on bare metal.

Metal shows mostly what it mirrors.  Each light is a spherical Gaussian lobe around the mirrored view, as wide as the
lamp and the roughness together (after Wang et al., "All-frequency rendering with dynamic, spatially-varying
reflectance", 2009); the surroundings are a small table over mirrored directions.  Walls throw soft shadows over what
lies below them.
"""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from hetnet_ros.cell.camera import Rigid
from hetnet_ros.cell.canvas import COLUMNS, ROWS, TEXEL_MM
from hetnet_ros.cell.conditions import Conditions
from hetnet_ros.cell.relief import Hits, sample
from hetnet_ros.cell.surface import Surface

_RING_RADIUS_MM = 70.0
_RING_SPREAD = 0.03
_AMBIENT_RGB = (0.95, 1.0, 1.06)
_RUST_RGB = (0.92, 0.62, 0.40)
_ANODISED_RGB = (0.80, 0.93, 1.12)
_SHADOW_STEP = 3
_ENV_SIDE = 96


def radiance(surface: Surface, hits: Hits, conditions: Conditions, cell_from_face: Rigid) -> np.ndarray:
    """Linear RGB, float32 (height, width, 3), 1.0 about the brightest matt white; before lens and sensor."""
    slope_x, slope_y, tone, roughness = cv2.split(sample(surface.optics, hits.column, hits.row))
    openness = sample(surface.openness, hits.column, hits.row)
    nz = slope_x * slope_x
    nz += slope_y * slope_y
    nz += 1
    np.sqrt(nz, out=nz)
    np.divide(-1, nz, out=nz)
    nx, ny = np.multiply(slope_x, nz, out=slope_x), np.multiply(slope_y, nz, out=slope_y)
    np.negative(nz, out=nz)

    view, _ = _towards(hits.eye, hits)
    lamp_at = cell_from_face.inverse().apply(_lamp_place(conditions))
    lamp, nearness = _towards(lamp_at, hits)
    between = _grown(sum(v * w for v, w in zip(view, lamp)), hits)
    nearness = _grown(np.square(nearness * conditions.key_distance_mm) * conditions.key, hits)
    vx, vy, vz = (_grown(v, hits) for v in view)
    facing = _dot(nx, ny, nz, vx, vy, vz)
    np.maximum(facing, np.float32(0.02), out=facing)
    across = _dot(nx, ny, nz, *(_grown(w, hits) for w in lamp))

    gloss = np.square(roughness)
    gloss *= np.float32(1.7)
    np.square(gloss, out=gloss)
    matt = roughness * np.float32(0.28)
    matt += np.float32(0.05)

    # The mirrored view is 2 (n.v) n - v; its product with a direction d is therefore 2 (n.v)(n.d) - v.d.
    mirrored = facing * across
    mirrored *= 2
    mirrored -= between
    mirrored -= 1
    lit = _lobe(mirrored, gloss + np.float32(math.radians(conditions.key_size_deg) ** 2))
    np.maximum(across, 0, out=across)
    across *= matt
    lit += across
    lit *= nearness
    lit *= sample(relief_light(surface, lamp_at), hits.column, hits.row)
    lit += _ring(facing, gloss, matt, float(hits.eye[2])) * openness * np.float32(conditions.ring)
    lit *= tone

    facing *= _ENV_SIDE - 1
    nx *= facing
    nx += (1 - vx) * np.float32((_ENV_SIDE - 1) / 2)
    ny *= facing
    ny += (1 - vy) * np.float32((_ENV_SIDE - 1) / 2)
    sharp, dull = cv2.split(cv2.remap(_surroundings(), nx, ny, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    dull -= sharp
    roughness -= np.float32(0.2)
    roughness *= np.float32(2.2)
    np.clip(roughness, 0, 1, out=roughness)
    dull *= roughness
    sharp += dull
    openness *= np.float32(conditions.ambient)
    sharp *= openness
    sharp *= tone
    return _coloured(lit, sharp, sample(surface.tint, hits.column, hits.row), conditions.key_kelvin)


def relief_light(surface: Surface, lamp_at: np.ndarray) -> np.ndarray:
    """Share of the lamp's light that passes the walls, 0 to 1, float32 (ROWS, COLUMNS).

    A defect's own shadow stays on the metal it altered, so that ground truth remains exact.
    """
    light = _walls(surface.sound_height, lamp_at)
    if surface.height is not surface.sound_height:
        light += (_walls(surface.height, lamp_at) - light) * surface.altered
    return light


def _walls(height: np.ndarray, lamp_at: np.ndarray) -> np.ndarray:
    """Shadows of the height map under light from far away: does any place towards the lamp stand above the line to
    it?"""
    small = cv2.resize(height, (COLUMNS // _SHADOW_STEP, ROWS // _SHADOW_STEP), interpolation=cv2.INTER_AREA)
    flat = math.hypot(lamp_at[0], lamp_at[1])
    rise = lamp_at[2] / max(flat, 1e-3)
    step = TEXEL_MM * _SHADOW_STEP
    reach = min(float(small.max() - small.min()) / rise, 40.0)
    covered = np.full(small.shape, -9.0, np.float32)
    count = 12
    for k in range(1, count + 1):
        far = reach * (k / count) ** 1.5
        dx, dy = round(far * lamp_at[0] / max(flat, 1e-3) / step), round(-far * lamp_at[1] / max(flat, 1e-3) / step)
        here, there = _overlap(small.shape, dy, dx)
        over = (small[there] - small[here] - np.float32(far * rise)) * np.float32(1 / (0.25 + 0.10 * far))
        np.maximum(covered[here], over, out=covered[here])
    light = 1 - np.clip(covered * np.float32(0.8) + np.float32(0.1), 0, np.float32(0.9))
    light = cv2.GaussianBlur(light, (0, 0), 1.0)
    return cv2.resize(light, (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR)


def _overlap(shape: tuple[int, int], down: int, right: int):
    """Slices of an array, and of the array moved by (down, right), where both exist."""
    here, there = [], []
    for size, move in zip(shape, (down, right)):
        here.append(slice(max(0, -move), min(size, size - move)))
        there.append(slice(max(0, move), min(size, size + move)))
    return tuple(here), tuple(there)


def _lamp_place(conditions: Conditions) -> np.ndarray:
    azimuth, elevation = math.radians(conditions.key_azimuth_deg), math.radians(conditions.key_elevation_deg)
    return conditions.key_distance_mm * np.array(
        [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    )


def _towards(place: np.ndarray, hits: Hits) -> tuple[list[np.ndarray], np.ndarray]:
    """Unit vectors from the surface to a place, and one over the distance in mm, for every eighth pixel each way:
    from far away both vary too slowly to need more."""
    dx, dy, dz = (
        np.float32(p) - cv2.resize(a, _few(a), interpolation=cv2.INTER_AREA)
        for p, a in zip(place, (hits.x, hits.y, hits.z))
    )
    inverse = 1 / np.sqrt(dx * dx + dy * dy + dz * dz)
    return [dx * inverse, dy * inverse, dz * inverse], inverse


def _few(field: np.ndarray) -> tuple[int, int]:
    return max(2, field.shape[1] // 8), max(2, field.shape[0] // 8)


def _grown(few: np.ndarray, hits: Hits) -> np.ndarray:
    return cv2.resize(few.astype(np.float32), hits.x.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _dot(ax, ay, az, bx, by, bz) -> np.ndarray:
    total = ax * bx
    total += ay * by
    total += az * bz
    return total


def _lobe(cosine_less_one: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Spherical Gaussian of unit integral; ``spread`` is its angular variance, rad^2.  Overwrites both."""
    cosine_less_one /= spread
    spread *= np.float32(2 * math.pi)
    lobe = cv2.exp(cosine_less_one)
    lobe /= spread
    return lobe


def _ring(facing: np.ndarray, gloss: np.ndarray, matt: np.ndarray, distance: float) -> np.ndarray:
    """Light of a ring around the lens: a lobe on the cone of directions that mirror the ring into the lens."""
    off = np.square(facing)
    np.subtract(1, off, out=off)
    np.sqrt(np.maximum(off, 0, out=off), out=off)
    off *= 2
    off -= np.float32(_RING_RADIUS_MM / max(distance, 1.0))
    np.square(off, out=off)
    off *= np.float32(-0.5)
    lobe = _lobe(off, gloss + np.float32(_RING_SPREAD))
    lobe += matt * facing
    return lobe


@lru_cache(maxsize=1)
def _surroundings() -> np.ndarray:
    """Radiance of the hall by mirrored direction (x, y), float32 (side, side, 2): for polished and for rough metal."""
    axis = np.linspace(-1, 1, _ENV_SIDE, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    z = np.sqrt(np.clip(1 - x * x - y * y, 0, 1))
    hall = 0.20 + 0.35 * z + 0.10 * x
    strip = np.exp(-0.5 * (((x * 0.9 + y * 0.44 - 0.42) / 0.10) ** 2 + ((y * 0.9 - x * 0.44) / 0.55) ** 4))
    window = np.exp(-0.5 * (((x + 0.62) / 0.16) ** 2 + ((y + 0.35) / 0.22) ** 2))
    arm = np.exp(-0.5 * ((x - 0.05) ** 2 + (y + 0.10) ** 2) / 0.12**2)
    sharp = (hall + 1.1 * strip + 0.7 * window) * (1 - 0.35 * arm)
    dull = cv2.GaussianBlur(sharp, (0, 0), _ENV_SIDE * 0.16)
    return np.ascontiguousarray(np.stack([cv2.GaussianBlur(sharp, (0, 0), 2.0), dull], -1), np.float32)


def _coloured(lit: np.ndarray, soft: np.ndarray, tint: np.ndarray, kelvin: float) -> np.ndarray:
    rust, blue = np.maximum(tint, 0), np.maximum(-tint, 0)
    warm = (kelvin - 5200.0) / 5200.0
    lamp_rgb = (1.02 - 0.45 * warm, 1.0, 0.96 + 0.75 * warm)
    planes = []
    for lamp, hall, rusty, black in zip(lamp_rgb, _AMBIENT_RGB, _RUST_RGB, _ANODISED_RGB):
        plane = lit * np.float32(lamp) + soft * np.float32(hall)
        plane *= 1 + rust * np.float32(rusty - 1) + blue * np.float32(black - 1)
        planes.append(plane)
    return cv2.merge(planes)
