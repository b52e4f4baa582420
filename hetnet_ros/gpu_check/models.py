"""Models for the speed parts: full networks of a preset and size, taught in a few steps, kept in the shared folder.

A model's speed does not depend on how well it was taught.  That of parity is taught from the cell's pictures, so that its scores lie
around its thresholds as those of any model do.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from hetnet_ros.gpu_check.pictures import disc, folder
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import Reporter
from hetnet_ros.gpu_check.weights import RANDOM, provide_teachers
from hetnet_ros.learning.preset import Preset, load_preset

SHARED = ("edge", 384)
STEPS, QUICK_STEPS = 60, 2
_DISCS = 12
"""As many as leave the four held out which an export is checked with."""


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """Teach the shared model on the device."""
    with report.unit("model", "edge, 384 px"):
        begun = time.perf_counter()
        random = _teach(settings, *SHARED, folder(settings) / "train" / "good", QUICK_STEPS if settings.quick else STEPS)
        report.row("model", "edge, 384 px", seconds=round(time.perf_counter() - begun, 1), teachers=RANDOM if random else "real")


def model_for(settings: Settings, preset: str, size: int, report: Reporter) -> Path:
    """A model file for speed, taught from a few discs unless it is there."""
    path = _path(settings, preset, size)
    if not path.exists():
        good = settings.folder / "discs"
        if not good.exists():
            write_discs(good, _DISCS)
        _teach(settings, preset, size, good, 1)
    random = provide_teachers(resized(load_preset(preset), size).network, settings)
    if random:
        report.note(f"teachers {' and '.join(random)}: {RANDOM}")
    return path


def write_discs(good: Path, count: int) -> None:
    """Good pictures of no particular part."""
    import cv2

    good.mkdir()
    for seed in range(count):
        cv2.imwrite(str(good / f"{seed}.png"), disc(320, 240, 100 + seed)[..., ::-1])


def resized(preset: Preset, size: int) -> Preset:
    """The preset looking at ``size`` px; a Transformer keeps its share of that, in whole patches."""
    network = preset.network
    patch = network.transformer.patch_size or _patch_size(network.transformer.model)
    seen = round(size * network.transformer.input_size / network.image_size / patch) * patch
    return dataclasses.replace(preset, network=dataclasses.replace(
        network, image_size=size, cnn=dataclasses.replace(network.cnn, input_size=size),
        transformer=dataclasses.replace(network.transformer, input_size=seen)))


def quick(preset: Preset, steps: int) -> Preset:
    """The preset with few steps and views, calibrated on images held out."""
    return dataclasses.replace(preset, training=dataclasses.replace(
        preset.training, steps=steps, epochs=0, views=1, calibration="split"))


def _teach(settings: Settings, preset_name: str, size: int, good: Path, steps: int) -> list[str]:
    from hetnet_ros.learning.teach import teach

    preset = resized(load_preset(preset_name), size)
    random = provide_teachers(preset.network, settings)
    teach(good, _path(settings, preset_name, size), quick(preset, steps), device=settings.device, progress=False)
    return random


def _path(settings: Settings, preset: str, size: int) -> Path:
    return settings.folder / "models" / f"{preset}-{size}.safetensors"


def _patch_size(model: str) -> int:
    import timm
    import torch

    with torch.device("meta"):
        return int(timm.create_model(model, pretrained=False).patch_embed.patch_size[0])
