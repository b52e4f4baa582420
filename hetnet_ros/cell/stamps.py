"""What each kind of defect does to the metal: the height it takes or gives, and how it changes tone, gloss and
colour.

Every effect is cut off sharply at the defect's support, and the support is what ``altered`` records, so the ground
truth is exact by construction: outside it no value of the surface changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from hetnet_ros.cell.canvas import TEXEL_MM, Grid
from hetnet_ros.cell.defects import DefectSpec
from hetnet_ros.cell.nominal import Nominal


@dataclass(frozen=True, eq=False)
class Layers:
    """The writable maps of one part's surface; see :class:`~hetnet_ros.cell.surface.Surface`."""

    height: np.ndarray
    optics: np.ndarray
    openness: np.ndarray
    tint: np.ndarray
    altered: np.ndarray


@dataclass(frozen=True)
class Stamp:
    """What one defect changed, in the face frame.

    centre: mm, the centroid of the altered texels, on the surface as it is with the defect.  normal: unit vector out
    of the metal, of the sound surface, averaged over the altered texels.  extent: smallest and largest x and y, mm.
    depth: largest displacement, mm (negative into the metal).  area: altered area seen along the face's normal, mm^2.
    """

    spec: DefectSpec
    centre: tuple[float, float, float]
    normal: tuple[float, float, float]
    extent: tuple[float, float, float, float]
    depth: float
    area: float


@dataclass(frozen=True, eq=False)
class Effect:
    """What a defect does on its window, float32 (rows, columns) or scalars: ``support`` (bool) bounds all of it.

    rise: added height, mm.  grain: factor on the grain's slopes.  tone, openness: factors.  roughness, tint: new
    value where ``blend`` is 1, the old one where it is 0.
    """

    support: np.ndarray
    rise: np.ndarray | float = 0.0
    grain: np.ndarray | float = 1.0
    tone: np.ndarray | float = 1.0
    openness: np.ndarray | float = 1.0
    roughness: np.ndarray | float = 0.5
    tint: np.ndarray | float = 0.0
    blend: np.ndarray | float = 0.0


@dataclass(frozen=True, eq=False)
class _Site:
    """A window turned to a defect: ``along`` and ``across`` in mm from its centre, the sound heights, a random
    source."""

    along: np.ndarray
    across: np.ndarray
    height: np.ndarray
    size: float
    severity: float
    rng: np.random.Generator

    @property
    def radius(self) -> np.ndarray:
        return np.hypot(self.along, self.across)

    def blob(self, ragged: float, lobes_mm: float, aspect: float = 1.0) -> np.ndarray:
        """Signed distance-like field of an irregular patch of the site's size, mm, negative inside."""
        noise = self.noise(lobes_mm)
        return np.hypot(self.along / math.sqrt(aspect), self.across * math.sqrt(aspect)) - self.size / 2 * (
            1 + ragged * noise
        )

    def noise(self, sigma_mm: float) -> np.ndarray:
        field = self.rng.standard_normal(self.along.shape, dtype=np.float32)
        field = cv2.GaussianBlur(field, (0, 0), max(0.6, sigma_mm / TEXEL_MM))
        return field / max(float(field.std()), 1e-6)


def stamp(layers: Layers, sound: Nominal, spec: DefectSpec) -> Stamp:
    """Write one defect into the maps; ``sound`` is the nominal face.  A missing hole is in the maps already."""
    if spec.kind == "missing_hole":
        return _record(layers, sound, spec, _filled(layers, sound, spec))
    window = Grid().around(spec.x, spec.y, spec.size_mm * 0.75 + 2.0)
    c, s = math.cos(math.radians(spec.angle_deg)), math.sin(math.radians(spec.angle_deg))
    x, y = window.x - np.float32(spec.x), window.y - np.float32(spec.y)
    cut = window.slices
    site = _Site(
        x * np.float32(c) + y * np.float32(s),
        y * np.float32(c) - x * np.float32(s),
        sound.height[cut],
        spec.size_mm,
        spec.severity,
        np.random.default_rng((spec.seed, 7)),
    )
    effect = _EFFECTS[spec.kind](site)
    support = effect.support & sound.part[cut]
    rise = np.where(support, effect.rise, 0).astype(np.float32)
    down, right = np.gradient(rise, TEXEL_MM)
    optics = layers.optics[cut]
    for axis, (nominal_slope, added) in enumerate(((sound.slope_x[cut], right), (sound.slope_y[cut], -down))):
        grain = (optics[..., axis] - nominal_slope) * np.where(support, effect.grain, 1)
        optics[..., axis] = nominal_slope + grain + np.where(support, added, 0)
    blend = np.where(support, effect.blend, 0).astype(np.float32)
    optics[..., 2] *= np.where(support, effect.tone, 1)
    optics[..., 3] += blend * (effect.roughness - optics[..., 3])
    layers.tint[cut] += blend * (effect.tint - layers.tint[cut])
    layers.openness[cut] *= np.where(support, effect.openness, 1)
    layers.height[cut] += rise
    np.maximum(layers.altered[cut], support, out=layers.altered[cut])
    whole = np.zeros_like(sound.part)
    whole[cut] = support
    return _record(layers, sound, spec, whole)


