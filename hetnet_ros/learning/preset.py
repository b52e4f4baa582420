"""Presets: a YAML file that names the teachers, the sizes and how a part is taught.

``config/presets/*.yaml`` ship with the package; any other file of the same shape can be given by path.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from hetnet_ros.configuration import from_mapping
from hetnet_ros.errors import InputError
from hetnet_ros.network.config import NetworkConfig
from hetnet_ros.plain_yaml import read_yaml
from hetnet_ros.resources import config_folder, config_path


@dataclass(frozen=True)
class TrainingConfig:
    """How a part is taught.

    steps: optimiser steps, at least.  epochs: passes over all views, at least: many images, and parts that lie anyhow, want
    more steps.  batch: feature views per step.  learning_rate, weight_decay: of AdamW, cosine schedule
    after ``warmup`` steps.  views: cached variants of each image, the first one unchanged.  rotation: largest random
    rotation of a variant, degrees (0 where orientation matters, 180 where the part lies anyhow).  light: strength of
    brightness, contrast, gamma and colour changes, 0..1.  exposure: ``changing`` brings each image to
    one brightness before the teachers see it and varies light at full strength, ``fixed`` does neither, ``auto`` decides by the good
    images, see ``with_exposure``.  hard_fraction: share of hardest patches with full weight.
    noise: ``lmgn`` (paper), ``gaussian`` or ``none``;  noise_boxes: boxes per step;  noise_side: largest side relative
    to the image;  neighbourhood: side of LMGN's window in patches.  noisy_share: share of a step's views
    that SD learns from.  teacher_target: weight of the teacher as SD's target beside SR.  stage_balance: how strongly
    what good images give in the map's stages weighs these, see ``AnomalyMap.weigh``; 0 not at all.  hold_out: share of images kept for
    calibration.  cache_mb: memory for cached features; beyond it
    they go to disk.  max_images: more good images than this are sampled evenly.  calibration: ``split`` holds images out,
    ``cross`` teaches further models on parts of the images instead, ``auto`` chooses by their number.
    """

    steps: int = 1000
    epochs: int = 0
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup: int = 50
    views: int = 2
    rotation: float = 0.0
    light: float = 0.3
    exposure: str = "fixed"
    hard_fraction: float = 1.0
    noise: str = "lmgn"
    noise_boxes: int = 4
    noise_side: float = 0.3
    neighbourhood: int = 3
    noisy_share: float = 0.5
    teacher_target: float = 1.0
    stage_balance: float = 0.5
    hold_out: float = 0.15
    cache_mb: int = 2048
    max_images: int = 1000
    calibration: str = "auto"

    def __post_init__(self) -> None:
        bounds = {"steps": (1, 10**7), "epochs": (0, 10**6), "batch": (2, 1024), "views": (1, 64), "rotation": (0, 180), "light": (0, 1),
                  "hard_fraction": (0.01, 1), "noise_boxes": (0, 100), "noise_side": (0.01, 1), "hold_out": (0.02, 0.5),
                  "cache_mb": (1, 10**7), "noisy_share": (0.1, 1), "stage_balance": (0, 4), "max_images": (4, 10**6), "neighbourhood": (1, 15),
                  "learning_rate": (1e-9, 10), "weight_decay": (0, 10), "warmup": (0, 10**7), "teacher_target": (0, 1000)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"training.{name} is {getattr(self, name)}: use a value from {low} to {high}")
        if self.noise not in ("lmgn", "gaussian", "none"):
            raise InputError(f"training.noise is {self.noise!r}: use lmgn, gaussian or none")
        if self.exposure not in ("auto", "fixed", "changing"):
            raise InputError(f"training.exposure is {self.exposure!r}: use auto, fixed or changing")
        if self.calibration not in ("auto", "split", "cross"):
            raise InputError(f"training.calibration is {self.calibration!r}: use auto, split or cross")

    def steps_for(self, views: int) -> int:
        """Optimiser steps with ``views`` cached views."""
        return max(self.steps, -(-self.epochs * views // self.batch))


SECTIONS = ("turned", "large_defects")
"""What a preset's file may have beside its two settings, each with changes to them."""


@dataclass(frozen=True)
class Preset:
    """A named pair of network and training settings.  turned, large_defects: the pairs that parts which may lie rotated, and parts
    whose defects cover areas, start from, where they are others."""

    name: str
    network: NetworkConfig
    training: TrainingConfig
    turned: Preset | None = None
    large_defects: Preset | None = None

    def for_large_defects(self) -> Preset:
        """The same for a part whose defects cover areas.  Raises InputError where the preset has no such section."""
        if self.large_defects is None:
            raise InputError(f"preset {self.name} has no section large_defects: leave --large-defects out, or add one to it")
        return self.large_defects

    def rotated(self, degrees: float) -> Preset:
        """The same for a part that may lie rotated by up to ``degrees`` beyond what its images show: twice the views, half as
        many epochs again, a map whose stages are weighed more strongly, and neither students that know the place nor memories,
        since what lies there is any part of it."""
        if not degrees:
            return dataclasses.replace(self, training=dataclasses.replace(self.training, rotation=0.0))
        if self.turned:
            return self.turned.rotated(degrees)
        balance = 2.0 if self.network.combination == "geometric" else 1.0
        training = dataclasses.replace(self.training, rotation=degrees, views=2 * self.training.views,
                                       epochs=self.training.epochs * 3 // 2, stage_balance=balance)
        return dataclasses.replace(
            self, training=training,
            network=dataclasses.replace(self.network, place_embedding=False, place_memory=0, cnn_memory=0.0, image_memory=0.0))


def preset_names() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted(path.stem for path in (config_folder() / "presets").glob("*.yaml"))


def load_preset(name: str) -> Preset:
    """A shipped preset by name, or one from a YAML file by path (anything that ends in .yaml or .yml).

    Its sections ``turned`` and ``large_defects``, which may be absent, hold what is different for parts that are taught with rotation
    or for large defects.

    Raises InputError for an unknown name, an unreadable file, or a key or value that does not belong there.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
    elif name in preset_names():
        path = config_path(f"presets/{name}.yaml")
    else:
        raise InputError(f"there is no preset {name!r}: use one of {', '.join(preset_names())}, or the path of a .yaml file")
    values = read_yaml(path, "preset")
    if not isinstance(values, dict) or {"network", "training"} != set(values) - set(SECTIONS):
        raise InputError(f"preset {path} must have exactly the keys 'network' and 'training', and may have {' and '.join(map(repr, SECTIONS))}")
    sections = {name: values.pop(name) for name in SECTIONS if name in values}
    for name, changes in sections.items():
        if not isinstance(changes, dict) or not set(changes) <= set(values):
            raise InputError(f"preset {path}: {name} may have the keys 'network' and 'training' alone")
    return dataclasses.replace(_preset(path.stem, values, path.name),
                               **{name: _preset(path.stem, _merged(values, changes), f"{path.name}: {name}")
                                  for name, changes in sections.items()})


def _preset(name: str, values: dict, where: str) -> Preset:
    return Preset(name, from_mapping(NetworkConfig, values["network"], f"{where}: network"),
                  from_mapping(TrainingConfig, values["training"], f"{where}: training"))


def _merged(values: dict, changes: dict) -> dict:
    """``values`` with ``changes`` in their place, mapping by mapping."""
    nested = {key: _merged(values[key], change) for key, change in changes.items()
              if isinstance(change, dict) and isinstance(values.get(key), dict)}
    return {**values, **changes, **nested}
