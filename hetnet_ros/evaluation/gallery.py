"""The images worth looking at after an evaluation: defects that were missed and good parts that were flagged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from hetnet_ros.evaluation.datasets import LabelledDataset
from hetnet_ros.evaluation.result import EvaluationResult, ImageOutcome
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.image_files import read_rgb
from hetnet_ros.inspection.maps import source_map
from hetnet_ros.inspection.overlay import draw_overlay
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.result import Inspection, Verdict

_TRUTH_COLOUR = (0, 200, 255)
_LONGEST_SIDE = 480


@dataclass(frozen=True)
class Exhibit:
    """One image of the gallery: the stored image with the ground truth's outline, the anomaly map in colours (blue at
    0, yellow from 1.5 times the pixel threshold on) and the overlay; uint8 RGB of one size, at most 480 px long."""

    outcome: ImageOutcome
    source: np.ndarray
    heat: np.ndarray
    overlay: np.ndarray


def worst_misses(result: EvaluationResult, count: int) -> list[ImageOutcome]:
    """At most ``count`` defective images, those that look best to the model: not rejected first, then lowest scores."""
    return _ranked([image for image in result.images if image.is_defective], Verdict.REJECT, count, sign=1)


def worst_false_alarms(result: EvaluationResult, count: int) -> list[ImageOutcome]:
    """At most ``count`` good images, those that look worst to the model: not passed first, then highest scores."""
    return _ranked([image for image in result.images if not image.is_defective], Verdict.PASS, count, sign=-1)


def _ranked(images: list[ImageOutcome], right: Verdict, count: int, sign: int) -> list[ImageOutcome]:
    def order(image: ImageOutcome) -> tuple[bool, float, str]:
        suspicion = sign * image.raw_score if math.isfinite(image.raw_score) else -math.inf
        return image.verdict == right, suspicion, image.name

    return sorted(images, key=order)[:count]


def make_exhibit(outcome: ImageOutcome, dataset: LabelledDataset, inspector: PartInspector) -> Exhibit:
    """Inspect the image again and draw it; keeping all pictures of an evaluation would need its size in memory."""
    image = next(candidate for candidate in dataset.images if candidate.name == outcome.name)
    rgb = read_rgb(image.path, inspector.card.sample_bits)
    inspection = inspector.inspect(rgb)
    return Exhibit(outcome, *draw_pictures(rgb, inspection, image.mask(rgb.shape[:2]), inspector.calibration))


def draw_pictures(
    rgb: np.ndarray, inspection: Inspection, mask: np.ndarray | None, calibration: Calibration,
    longest: int = _LONGEST_SIDE,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An exhibit's three pictures, at most ``longest`` px long; mask: bool (H, W), the ground truth, None if unknown."""
    overlay = draw_overlay(rgb, inspection, calibration)
    heat = _coloured(source_map(inspection) / (1.5 * calibration.pixel))
    return tuple(_small(picture, longest) for picture in (_with_truth(rgb, mask), heat, overlay))


def _coloured(values: np.ndarray) -> np.ndarray:
    """float (H, W), 0..1 -> uint8 (H, W, 3); the same scale for every image, so that they can be compared."""
    level = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(level, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)


def _with_truth(rgb: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    if mask is None:
        return rgb
    picture = rgb.copy()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    line = max(1, round(min(rgb.shape[:2]) / 320))
    cv2.drawContours(picture, outlines, -1, (20, 20, 20), 3 * line, cv2.LINE_AA)
    cv2.drawContours(picture, outlines, -1, _TRUTH_COLOUR, line, cv2.LINE_AA)
    return picture


def _small(rgb: np.ndarray, longest: int) -> np.ndarray:
    scale = longest / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    width, height = (max(1, round(side * scale)) for side in (rgb.shape[1], rgb.shape[0]))
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
