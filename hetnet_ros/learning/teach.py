"""Teaches a part: good images in, one calibrated model file out.

The order of the work is the order of this file: read, hold out, cache the teachers' features, train, settle the batch
norms, calibrate on the images held out, write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np
import torch

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import REFERENCES, ModelCard, TeacherRecord, TrainingSummary, save_artifact
from hetnet_ros.inspection.backend import TorchBackend, resolve_device
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.domain import MAX_REFERENCES, DomainLimits, distances, fit_limits
from hetnet_ros.inspection.preprocessing import to_tensor
from hetnet_ros.learning.calibrate import fit_calibration
from hetnet_ros.learning.checkpoint import checkpoint_path, fingerprint, load_checkpoint, save_checkpoint
from hetnet_ros.learning.feature_cache import fill_cache
from hetnet_ros.learning.good_images import load_good_images
from hetnet_ros.learning.preset import Preset
from hetnet_ros.learning.trainer import Trainer, settle_batch_norm
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.weights import resolve_weights

CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class TeachReport:
    """What a teaching run did; ``skipped`` has one line for each file left out, ``seconds`` is the wall time."""

    model: Path
    model_id: str
    images: int
    held_out: int
    steps: int
    loss: float
    seconds: float
    calibration: Calibration
    skipped: tuple[str, ...]


def teach(data: Path, output: Path, preset: Preset, *, seed: int = 0, device: str = "auto", part_name: str | None = None,
          resume: bool = False, weight_files: dict[str, str] | None = None, progress: bool = True,
          paths: Sequence[Path] | None = None) -> TeachReport:
    """Teach the part shown in ``data`` and write the model to ``output``.

    paths: the good images, where ``data`` is laid out in a way that does not tell them by itself.
    weight_files: timm model name -> safetensors file, for teachers that are nowhere else.  resume: go on from the
    checkpoint beside ``output``.  Ctrl-C writes that checkpoint and raises KeyboardInterrupt.
    Raises InputError for data, settings, device or paths that cannot be used; ``output`` is then untouched.
    """
    started = time.monotonic()
    output = Path(output)
    _check_output(output)
    target = resolve_device(device)
    good = load_good_images(Path(data), preset.network.image_size, preset.training.max_images, progress, paths)
    weights = [resolve_weights(t.model, (weight_files or {}).get(t.model))
               for t in (preset.network.cnn, preset.network.transformer)]
    torch.manual_seed(seed)
    network = HetNet(preset.network, *weights).to(target)
    kept, held = split(len(good.images), preset.training.hold_out, seed)
    cache = fill_cache(network.teachers, good.images[kept], preset.training, seed, target, progress=progress)
    try:
        trainer = Trainer(network, cache, preset.training, seed, target)
        _train(trainer, checkpoint_path(output), fingerprint(preset, seed, good.images), resume, progress)
        settle_batch_norm(network, cache, target)
        references = cache.descriptors(MAX_REFERENCES).half()
    finally:
        cache.close()
    calibration, domain = _calibrate(network, good.images[held], references.float().numpy(), target)
    records = tuple(TeacherRecord(config.model, found.sha256)
                    for config, found in zip((preset.network.cnn, preset.network.transformer), weights))
    summary = TrainingSummary(len(good.images), len(held), good.min_size, good.max_size, trainer.step, seed,
                              preset.training.views, trainer.loss)
    card = ModelCard(part_name or _name(Path(data)), preset.name, preset.network, records, calibration, domain, summary)
    model_id = save_artifact(output, card, {**network.trained_state(), REFERENCES: references})
    checkpoint_path(output).unlink(missing_ok=True)
    return TeachReport(output, model_id, len(good.images), len(held), trainer.step, trainer.loss,
                       time.monotonic() - started, calibration, good.skipped)


def split(count: int, hold_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and indices held out, both ascending; at least two of each, and of small sets up to a third
    is held out, since thresholds from two or three images would be worth nothing."""
    held = min(max(2, round(hold_out * count), min(8, count // 3)), count - 2)
    order = np.random.default_rng(seed).permutation(count)
    return np.sort(order[held:]), np.sort(order[:held])


def _train(trainer: Trainer, checkpoint: Path, run: str, resume: bool, progress: bool) -> None:
    if resume:
        load_checkpoint(checkpoint, trainer, run)
    saved = time.monotonic()

    def keep(current: Trainer) -> None:
        nonlocal saved
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            save_checkpoint(checkpoint, current, run)
            saved = time.monotonic()

    try:
        trainer.run(keep, progress)
    except KeyboardInterrupt:
        save_checkpoint(checkpoint, trainer, run)
        raise


def _calibrate(network: HetNet, images: np.ndarray, references: np.ndarray,
               device: torch.device) -> tuple[Calibration, DomainLimits]:
    """Weights of the map's stages, thresholds and the limits of the domain, all from the held-out images."""
    backend = TorchBackend(network, device)
    batches = [to_tensor(images[start:start + 8]) for start in range(0, len(images), 8)]
    with torch.inference_mode():
        parts = [network.stage_distances(network.teachers(batch.to(device))) for batch in batches]
    network.anomaly_map.weigh([torch.cat(stage) for stage in zip(*parts)])
    outputs = [backend(batch) for batch in batches]
    scores = np.concatenate([output.scores for output in outputs])
    if not np.isfinite(scores).all():
        raise InputError("teaching diverged (the network gives values that are not finite): lower training.learning_rate")
    peaks = np.concatenate([output.maps.max((1, 2)) for output in outputs])
    apart = distances(references, np.concatenate([output.descriptors for output in outputs]))
    return fit_calibration(scores, peaks), fit_limits(apart)


def _check_output(output: Path) -> None:
    """Refuse an output that cannot be written before minutes are spent on it."""
    if output.suffix != ".safetensors":
        raise InputError(f"model file {output} must end in .safetensors")
    if output.is_dir():
        raise InputError(f"model file {output} is a folder: give a file name")
    probe = output.with_name(f".{output.name}.probe")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"cannot write {output}: {error.strerror}") from None


def _name(data: Path) -> str:
    """The part's name: the folder's, skipping ``train/good``."""
    parts = [p for p in data.resolve().parts if p not in ("train", "good")]
    return parts[-1] if parts else "part"
