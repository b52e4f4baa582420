"""Calibrates a taught model anew, on other good images or for another promised rate; the network stays as it is."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import TAUGHT, load_artifact, save_artifact
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.image_files import list_images
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.learning.calibrate import DefectReport, check_rate, fit_calibration, refine_with_defects, with_rate
from hetnet_ros.learning.copies import copied_from
from hetnet_ros.learning.domain_limits import image_digests
from hetnet_ros.learning.good_images import load_good_images, read_cropped
from hetnet_ros.learning.teach import check_model_output

LEAST_IMAGES = 8


@dataclass(frozen=True)
class RecalibrationReport:
    """What came of it.  good: images calibrated on, 0 where the teaching's own scores were kept; taught: images left out
    because the model was taught on them, or on one that they are copies of; copies: images, good or defective, left out because they
    are copies of others that count; skipped: one line for each file that could not be used."""

    model_id: str
    calibration: Calibration
    good: int
    taught: int
    skipped: tuple[str, ...]
    defects: DefectReport | None
    copies: int = 0


def recalibrate(model: Path, output: Path, data: Path | None = None, defects: Path | None = None,
                false_reject: float | None = None, device: str = "auto", progress: bool = True) -> RecalibrationReport:
    """Write ``model`` with a new calibration to ``output``.

    data: folder of good images that were not taught (those that were are left out); None keeps the scores from teaching.
    defects: folder of images of defective parts, by which the accept threshold is lowered.  false_reject: promised rate;
    None keeps the model's.  Raises InputError for anything that cannot be used; ``output`` is then untouched.
    """
    check_model_output(Path(output))
    if false_reject is not None:
        check_rate(false_reject)
    artifact = load_artifact(Path(model))
    card, inspector = artifact.card, None
    rate = card.calibration.false_reject if false_reject is None else false_reject
    calibration, good, taught, skipped, copies = with_rate(card.calibration, rate), 0, 0, (), 0
    bad = None if defects is None else _defective(defects, card)
    if data is not None:
        found = load_good_images(Path(data), card.network.image_size, 10**6, progress, crop=card.crop, bits=card.sample_bits)
        seen = np.isin(image_digests(found.images).numpy(), artifact.tensors[TAUGHT].numpy())
        seen = np.isin(found.part_numbers, found.part_numbers[seen])  # with their copies
        first = np.unique(found.part_numbers[~seen], return_index=True)[1]
        images, taught, skipped = found.images[~seen][np.sort(first)], int(seen.sum()), found.skipped
        copies = int((~seen).sum()) - len(images)
        if len(images) < LEAST_IMAGES:
            raise InputError(f"{data} holds {len(images)} different good images that the model was not taught on ({taught} were, {copies} "
                             f"are copies): calibration needs at least {LEAST_IMAGES}; take more pictures of good parts")
        inspector = PartInspector.load(model, device)  # which takes longest, and last
        scores, peaks = _scores(inspector, images, progress)
        calibration, good = fit_calibration(scores, peaks, false_reject=rate), len(images)
    report = None
    if bad is not None:
        inspector = inspector or PartInspector.load(model, device)
        different = copied_from(bad) == np.arange(len(bad))
        calibration, report = refine_with_defects(calibration, _scores(inspector, bad[different], progress)[0])
        copies += int((~different).sum())
    summary = dataclasses.replace(card.training, recalibrated=good or card.training.recalibrated)
    model_id = save_artifact(output, dataclasses.replace(card, calibration=calibration, training=summary), artifact.tensors)
    return RecalibrationReport(model_id, calibration, good, taught, skipped, report, copies)


def _defective(folder: Path, card) -> np.ndarray:
    """All images in ``folder`` and the folders in it, as the network sees them."""
    folders = [Path(folder), *(sorted(p for p in Path(folder).iterdir() if p.is_dir()) if Path(folder).is_dir() else ())]
    paths = [path for one in folders for path in list_images(one)]
    if not paths:
        raise InputError(f"{folder} holds no images of defective parts: give a folder of them, or one of folders by kind")
    return np.stack([read_cropped(path, card.crop, card.network.image_size, card.sample_bits)[0] for path in paths])


def _scores(inspector: PartInspector, images: np.ndarray, progress: bool) -> tuple[np.ndarray, np.ndarray]:
    found = [inspector.runner(image[None]) for image in tqdm(images, desc="scoring", unit="img", disable=not progress)]
    scores = np.array([float(one.scores[0]) for one in found])
    if not np.isfinite(scores).all():
        raise InputError("the model gives scores that are not finite for some of the images: teach the part again")
    return scores, np.array([one.maps.max() for one in found])
