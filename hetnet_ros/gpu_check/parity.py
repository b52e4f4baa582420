"""Whether the device gives the CPU's answers: the same model file on the same pictures, scores, maps and verdicts.

The reference is torch in float32 on the CPU.  Each backend is held to the limits of an export (``inspection.parity``), with the
difference that the torch backends, which run the model file itself, get no thresholds of their own.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence

import numpy as np

from hetnet_ros.gpu_check.backends import absence, candidates, open_backend
from hetnet_ros.gpu_check.models import SHARED, model_for
from hetnet_ros.gpu_check.pictures import labelled_pictures
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import Reporter
from hetnet_ros.inspection.backends.interface import BACKENDS, BackendKind
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.image_files import read_rgb
from hetnet_ros.inspection.parity import EXACT_TOLERANCE, FLIP_TOLERANCE, MAP_TOLERANCE, SCORE_TOLERANCE
from hetnet_ros.inspection.result import Inspection, Verdict

TABLE = "parity"
_FOUND = "parity.jsonl"


@dataclasses.dataclass(frozen=True)
class Answer:
    """To one picture, in units of the backend's own thresholds, so that those which a calibration shifts can be compared.

    score: 1 at the reject threshold.  map: float32 (S, S), 1 at the pixel threshold.
    """

    verdict: Verdict
    score: float
    map: np.ndarray

    @classmethod
    def of(cls, inspection: Inspection, calibration: Calibration) -> Answer:
        return cls(inspection.verdict, inspection.raw_score / calibration.score_reject,
                   inspection.anomaly_map / calibration.pixel)


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of one backend to the reference.  score, map: largest relative difference of a score, and of map values the largest, or in
    lower precision the 99th percentile.  map_correlation: the lowest of a picture's.  moved: verdicts to or from UNCERTAIN.
    flipped: verdicts between PASS and REJECT."""

    score: float
    map: float
    map_correlation: float
    moved: int
    flipped: int


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """One row for each backend; those within the limits are noted for the node."""
    model = model_for(settings, *SHARED, report)
    good, defective = labelled_pictures(settings)
    pictures = [read_rgb(path) for path in good + defective]
    (settings.folder / _FOUND).touch()
    reference = answers(model, "torch", "cpu", pictures)
    verdicts = ", ".join(f"{sum(answer.verdict == verdict for answer in reference)} {verdict.name}" for verdict in Verdict)
    report.note(f"{len(good)} good and {len(defective)} defective pictures; the CPU in float32 says {verdicts}")
    names = [name for name in candidates(settings.device, settings.quick) if (name, settings.device) != ("torch", "cpu")]
    for name in report.remaining(names):
        missing = absence(name, settings.device)
        if missing:
            report.absent(TABLE, name, missing)
            continue
        with report.unit(TABLE, name):
            found = compare(reference, answers(model, name, settings.device, pictures), _exact(BACKENDS[name], settings.device))
            wrong = violations(found, _exact(BACKENDS[name], settings.device), len(pictures))
            figures = {"score_difference": _short(found.score), "map_difference": _short(found.map),
                       "map_correlation": round(found.map_correlation, 5), "verdicts_moved": found.moved,
                       "verdicts_flipped": found.flipped, "within_limits": "no" if wrong else "yes"}
            if wrong:
                report.failed(TABLE, name, "; ".join(wrong), **figures)
            else:
                report.row(TABLE, name, **figures)
                _remember(settings, name)


def answers(model, name: str, device: str, pictures: Sequence[np.ndarray]) -> list[Answer]:  # noqa: ANN001 - Path
    """The backend's answers to uint8 (H, W, 3) pictures."""
    inspector = open_backend(model, name, device)
    return [Answer.of(inspector.inspect(picture), inspector.calibration) for picture in pictures]


def compare(reference: Sequence[Answer], other: Sequence[Answer], exact: bool) -> Difference:
    """How the answers to the same pictures differ."""
    pairs = list(zip(reference, other))
    scores = [abs(theirs.score - ours.score) / max(1.0, ours.score) for ours, theirs in pairs]
    maps = np.stack([np.abs(theirs.map - ours.map) / np.maximum(1.0, ours.map) for ours, theirs in pairs])
    # A threshold may lie exactly at the score that it was made from.
    changed = [(ours.verdict, theirs.verdict) for (ours, theirs), apart in zip(pairs, scores)
               if ours.verdict != theirs.verdict and not apart <= EXACT_TOLERANCE]
    moved = sum(Verdict.UNCERTAIN in pair for pair in changed)
    return Difference(
        score=_largest(scores), map=float(maps.max() if exact else np.percentile(maps, 99)),
        map_correlation=min(float(np.corrcoef(ours.map.ravel(), theirs.map.ravel())[0, 1]) for ours, theirs in pairs),
        moved=moved, flipped=len(changed) - moved)


def violations(found: Difference, exact: bool, pictures: int) -> list[str]:
    """What of it is beyond the limits, in words."""
    score, maps = (EXACT_TOLERANCE,) * 2 if exact else (SCORE_TOLERANCE, MAP_TOLERANCE)
    allowed = 0 if exact else math.ceil(FLIP_TOLERANCE * pictures)
    checks = ((found.score, score, "scores differ by"), (found.map, maps, "maps differ by"),
              (found.moved, allowed, "verdicts to or from UNCERTAIN:"), (found.flipped, 0, "verdicts between PASS and REJECT:"))
    return [f"{words} {value:.3g} (allowed {limit:.3g})" for value, limit, words in checks if not value <= limit]  # NaN is beyond


def allowed_backends(settings: Settings) -> list[str] | None:
    """Those that were found within the limits, on a CPU also torch, which they are held against; None where parity was not
    measured."""
    path = settings.folder / _FOUND
    if not path.exists():
        return None
    return [json.loads(line) for line in path.read_text().splitlines()] + (["torch"] if settings.device == "cpu" else [])


def _remember(settings: Settings, name: str) -> None:
    with (settings.folder / _FOUND).open("a") as file:
        file.write(json.dumps(name) + "\n")


def _exact(kind: BackendKind, device: str) -> bool:
    """Whether rounding in float32 is all that may separate it: on a card, torch itself computes in float16."""
    return kind.exact and (device == "cpu" or kind.runtime != "torch")


def _largest(values: Sequence[float]) -> float:
    """NaN where one of them is."""
    return float(np.max(values))


def _short(value: float) -> float:
    return float(f"{value:.2g}")
