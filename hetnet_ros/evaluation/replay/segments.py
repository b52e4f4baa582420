"""The stretches of a recording: where frames follow each other without a pause, and so most likely show one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.bags import BagFrame

_THUMBNAIL = (16, 12)


@dataclass(frozen=True)
class Segment:
    """Frames ``first`` to ``last`` (numbers on the topic), their stamps (ns), and how unlike the segment before its first
    frame is: mean difference of thumbnails, 0 to 1, NaN for the first."""

    first: int
    last: int
    first_stamp: int
    last_stamp: int
    novelty: float

    @property
    def frames(self) -> int:
        return self.last - self.first + 1


def find_segments(frames: Iterable[BagFrame], gap: float, jump: float = 0.12) -> list[Segment]:
    """Segments end at pauses of more than ``gap`` seconds, at stamps that go back, and where the picture changes by more
    than ``jump`` (mean difference of thumbnails, 0 to 1) from one frame to the next."""
    segments: list[Segment] = []
    before: tuple[int, np.ndarray | None] | None = None
    for frame in frames:
        thumbnail = _thumbnail(frame)
        stamp = frame.stamp_ns or frame.log_ns
        novelty = float("nan")
        if before is not None and before[1] is not None and thumbnail is not None:
            novelty = float(np.abs(thumbnail - before[1]).mean()) / 255
        apart = before is None or not 0 <= stamp - before[0] <= gap * 1e9 or novelty > jump
        if apart:
            segments.append(Segment(frame.index, frame.index, stamp, stamp, novelty))
        else:
            last = segments[-1]
            segments[-1] = Segment(last.first, frame.index, last.first_stamp, stamp, last.novelty)
        before = (stamp, thumbnail if thumbnail is not None else before[1] if before else None)
    return segments


def _thumbnail(frame: BagFrame) -> np.ndarray | None:
    try:
        return cv2.resize(frame.rgb(), _THUMBNAIL, interpolation=cv2.INTER_AREA).astype(np.float32)
    except InputError:
        return None
