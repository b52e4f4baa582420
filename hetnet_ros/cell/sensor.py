"""From radiance to the picture: disturbances in front of the lens, the lens, and a noisy 8-bit sensor."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from hetnet_ros.cell.conditions import Conditions

_STOCK = 1 << 22
_LEVELS = 1 << 12


def expose(radiance: np.ndarray, conditions: Conditions, binning: int, rng: np.random.Generator) -> np.ndarray:
    """Take the picture: radiance float32 (height, width, 3) to uint8 RGB, ``binning`` times smaller each way.

    Blur radii scale with the image, so a shot looks alike at every resolution before binning.  Noise is drawn from
    ``rng``
    alone: photon noise by ``full_well`` and read noise, both after binning.
    """
    height, width = radiance.shape[:2]
    light = radiance * _field(conditions, width, height)[..., None]
    if conditions.glare > 0:
        light += _glare(conditions, width, height)[..., None]
    light *= np.float32(conditions.exposure)
    light = _blur(light, conditions, width / 640.0)
    if binning > 1:
        light = cv2.resize(light, (width // binning, height // binning), interpolation=cv2.INTER_AREA)
    np.clip(light, 0, 1, out=light)
    deviation = np.sqrt(
        light * np.float32(1 / conditions.full_well) + np.float32((conditions.read_noise / conditions.full_well) ** 2)
    )
    deviation *= _noise(rng, light.size).reshape(light.shape)
    light += deviation
    np.clip(light, 0, 1, out=light)
    light *= np.float32(_LEVELS - 1)
    return _tone_curve().take(light.astype(np.uint16))


@lru_cache(maxsize=1)
def _stock() -> np.ndarray:
    """Four million standard normal numbers; a shot reads a random run of them, which is forty times cheaper than
    drawing."""
    stock = np.random.default_rng(7741).standard_normal(_STOCK, dtype=np.float32)
    stock.flags.writeable = False
    return stock


def _noise(rng: np.random.Generator, count: int) -> np.ndarray:
    stock, start = _stock(), int(rng.integers(_STOCK))
    if start + count <= _STOCK:
        return stock[start : start + count]
    return np.resize(np.concatenate([stock[start:], stock]), count)


@lru_cache(maxsize=1)
def _tone_curve() -> np.ndarray:
    """sRGB's curve (IEC 61966-2-1) as a table over linear light."""
    linear = np.linspace(0, 1, _LEVELS)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * coded).astype(np.uint8)


def _axes(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Coarse coordinates in image widths from the middle, for fields that vary slowly."""
    columns, rows = max(8, width // 8), max(6, height // 8)
    x = (np.arange(columns) + 0.5) / columns - 0.5
    y = ((np.arange(rows) + 0.5) / rows - 0.5) * height / width
    return x.astype(np.float32)[None], y.astype(np.float32)[:, None]


def _field(conditions: Conditions, width: int, height: int) -> np.ndarray:
    """What vignetting, a gradient and an obstacle's shadow leave of the light, float32 (height, width)."""
    x, y = _axes(width, height)
    left = 1 - np.float32(conditions.vignetting / 0.39) * (x * x + y * y)
    angle = math.radians(conditions.gradient_deg)
    left = left * (1 - conditions.gradient * (0.5 + math.cos(angle) * x + math.sin(angle) * y).clip(0, 1))
    if conditions.shadow > 0:
        angle = math.radians(conditions.shadow_deg)
        off = np.abs(math.cos(angle) * x + math.sin(angle) * y - conditions.shadow_at) - conditions.shadow_width
        left = left * (1 - conditions.shadow / (1 + np.exp(np.clip(off / 0.018, -30, 30))))
    return cv2.resize(left.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _glare(conditions: Conditions, width: int, height: int) -> np.ndarray:
    x, y = _axes(width, height)
    dx, dy = x + 0.5 - conditions.glare_x, y - (conditions.glare_y - 0.5) * height / width
    veil = (
        conditions.glare
        * conditions.key
        * 1.6
        * np.exp(-0.5 * (dx * dx + dy * dy) / max(conditions.glare_size, 0.01) ** 2)
    )
    return cv2.resize(veil.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def _blur(light: np.ndarray, conditions: Conditions, scale: float) -> np.ndarray:
    sigma = math.hypot(conditions.lens_px, conditions.defocus_px / 2 if conditions.defocus_px < 2 else 0) * scale
    if sigma > 0.2:
        light = cv2.GaussianBlur(light, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    if conditions.defocus_px >= 2:
        light = cv2.filter2D(light, -1, _disc(conditions.defocus_px * scale), borderType=cv2.BORDER_REPLICATE)
    if conditions.motion_px > 0.5:
        light = cv2.filter2D(
            light, -1, _streak(conditions.motion_px * scale, conditions.motion_deg), borderType=cv2.BORDER_REPLICATE
        )
    return light


def _disc(radius: float) -> np.ndarray:
    reach = math.ceil(radius)
    axis = np.arange(-reach, reach + 1, dtype=np.float32)
    disc = np.clip(radius + 0.5 - np.hypot(axis[None], axis[:, None]), 0, 1)
    return disc / disc.sum()


def _streak(length: float, angle_deg: float) -> np.ndarray:
    reach = math.ceil(length / 2) + 1
    axis = np.arange(-reach, reach + 1, dtype=np.float32)
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    along, across = axis[None] * c + axis[:, None] * s, axis[:, None] * c - axis[None] * s
    streak = np.clip(length / 2 + 0.5 - np.abs(along), 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return streak / streak.sum()