def _filled(layers: Layers, sound: Nominal, spec: DefectSpec) -> np.ndarray:
    """Where the surface differs because a hole was left out."""
    window = Grid().around(spec.x, spec.y, spec.size_mm / 2 + 1.0).slices
    support = np.zeros_like(sound.part)
    support[window] = np.abs(layers.height[window] - sound.height[window]) > 0.01
    layers.altered[support] = 1
    return support


def _record(layers: Layers, sound: Nominal, spec: DefectSpec, support: np.ndarray) -> Stamp:
    rows, columns = np.nonzero(support)
    if not len(rows):
        at = Grid().around(spec.x, spec.y, TEXEL_MM)
        return Stamp(
            spec,
            (spec.x, spec.y, float(sound.height[at.row, at.column])),
            (0.0, 0.0, 1.0),
            (spec.x, spec.x, spec.y, spec.y),
            0.0,
            0.0,
        )
    x, y = Grid().x[0, columns], Grid().y[rows, 0]
    centre_row, centre_column = int(round(rows.mean())), int(round(columns.mean()))
    slopes = (
        np.array([0.0, 0.0])
        if spec.kind == "missing_hole"
        else np.array([sound.slope_x[rows, columns].mean(), sound.slope_y[rows, columns].mean()], np.float64)
    )
    normal = np.array([-slopes[0], -slopes[1], 1.0])
    normal /= np.linalg.norm(normal)
    change = layers.height[rows, columns] - sound.height[rows, columns]
    return Stamp(
        spec,
        (float(x.mean()), float(y.mean()), float(layers.height[centre_row, centre_column])),
        tuple(float(v) for v in normal),
        (float(x.min()), float(x.max()), float(y.min()), float(y.max())),
        float(change[np.abs(change).argmax()]),
        float(len(rows) * TEXEL_MM**2),
    )


def _scratch(site: _Site) -> Effect:
    half = site.size / 2
    bend, wobble = site.rng.uniform(-0.10, 0.10) * half, site.rng.uniform(0.0, 0.12)
    path = bend * (site.along / half) ** 2 - bend / 3 + wobble * np.sin(site.along * 1.3 + site.rng.uniform(0, 6))
    width = site.rng.uniform(0.17, 0.30)
    taper = np.sqrt(np.clip(1 - (np.abs(site.along) / half) ** 3, 0, 1))
    skip = np.clip(1.15 + 0.25 * site.noise(1.2), 0.3, 1.2)
    off = np.abs(site.across - path)
    support = (off < width * 2.0 * taper) & (taper > 0.05)
    groove = np.exp(-0.5 * (off / (width * 0.75)) ** 2)
    lip = np.exp(-0.5 * ((off - 1.5 * width) / (0.4 * width)) ** 2)
    deep = site.rng.uniform(0.09, 0.14) * site.severity * taper * skip
    return Effect(
        support,
        rise=deep * (0.35 * lip - groove),
        grain=1 - 0.8 * groove,
        tone=1 + 0.55 * site.severity * groove * skip,
        roughness=0.24,
        blend=0.8 * groove,
    )


def _crack(site: _Site) -> Effect:
    half = site.size / 2
    knots = max(6, int(site.size / 0.8))
    walk = np.cumsum(site.rng.normal(0, 0.30, knots))
    walk -= np.linspace(walk[0], walk[-1], knots) * 0.8 + 0.2 * walk.mean()
    path = np.interp(site.along, np.linspace(-half, half, knots), walk).astype(np.float32)
    width = site.rng.uniform(0.12, 0.19) * (0.8 + 0.2 * site.severity)
    taper = np.clip(1.15 - (np.abs(site.along) / half) ** 2, 0, 1)
    off = np.abs(site.across - path) / np.maximum(width * taper, 1e-3)
    off[np.abs(site.along) > half] = 99
    fork, lean = site.rng.uniform(-0.5, 0.5) * half, site.rng.choice([-1, 1]) * site.rng.uniform(0.5, 1.1)
    root = float(np.interp(fork, np.linspace(-half, half, knots), walk))
    run = site.along - fork
    branch = np.abs(site.across - root - lean * run - 0.12 * np.sin(5 * run)) / (width * 1.1)
    branch[(run < 0) | (run > half * 0.45)] = 99
    off = np.minimum(off, branch)
    core = np.exp(-0.5 * off**2)
    return Effect(
        off < 2.0,
        rise=-0.45 * site.severity * core,
        grain=1 - 0.7 * core,
        tone=1 - 0.72 * min(site.severity, 1.2) * core,
        openness=1 - 0.6 * core,
        roughness=0.8,
        tint=-0.1,
        blend=core,
    )


