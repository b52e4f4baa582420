"""Teaches a part: good images in, one calibrated model file out.

The order of the work is the order of this file: read, hold out, cache the teachers' features, train, settle the batch
norms, remember the places, measure where the stages look, calibrate on the images held out, write.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.artifact import EXAMPLES, MAX_EXAMPLES, REFERENCES, TAUGHT, ModelCard, TeacherRecord, TrainingSummary, save_artifact
from hetnet_ros.inspection.backends.torch_backend import resolve_device
from hetnet_ros.inspection.calibration import FALSE_REJECT, Calibration
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.domain import MAX_REFERENCES
from hetnet_ros.inspection.sample_depth import FULL
from hetnet_ros.learning.alignment import stage_offsets
from hetnet_ros.learning.calibrate import check_rate, fit_calibration
from hetnet_ros.learning.checkpoint import check_checkpoint_place, checkpoint_path, fingerprint, load_checkpoint, read_checkpoint, save_checkpoint
from hetnet_ros.learning.cross import cross_scores, folds_for
from hetnet_ros.learning.disk import check_model_room, save_somewhere
from hetnet_ros.learning.domain_limits import held_out_distances, image_digests, learn_limits, left_out_distances
from hetnet_ros.learning.exposure import with_exposure
from hetnet_ros.learning.feature_cache import fill_cache
from hetnet_ros.learning.good_images import GoodImages, load_good_images
from hetnet_ros.learning.held_out import learn_places, score_held_out
from hetnet_ros.learning.preset import Preset
from hetnet_ros.learning.remember import remember_places
from hetnet_ros.learning.trainer import Trainer, settle_batch_norm
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.weights import resolve_weights
from hetnet_ros.whole_files import check_output_file

if TYPE_CHECKING:
    from hetnet_ros.learning.bag_images import BagSource

CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True)
class TeachReport:
    """What a teaching run did; ``skipped`` has one line for each file left out, ``seconds`` is the wall time.

    images: good images read.  taught: those trained on.  held_out: those calibrated with, one for each part held out; 0
    with ``folds`` > 0, where further models scored each part without having seen it.  brightness: what each image is brought to,
    0 to 1; 0: images are taken as they are.  copies: images that are copies of others, and count for nothing beside them.
    sample_bits: how many of 16 the pictures use; largest_sample: the largest 16-bit value in them, None where they have none.
    features_seconds, steps_seconds: of the teachers' features and of the optimiser's steps, without those of further models.
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
    features_seconds: float = 0.0
    steps_seconds: float = 0.0


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
        read_checkpoint(checkpoint_path(output))  # what is not there is said before the features are computed
    else:
        check_checkpoint_place(checkpoint_path(output))
    target = resolve_device(device)
    size = preset.network.image_size
    good = _from_bag(bag, size, progress, crop, bits) if bag else load_good_images(
        Path(data), size, preset.training.max_images, progress, paths, crop, bits)
    asked, preset = preset, with_exposure(preset, good.images)
    weights = [resolve_weights(t.model, (weight_files or {}).get(t.model))
               for t in (preset.network.cnn, preset.network.transformer)]
    torch.manual_seed(seed)
    network = HetNet(preset.network, *weights).to(target)
    parts = good.part_numbers
    folds = folds_for(len(np.unique(parts)), preset.training.calibration)
    kept, held = split(parts, 0 if folds else preset.training.hold_out, seed)
    check_model_room(output, network, good.images, resume)
    begun = time.monotonic()
    cache = fill_cache(network.teachers, good.images[kept], preset.training, seed, target, progress=progress)
    filled = time.monotonic()
    try:
        trainer = Trainer(network, cache, preset.training, seed, target)
        checkpoint = checkpoint_path(output)
        _train(trainer, checkpoint, fingerprint(preset, seed, good.images), resume, progress)
        trained = time.monotonic()
        settle_batch_norm(network, cache, target)
        remember_places(network, cache, preset.training.views, target)
        network.anomaly_map.align(stage_offsets(network.eval(), good.images[kept], target, seed))
        references = cache.descriptors(MAX_REFERENCES).half()
        if folds:
            _keep(checkpoint, trainer, fingerprint(preset, seed, good.images))  # what follows takes as long again
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
    seen = good.images[held] if len(held) else good.images
    examples = torch.from_numpy(seen[:: -(-len(seen) // MAX_EXAMPLES)])
    tensors = {**network.trained_state(), REFERENCES: references, EXAMPLES: examples, TAUGHT: image_digests(good.images[kept])}
    model_id = save_somewhere(output, lambda path: save_artifact(path, card, tensors))
    checkpoint_path(output).unlink(missing_ok=True)
    return TeachReport(output, model_id, len(good.images), len(kept), len(held), trainer.step, trainer.loss,
                       time.monotonic() - started, calibration, good.skipped, folds, preset.network.brightness,
                       good.copies, good.sample_bits, good.largest_sample, filled - begun, trained - filled)


def _from_bag(bag: BagSource, size: int, progress: bool, crop: Crop, bits: int | None) -> GoodImages:
    from hetnet_ros.learning.bag_images import load_bag_images  # its libraries are of no use to those who teach from pictures

    return load_bag_images(bag, size, progress, crop, bits)


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
            _keep(checkpoint, current, run)
            saved = time.monotonic()

    try:
        trainer.run(keep, progress)
    except KeyboardInterrupt:
        _keep(checkpoint, trainer, run)
        raise


def _keep(checkpoint: Path, trainer: Trainer, run: str) -> None:
    """Write the checkpoint; where it cannot be written, for instance on a full disk, teaching goes on without and says so."""
    try:
        save_checkpoint(checkpoint, trainer, run)
    except InputError as error:
        tqdm.write(f"this progress is not kept: {error}", file=sys.stderr)


def check_model_output(output: Path) -> None:
    """Refuse an output that cannot be written before minutes are spent on it."""
    if output.suffix != ".safetensors":
        raise InputError(f"model file {shown(output)} must end in .safetensors")
    check_output_file(output)
    check_output_file(checkpoint_path(output))  # the longer name of the two


def _name(data: Path) -> str:
    """The part's name: the folder's, skipping ``train/good``, or the bag's."""
    parts = [p for p in data.resolve().parts if p not in ("train", "good")]
    return parts[-1].split(".mcap")[0].split(".db3")[0] if parts else "part"
