"""Variants of a good image, so that light and pose that are normal do not read as defects (ours).

Variants are made once, before the teachers see them, because the features are cached.  Rotation is off unless the part
may lie anyhow: where orientation matters, a turned part is a defect and must stay one.
"""

from __future__ import annotations

import cv2
import numpy as np


def make_view(rgb: np.ndarray, rotation: float, light: float, rng: np.random.Generator) -> np.ndarray:
    """One variant of uint8 (S, S, 3), same shape.

    rotation: largest turn in degrees about the centre, borders mirrored.  light: 0..1, strength of the changes of
    brightness, contrast, gamma, colour temperature, slope of illumination, blur and sensor noise.
    """
    view = _turn(rgb, rng.uniform(-rotation, rotation)) if rotation > 0 else rgb
    if light <= 0:
        return view.copy()
    x = view.astype(np.float32) / 255
    x = x ** np.float32(np.exp(rng.uniform(-0.5, 0.5) * light))
    x *= np.float32(np.exp(rng.uniform(-0.5, 0.5) * light))
    mean = x.mean()
    x = mean + (x - mean) * np.float32(np.exp(rng.uniform(-0.3, 0.3) * light))
    warmth = rng.uniform(-0.1, 0.1) * light
    x *= np.array([1 + warmth, 1, 1 - warmth], np.float32)
    if rng.random() < 0.5:
        x *= _slope(x.shape[0], rng, 0.4 * light)[:, :, None]
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), 0.3 + 0.9 * light * rng.random())
    if rng.random() < 0.5:
        x += rng.normal(0, 0.02 * light * rng.random(), x.shape).astype(np.float32)
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)


def _turn(rgb: np.ndarray, degrees: float) -> np.ndarray:
    size = rgb.shape[0]
    matrix = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), degrees, 1.0)
    return cv2.warpAffine(rgb, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _slope(size: int, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A smooth ramp of brightness across the image, mean about 1."""
    angle = rng.uniform(0, 2 * np.pi)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    return 1 + strength * rng.random() * (np.cos(angle) * axis[None] + np.sin(angle) * axis[:, None]).astype(np.float32)