def _dent(site: _Site) -> Effect:
    aspect = site.rng.uniform(1.0, 1.7)
    r = np.hypot(site.along / math.sqrt(aspect), site.across * math.sqrt(aspect)) / (site.size / 2)
    r = r * (1 + 0.05 * site.noise(1.0))
    bowl = np.where(r < 0.8, np.maximum(np.cos(np.clip(r / 0.8, 0, 1) * np.pi / 2), 0) ** 1.5, 0)
    rim = np.exp(-0.5 * ((r - 0.86) / 0.07) ** 2)
    deep = site.rng.uniform(0.13, 0.17) * site.size * site.severity
    struck = np.clip(1.6 * bowl, 0, 1)
    return Effect(
        r < 1.05,
        rise=deep * (0.10 * rim - bowl),
        grain=1 - 0.85 * struck,
        tone=1 + 0.16 * struck - 0.08 * rim,
        openness=1 - 0.15 * bowl,
        roughness=0.30,
        blend=0.6 * struck,
    )


def _pit(site: _Site) -> Effect:
    count = int(site.rng.integers(2, 6))
    deep, support = np.zeros_like(site.along), np.zeros(site.along.shape, bool)
    for _ in range(count):
        spread = site.size / 2 * 0.7
        u, v = site.rng.uniform(-spread, spread, 2)
        radius = site.rng.uniform(0.42, 0.80) * (0.75 + 0.1 * site.size)
        off = np.hypot(site.along - u, site.across - v) / radius + 0.12 * site.noise(0.4)
        deep = np.maximum(deep, np.clip(1 - off**2, 0, 1) * radius * 0.9)
        support |= off < 1.05
    deep *= site.severity
    shade = np.clip(deep / 0.5, 0, 1)
    return Effect(
        support, rise=-deep, tone=1 - 0.65 * shade, openness=1 - 0.6 * shade, roughness=0.75, blend=0.8 * shade
    )


def _chip(site: _Site) -> Effect:
    outline = site.blob(0.24, 0.7, aspect=site.rng.uniform(1.0, 1.6))
    facet = 0.20 * site.noise(0.6) + 0.30 * (np.abs(site.noise(1.2)) - 0.8)
    bowl = np.clip(-outline / (0.22 * site.size), 0, 1)
    broken = (0.35 * site.size * bowl + facet * bowl) * (0.6 + 0.4 * site.severity)
    for edge in (site.height, site.height[outline < 0]):  # its own, where a higher one stands beside it
        rise = np.minimum(np.percentile(edge, 95) - broken - site.height, 0)
        rise = np.where((outline < 0) & (site.height > edge.max() - 0.5 * site.size), rise, 0)
        support = rise < -0.03
        if support.any():
            break
    return Effect(
        support,
        rise=np.where(support, rise, 0),
        grain=0.3,
        tone=1.12 + 0.10 * site.noise(0.5),
        openness=0.9,
        roughness=0.55,
        blend=0.9,
    )


def _stain(site: _Site) -> Effect:
    outline = site.blob(0.22, site.size * 0.16, aspect=site.rng.uniform(1.0, 1.8))
    inside = np.clip(-outline / (0.16 * site.size) + 0.05, 0, 1)
    rim = np.exp(-0.5 * ((outline + 0.10 * site.size) / (0.07 * site.size)) ** 2)
    wet = inside * (0.75 + 0.18 * site.noise(0.8)) + 0.3 * rim * (inside > 0)
    strength = np.clip(wet, 0, 1.2) * site.severity
    return Effect(
        inside > 0.08,
        tone=1 - 0.42 * np.clip(strength, 0, 1),
        roughness=0.55,
        tint=0.75,
        blend=np.clip(0.75 * strength, 0, 1),
        grain=1 - 0.2 * inside,
    )


_EFFECTS: dict[str, Callable[[_Site], Effect]] = {
    "chip": _chip,
    "crack": _crack,
    "dent": _dent,
    "pit": _pit,
    "scratch": _scratch,
    "stain": _stain,
}
