"""Runs a model over labelled images, the way it would run in the cell: one image at a time through PartInspector.

Maps are scored at the size of the image as stored on disk, where the ground truth is; an image's map is reduced to
:class:`PixelCounts` at once, so that memory does not grow with resolution.
"""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.condition_report import ConditionReport, report_conditions
from hetnet_ros.evaluation.conditions import Condition, Conditions
from hetnet_ros.evaluation.datasets import LabelledDataset, LabelledImage
from hetnet_ros.evaluation.metrics import aupro, image_auroc, pixel_auroc
from hetnet_ros.evaluation.pixel_counts import PixelCounts, add_counts, count_pixels
from hetnet_ros.evaluation.result import EvaluationResult, GroupResult, ImageOutcome, VerdictCounts
from hetnet_ros.inspection.image_files import read_rgb
from hetnet_ros.inspection.maps import source_map
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.own_files import OwnFiles


def evaluate(
    inspector: PartInspector,
    dataset: LabelledDataset,
    maps_folder: Path | None = None,
    progress: bool = False,
    conditions: Conditions | None = None,
    remarks: tuple[str, ...] = (),
) -> EvaluationResult:
    """Inspect every image of ``dataset`` and compute all metrics.

    maps_folder: where to write each raw map, float32 (H, W) at the stored image's size, as ``<name>.npy``.
    conditions: those of the data set's images (``find_conditions``), to report by; they cost next to nothing.
    remarks: on the ground truth, of :func:`check_truth`.
    Raises InputError for an image or mask that cannot be used, or a map that cannot be written or whose name is taken.
    """
    maps = None if maps_folder is None else OwnFiles(maps_folder, "give another folder with --maps")
    if maps is not None:
        maps.check(f"{image.name}.npy" for image in dataset.images)
    inspector.warm_up()
    started = time.perf_counter()
    outcomes: list[ImageOutcome] = []
    counts: list[PixelCounts] = []
    of_images = conditions.of_images if conditions else [Condition()] * len(dataset.images)
    pairs = list(zip(dataset.images, of_images))
    for image, condition in tqdm(pairs, desc="evaluating", unit="image", disable=not progress, leave=False):
        outcome, raw_map = _inspect(inspector, image, condition)
        outcomes.append(outcome)
        counts.append(image_counts(image, raw_map))
        if maps is not None:
            maps.write(f"{image.name}.npy", _npy(raw_map))
    types = tuple(_group(name, [name], outcomes, counts) for name in dataset.defect_types)
    return EvaluationResult(
        model_id=inspector.model_id,
        part_name=inspector.card.part_name,
        preset=inspector.card.preset,
        device=inspector.device,
        data=str(dataset.path),
        thresholds=inspector.calibration.thresholds,
        total=_group("total", dataset.defect_types, outcomes, counts),
        types=types,
        images=tuple(outcomes),
        conditions=_by_condition(conditions, outcomes, counts),
        seconds=time.perf_counter() - started,
        remarks=remarks,
    )


def _by_condition(
    conditions: Conditions | None, outcomes: list[ImageOutcome], counts: list[PixelCounts]
) -> ConditionReport | None:
    if conditions is None:
        return None
    scores = [outcome.raw_score for outcome in outcomes]
    return report_conditions(conditions, scores, [outcome.is_defective for outcome in outcomes], counts)


def _inspect(
    inspector: PartInspector, image: LabelledImage, condition: Condition
) -> tuple[ImageOutcome, np.ndarray]:
    rgb = read_rgb(image.path, inspector.card.sample_bits)
    begun = time.perf_counter()
    try:
        inspection = inspector.inspect(rgb)
    except InputError as error:
        raise InputError(f"{image.path}: {error}") from None
    elapsed = time.perf_counter() - begun
    outcome = ImageOutcome(
        name=image.name,
        defect_type=image.defect_type,
        is_defective=image.is_defective,
        verdict=inspection.verdict,
        reason=inspection.reason,
        score=inspection.score,
        raw_score=inspection.raw_score,
        p_value=inspection.p_value,
        regions=len(inspection.defects),
        milliseconds=1000 * elapsed,
        condition=condition,
    )
    return outcome, source_map(inspection)


def image_counts(image: LabelledImage, raw_map: np.ndarray) -> PixelCounts:
    """The counts of one image's raw map, float (H, W) at the stored image's size, against its ground truth; empty for a
    defective image without a mask.  Raises InputError for values that are not finite or a mask that cannot be used."""
    mask = image.mask(raw_map.shape)
    if not np.isfinite(raw_map).all():
        raise InputError(f"the model's map of {image.path} holds values that are not finite; teach the part again")
    if image.is_defective and mask is None:
        return add_counts([])  # which of its pixels are normal is not known
    return count_pixels(raw_map, mask)


def _group(name: str, types: Sequence[str], outcomes: list[ImageOutcome], counts: list[PixelCounts]) -> GroupResult:
    """All good images together with the defective ones of ``types``."""
    chosen = [
        index for index, outcome in enumerate(outcomes) if not outcome.is_defective or outcome.defect_type in types
    ]
    group = [outcomes[index] for index in chosen]
    merged = add_counts(counts[index] for index in chosen)
    return GroupResult(
        name=name,
        image_auroc=image_auroc([o.raw_score for o in group], [o.is_defective for o in group]),
        pixel_auroc=pixel_auroc(merged),
        aupro=aupro(merged),
        good=VerdictCounts.of([o for o in group if not o.is_defective]),
        defective=VerdictCounts.of([o for o in group if o.is_defective]),
        regions=merged.regions,
    )


def _npy(raw_map: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, raw_map.astype(np.float32, copy=False), allow_pickle=False)
    return buffer.getvalue()
