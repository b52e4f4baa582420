#!/usr/bin/env python3
"""How much of a still scene's picture changes from one exposure to the next, by noise alone, and whether any is taken for repeated.

    benchmarks/still_scenes.py [--pictures 8]

Simulates read and shot noise of three cameras from figures measured to EMVA 1288, at 8 and 12 bits, in three lights, and
JPEG of several qualities on top.  For each: the share of pixels that differ between two pictures, and the largest share of
unchanged tiles between any two (``hetnet_ros.inspection.frozen_camera``), which is a repeated picture from 75 % on.
"""

from __future__ import annotations

import argparse
import io
import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from hetnet_ros.inspection.frozen_camera import LEAST_UNCHANGED, Sample, unchanged_share
from hetnet_ros.inspection.image_conversion import image_to_rgb

LIGHTS = {"dark": 0.03, "middle": 0.4, "bright": 0.75}
"""Brightness of the ground as a share of full scale."""
QUALITIES = (95, 80, 60, 40)


@dataclass(frozen=True)
class Camera:
    """snr, dynamics: largest signal-to-noise ratio and dynamic range, dB, measured to EMVA 1288 and published by the maker."""

    name: str
    snr: float
    dynamics: float
    colour: bool

    @property
    def full_well(self) -> float:
        """Electrons: shot noise alone limits the largest signal-to-noise ratio to their square root."""
        return 10 ** (self.snr / 10)

    @property
    def read_noise(self) -> float:
        """Electrons."""
        return self.full_well / 10 ** (self.dynamics / 20)


CAMERAS = (
    Camera("industrial, mono (Sony IMX250)", 40.3, 71.2, False),
    Camera("industrial, colour (Sony IMX249)", 45.1, 73.0, True),
    Camera("USB, colour (Aptina MT9M034)", 37.7, 63.4, True),
)
_PEDESTAL = 0.012  # share of full scale, so that the dark is not cut off


@dataclass(frozen=True)
class Message:
    """As a sensor_msgs/Image."""

    data: bytes
    height: int
    width: int
    encoding: str
    step: int
    is_bigendian: int = 0


def still_scene(light: float, size: tuple[int, int] = (480, 640)) -> np.ndarray:
    """float (H, W), share of full scale: a disc on a ground that is lit from one side."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width]
    scene = light * (0.6 + 0.4 * x / width)
    scene[(x - width / 2) ** 2 + (y - height / 2) ** 2 < (height * 0.3) ** 2] *= 1.4
    return cv2.GaussianBlur(scene, (0, 0), 1)


def exposed(camera: Camera, scene: np.ndarray, bits: int, rng: np.random.Generator) -> np.ndarray:
    """One picture, uint8 RGB, as the inspector decodes it.  12 bits come in the upper bits of 16."""
    electrons = rng.poisson(scene * camera.full_well) + rng.normal(0, camera.read_noise, scene.shape)
    full = 2**bits - 1
    counts = np.clip(np.rint((electrons / camera.full_well + _PEDESTAL) * full), 0, full)
    raw = counts.astype(np.uint8) if bits == 8 else (counts.astype(np.uint16) << (16 - bits))
    kind = ("bayer_rggb" if camera.colour else "mono") + ("8" if bits == 8 else "16")
    height, width = raw.shape
    return image_to_rgb(Message(raw.tobytes(), height, width, kind, raw.strides[0]))


def jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    """The picture after JPEG."""
    stream = io.BytesIO()
    Image.fromarray(rgb).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream).convert("RGB"))


def unchanged(first: np.ndarray, second: np.ndarray) -> float:
    """Share of the usable tiles of ``second`` that are as they were in ``first``."""
    return float(unchanged_share(Sample.of(first).values.reshape(1, -1), Sample.of(second))[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=8)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"{'camera':34}{'light':8}{'bits':>5}  {'format':10}{'differ':>8}{'unchanged tiles':>17}")
    for camera, (light, level), bits in itertools.product(CAMERAS, LIGHTS.items(), (8, 12)):
        scene = still_scene(level) * (1 + rng.normal(0, 0.005, (480, 640)))  # the sensor's fixed pattern
        taken = [exposed(camera, scene, bits, rng) for _ in range(args.pictures)]
        kinds = {"raw": taken, **{f"JPEG {q}": [jpeg(one, q) for one in taken] for q in QUALITIES}}
        for kind, pictures in kinds.items():
            pairs = list(itertools.combinations(pictures, 2))
            differ = np.mean([(a != b).any(2).mean() for a, b in pairs])
            most = max(unchanged(a, b) for a, b in pairs)
            said = "  taken for repeated" if most >= LEAST_UNCHANGED else ""
            print(f"{camera.name:34}{light:8}{bits:5}  {kind:10}{differ:8.1%}{most:17.0%}{said}")


if __name__ == "__main__":
    main()
