"""Teaches a part: good images in, one calibrated model file out.

The order of the work is the order of this file: read, hold out, cache the teachers' features, train, settle the batch
norms, remember the places, measure where the stages look, calibrate on the images held out, write.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import numpy as np
import torch

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import (
    EXAMPLES, MAX_EXAMPLES, REFERENCES, TAUGHT, ModelCard, TeacherRecord, TrainingSummary, read_tensors,
    save_artifact)
from hetnet_ros.inspection.backends.torch_backend import resolve_device
from hetnet_ros.inspection.calibration import FALSE_REJECT, Calibration
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.domain import MAX_REFERENCES
from hetnet_ros.inspection.sample_depth import FULL
from hetnet_ros.learning.alignment import stage_offsets
from hetnet_ros.learning.bag_images import BagSource, load_bag_images
from hetnet_ros.learning.calibrate import check_rate, fit_calibration
from hetnet_ros.learning.checkpoint import checkpoint_path, fingerprint, load_checkpoint, save_checkpoint
from hetnet_ros.learning.cross import cross_scores, folds_for
from hetnet_ros.learning.domain_limits import held_out_distances, image_digests, learn_limits, left_out_distances
from hetnet_ros.learning.exposure import with_exposure
from hetnet_ros.learning.feature_cache import fill_cache
from hetnet_ros.learning.good_images import load_good_images
from hetnet_ros.learning.held_out import learn_places, score_held_out
from hetnet_ros.learning.preset import Preset
from hetnet_ros.learning.remember import remember_places
from hetnet_ros.learning.trainer import Trainer, settle_batch_norm
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.weights import resolve_weights

CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class TeachReport:
    """What a teaching run did; ``skipped`` has one line for each file left out, ``seconds`` is the wall time.

    images: good images read.  taught: those trained on.  held_out: those calibrated with, one for each part held out; 0
    with ``folds`` > 0, where further models scored each part without having seen it.  brightness: what each image is brought to,
    0 to 1; 0: images are taken as they are.  copies: images that are copies of others, and count for nothing beside them.
    sample_bits: how many of 16 the pictures use; largest_sample: the largest 16-bit value in them, None where they have none.
    """

    model: Path
    model_id: str
    images: int
    taught: int
    held_out: int
    steps: int
    loss: float
    seconds: float
    calibration: Calibration
    skipped: tuple[str, ...]
    folds: int = 0
    brightness: float = 0.0
    copies: int = 0
    sample_bits: int = FULL
    largest_sample: int | None = None


def teach(data: Path, output: Path, preset: Preset, *, seed: int = 0, device: str = "auto", part_name: str | None = None,
          resume: bool = False, weight_files: dict[str, str] | None = None, progress: bool = True,
          paths: Sequence[Path] | None = None, bag: BagSource | None = None,
          false_reject: float = FALSE_REJECT, crop: Crop = Crop(), bits: int | None = None) -> TeachReport:
    """Teach the part shown in ``data`` and write the model to ``output``.

    paths: the good images, where ``data`` is laid out in a way that does not tell them by itself.
    bag: which frames to use, where ``data`` is a rosbag2 recording.
    weight_files: timm model name -> safetensors file, for teachers that are nowhere else.  resume: go on from the
    checkpoint beside ``output``.  false_reject: share of good images that may be rejected.  crop: the part of each image that the
    model looks at, in teaching and for good.  bits: how many of 16 the pictures use, None: as it shows in them.  Ctrl-C writes
    that checkpoint and raises KeyboardInterrupt.
    Raises InputError for data, settings, device or paths that cannot be used; ``output`` is then untouched.
    """
    started = time.monotonic()
    output = Path(output)
    check_rate(false_reject)
    check_model_output(output)
    if resume:
        read_tensors(checkpoint_path(output), "checkpoint")  # what is not there is said before the features are computed
    target = resolve_device(device)
    size = preset.network.image_size
    good = load_bag_images(bag, size, progress, crop, bits) if bag else load_good_images(
        Path(data), size, preset.training.max_images, progress, paths, crop, bits)
    asked, preset = preset, with_exposure(preset, good.images)
    weights = [resolve_weights(t.model, (weight_files or {}).get(t.model))
               for t in (preset.network.cnn, preset.network.transformer)]
    torch.manual_seed(seed)
    network = HetNet(preset.network, *weights).to(target)
    parts = good.part_numbers
    folds = folds_for(len(np.unique(parts)), preset.training.calibration)
    kept, held = split(parts, 0 if folds else preset.training.hold_out, seed)
    cache = fill_cache(network.teachers, good.images[kept], preset.training, seed, target, progress=progress)
    try:
        trainer = Trainer(network, cache, preset.training, seed, target)
        checkpoint = checkpoint_path(output)
        _train(trainer, checkpoint, fingerprint(preset, seed, good.images), resume, progress)
        settle_batch_norm(network, cache, target)
        remember_places(network, cache, preset.training.views, target)
        network.anomaly_map.align(stage_offsets(network.eval(), good.images[kept], target, seed))
        references = cache.descriptors(MAX_REFERENCES).half()
        if folds:
            save_checkpoint(checkpoint, trainer, fingerprint(preset, seed, good.images))  # what follows takes as long again
            scores = cross_scores(lambda: HetNet(preset.network, *weights), cache, good.images, parts, preset.training, folds,
                                  seed, target, progress)
            network.anomaly_map.scale = scores.stages
            learn_places(network, cache, target)
            apart = left_out_distances(cache.descriptors(len(cache)).numpy(), preset.training.views, parts)
        else:
            scores = score_held_out(network, cache, good.images[held], target, preset.training.stage_balance)
            apart = held_out_distances(network, good.images[held], references.float().numpy(), target)
    finally:
        cache.close()
    if not np.isfinite(scores.scores).all():
        raise InputError("teaching diverged (the network gives values that are not finite): lower training.learning_rate")
    calibration = fit_calibration(scores.scores, scores.peaks, false_reject=false_reject)
    domain = learn_limits(apart, scores.levels, good.images, asked, seed)  # what the cell shows, not what it is taught to bear
    records = tuple(TeacherRecord(config.model, found.sha256)
                    for config, found in zip((preset.network.cnn, preset.network.transformer), weights))
    summary = TrainingSummary(len(good.images), len(held), good.min_size, good.max_size, trainer.step, seed,
                              preset.training.views, trainer.loss, folds)
    card = ModelCard(part_name or _name(Path(data)), preset.name, preset.network, records, calibration, domain, summary,
                     crop, good.sample_bits)
    shown = good.images[held] if len(held) else good.images
    examples = torch.from_numpy(shown[:: -(-len(shown) // MAX_EXAMPLES)])
    model_id = save_artifact(output, card, {**network.trained_state(), REFERENCES: references, EXAMPLES: examples,
                                            TAUGHT: image_digests(good.images[kept])})
    checkpoint_path(output).unlink(missing_ok=True)
    return TeachReport(output, model_id, len(good.images), len(kept), len(held), trainer.step, trainer.loss,
                       time.monotonic() - started, calibration, good.skipped, folds, preset.network.brightness,
                       good.copies, good.sample_bits, good.largest_sample)


def split(parts: np.ndarray, hold_out: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on and indices held out, both ascending, of images that show ``parts``, int64 (N,).

    Whole parts are held out, since an image scores low where another one of the same part was taught; of each, one image
    counts, since conformal ranks want images that are independent.  None with ``hold_out`` 0, else at least two parts
    of each, and of few parts up to a third is held out: thresholds from two or three would be worth nothing.
    """
    if hold_out == 0:
        return np.arange(len(parts)), np.arange(0)
    names, first = np.unique(parts, return_index=True)
    count = len(names)
    held = min(max(2, round(hold_out * count), min(8, count // 3)), count - 2)
    order = np.random.default_rng(seed).permutation(count)
    return np.flatnonzero(np.isin(parts, names[order[held:]])), np.sort(first[order[:held]])


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


def check_model_output(output: Path) -> None:
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
    """The part's name: the folder's, skipping ``train/good``, or the bag's."""
    parts = [p for p in data.resolve().parts if p not in ("train", "good")]
    return parts[-1].split(".mcap")[0].split(".db3")[0] if parts else "part"
