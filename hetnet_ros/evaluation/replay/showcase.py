"""The pictures of a report, collected while the bag runs past: bounded in number, whatever the bag's length.

Of each kind (missed defects, false alarms, uncertain frames, and the rest as a sample) the most telling ones are kept, as
small JPEGs; a frame is drawn only if it makes it into the list.
"""

from __future__ import annotations

import heapq
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hetnet_ros.evaluation.gallery import draw_pictures
from hetnet_ros.evaluation.replay.outcome import FrameOutcome
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.result import Inspection, Verdict

MISS, ALARM, UNSURE, OTHER = "missed defect", "false alarm", "uncertain", "other"
KINDS = (MISS, ALARM, UNSURE, OTHER)
PER_KIND = 24
LARGEST_BYTES = 12_000_000
"""Of all pictures together, before base64."""
_LONGEST_SIDE = 400
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Shown:
    """A frame with its pictures, each a JPEG: the image with the ground truth outlined, the anomaly map, the overlay."""

    outcome: FrameOutcome
    kind: str
    image: bytes
    heat: bytes
    overlay: bytes

    @property
    def size(self) -> int:
        return len(self.image) + len(self.heat) + len(self.overlay)


class Showcase:
    """Collects; ``per_kind`` frames of each kind."""

    def __init__(self, calibration: Calibration, per_kind: int = PER_KIND) -> None:
        self._calibration, self._per_kind = calibration, per_kind
        self._kept: dict[str, list[tuple[float, int, Shown]]] = {kind: [] for kind in KINDS}
        self._number = 0

    def offer(self, outcome: FrameOutcome, rgb: np.ndarray, inspection: Inspection, mask: np.ndarray | None) -> None:
        """Keep the frame if it is among the most telling of its kind so far."""
        kind, worth = kind_and_worth(outcome)
        heap = self._kept[kind]
        if not np.isfinite(inspection.anomaly_map).all():
            return
        if len(heap) >= self._per_kind and worth <= heap[0][0]:
            return
        pictures = draw_pictures(rgb, inspection, mask, self._calibration, _LONGEST_SIDE)
        self._number += 1  # keeps the heap from comparing frames
        entry = (worth, self._number, Shown(outcome, kind, *map(_jpeg, pictures)))
        (heapq.heappushpop if len(heap) >= self._per_kind else heapq.heappush)(heap, entry)

    def frames(self) -> list[Shown]:
        """What was kept, kind by kind, the most telling first, as many as fit into :data:`LARGEST_BYTES`."""
        ranked = [shown for kind in KINDS for _, _, shown in sorted(self._kept[kind], key=lambda kept: -kept[0])]
        fitting, size = [], 0
        for shown in ranked:
            size += shown.size
            if size <= LARGEST_BYTES:
                fitting.append(shown)
        return fitting


def kind_and_worth(outcome: FrameOutcome) -> tuple[str, float]:
    """What kind of frame it is, and how much there is to learn from it; of the last kind a spread sample is kept."""
    score = outcome.score if np.isfinite(outcome.score) else 1.0
    if outcome.verdict == Verdict.UNCERTAIN:
        return UNSURE, outcome.is_defective + score
    if outcome.is_defective and outcome.verdict == Verdict.PASS:
        return MISS, 1 - score
    if outcome.is_good and outcome.verdict == Verdict.REJECT:
        return ALARM, score
    return OTHER, (outcome.index + 1) * _GOLDEN % 1


def choose_frames(outcomes: tuple[FrameOutcome, ...], per_kind: int = PER_KIND) -> set[tuple[str, int]]:
    """Topic and number of the frames that a showcase would end up with, where they are to be drawn afterwards."""
    chosen = set()
    for kind in KINDS:
        ranked = sorted((-worth, outcome.topic, outcome.index) for outcome in outcomes
                        for found, worth in [kind_and_worth(outcome)] if found == kind)
        chosen |= {(topic, index) for _, topic, index in ranked[:per_kind]}
    return chosen


def _jpeg(rgb: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
