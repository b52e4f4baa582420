"""What the model gives for each picture of ``benchmarks/verdicts.py``, and the verdicts that follow at any promised rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm
from verdict_parts import Counts, cell_digest, pictures, plan

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.domain import MapSpread
from hetnet_ros.inspection.image_statistics import ImageStatistics, measure
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.preprocessing import to_tensor
from hetnet_ros.inspection.result import Box, Inspection, Thresholds, Verdict

BATCH = 8


@dataclass(frozen=True)
class Outputs:
    """One row for each picture: raw scores, map peaks and map levels (N,), distances to the taught views (N,), statistics
    (N, 4)."""

    scores: np.ndarray
    peaks: np.ndarray
    levels: np.ndarray
    distances: np.ndarray
    statistics: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)


def outputs(inspector: PartInspector, role: str, counts: Counts, cache: Path | None) -> Outputs:
    """Run the model over a role's pictures; kept in ``cache`` by the model's id."""
    path = cache / f"{role}_{len(plan(role, counts))}_{inspector.model_id}_{cell_digest()}.npz" if cache else None
    if path and path.exists():
        return Outputs(**np.load(path))
    images = pictures(role, counts, inspector.card.network.image_size, cache)
    scores, peaks, levels, distances, statistics = [], [], [], [], []
    for start in tqdm(range(0, len(images), BATCH), desc=f"inspecting: {role}", unit="batch", disable=None):
        batch = np.array(images[start:start + BATCH])
        found = inspector.runner(to_tensor(batch))
        scores.append(found.scores)
        peaks.append(found.maps.max((1, 2)))
        levels += [MapSpread.of(one).level for one in found.maps]
        distances += [inspector.domain.distance(one) for one in found.descriptors]
        statistics += [tuple(vars(measure(image)).values()) for image in batch]
    result = Outputs(np.concatenate(scores).astype(np.float64), np.concatenate(peaks).astype(np.float64),
                     np.array(levels), np.array(distances), np.array(statistics))
    if path:
        np.savez(path, **vars(result))
    return result


def inspections(inspector: PartInspector, calibration: Calibration, found: Outputs) -> list[Inspection]:
    """The Inspection of each picture under ``calibration``, as the inspector decides it, without map and defects."""
    return [_inspection(inspector, calibration, float(score), float(distance),
                        MapSpread(float(level), float(peak)),
                        ImageStatistics(*map(float, statistics)))
            for score, distance, level, peak, statistics in zip(found.scores, found.distances, found.levels, found.peaks,
                                                            found.statistics)]


def _inspection(inspector: PartInspector, calibration: Calibration, raw: float, distance: float, spread: MapSpread,
                statistics: ImageStatistics) -> Inspection:
    verdict, reason, detail = calibration.decide(raw)
    foreign = inspector.domain.limits.judge(distance, verdict, spread, statistics)
    if foreign is not None:
        verdict, (reason, detail) = Verdict.UNCERTAIN, foreign
    return Inspection(verdict, reason, detail, calibration.calibrated_score(raw), raw, calibration.p_value(raw),
                      Thresholds(calibration.thresholds.accept), (480, 640), Box(0, 0, 640, 480), inspector.model_id)
