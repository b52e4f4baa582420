"""Surface texture that differs from part to part: cast grain in two dimensions, tool marks in one.

A sheet of grain far larger than a face is made once; each part takes its own window of it, so drawing a new part
costs a slice instead of a million random numbers.  Grain is finer than the height map and acts on slopes and tones
only; it does not move the surface, so depth stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from hetnet_ros.cell.canvas import COLUMNS, ROWS, TEXEL_MM

SPARE = 512
"""How far a window can be moved over the sheet, in texels each way."""
MARKS_STEP_MM = 0.04
"""Spacing of the tool-mark profile."""
_PROFILE = 1 << 14


@dataclass(frozen=True)
class CastGrain:
    """Slopes (dimensionless), tone (relative, mean 0) and slow blotches (mean 0, deviation 1), float32."""

    slope_x: np.ndarray
    slope_y: np.ndarray
    tone: np.ndarray
    blotch: np.ndarray


@dataclass(frozen=True)
class ToolMarks:
    """Slope across the marks and relative tone along the lay coordinate, float32 (N,), periodic."""

    slope: np.ndarray
    tone: np.ndarray


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma_mm: float) -> np.ndarray:
    """Gaussian noise smoothed to ``sigma_mm``, mean 0, deviation 1.  Coarse noise is made on a coarse grid."""
    sigma = sigma_mm / TEXEL_MM
    step = max(1, int(sigma / 3))
    small = rng.standard_normal((shape[0] // step + 3, shape[1] // step + 3), dtype=np.float32)
    small = cv2.GaussianBlur(small, (0, 0), sigma / step)
    if step > 1:
        small = cv2.resize(small, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    sheet = small[: shape[0], : shape[1]]
    return (sheet - sheet.mean()) / sheet.std()


@lru_cache(maxsize=1)
def _sheet() -> CastGrain:
    rng = np.random.default_rng(20250616)
    shape = (ROWS + SPARE, COLUMNS + SPARE)
    grit, lump = _noise(rng, shape, 0.22), _noise(rng, shape, 0.65)
    # Sand leaves rounded bumps with sharp valleys between them: fold the coarse part.
    relief = 0.050 * grit + 0.12 * np.abs(lump) + 0.08 * _noise(rng, shape, 1.8)
    slope_y, slope_x = np.gradient(relief.astype(np.float32), TEXEL_MM)
    pores = np.clip(_noise(rng, shape, 0.28) - 3.1, 0, 0.8)
    blotch = 0.7 * _noise(rng, shape, 9.0) + 0.3 * _noise(rng, shape, 2.5)
    tone = 0.07 * lump + 0.05 * grit + 0.05 * blotch - 0.7 * pores
    return CastGrain(*(np.ascontiguousarray(a, np.float32) for a in (slope_x, -slope_y, tone, blotch)))


def cast_grain(rng: np.random.Generator, window: tuple[slice, slice]) -> CastGrain:
    """One part's piece of the sheet, for a window of its texels; views, not copies."""
    sheet = _sheet()
    row, column = (int(v) for v in rng.integers(0, SPARE, 2))
    piece = np.s_[row : row + ROWS, column : column + COLUMNS]
    return CastGrain(*(field[piece][window] for field in (sheet.slope_x, sheet.slope_y, sheet.tone, sheet.blotch)))


def tool_marks(rng: np.random.Generator) -> ToolMarks:
    """One part's marks: a feed near 0.9 mm, finer scratches, and passes that differ in brightness."""
    position = np.arange(_PROFILE, dtype=np.float64) * MARKS_STEP_MM
    length = _PROFILE * MARKS_STEP_MM
    feed = length / round(length / rng.uniform(0.8, 1.05))
    phase = rng.uniform(0, 2 * np.pi)
    wave = np.sin(2 * np.pi * position / feed + phase)
    fine = _smooth_ring(rng, 0.10)
    middle = _smooth_ring(rng, 0.45)
    slow = _smooth_ring(rng, 4.0)
    slope = 0.035 * wave + 0.045 * fine + 0.03 * middle + 0.012 * slow
    tone = 0.030 * wave + 0.055 * _smooth_ring(rng, 0.12) + 0.030 * middle + 0.03 * slow
    return ToolMarks(slope.astype(np.float32), tone.astype(np.float32))


def _smooth_ring(rng: np.random.Generator, sigma_mm: float) -> np.ndarray:
    """Periodic smoothed noise of the profile's length, mean 0, deviation 1."""
    frequency = np.fft.rfftfreq(_PROFILE, MARKS_STEP_MM)
    spectrum = np.fft.rfft(rng.standard_normal(_PROFILE)) * np.exp(-2 * (np.pi * frequency * sigma_mm) ** 2)
    spectrum[0] = 0
    ring = np.fft.irfft(spectrum, _PROFILE)
    return ring / ring.std()
