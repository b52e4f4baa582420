"""Frames that came and were not inspected: replaced by newer ones, or received while the inspector was paused.

Their pictures have been seen all the same.  A driver that goes round old pictures faster than they are inspected would otherwise
have one left that passes for new, and one that froze during a pause would too.  They are looked at when there is time.
"""

from __future__ import annotations

import random
import threading

from hetnet_ros.nodes.frames import Frame

_KEPT = 2
"""Frames kept of each camera, whole; which of many, is left to chance, so that none is always left out."""


class PassedOver:
    """Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: dict[str, list[Frame]] = {}
        self._chance = random.Random(0)

    def put(self, frame: Frame) -> None:
        """Keep a frame, instead of another one if need be."""
        with self._lock:
            kept = self._frames.setdefault(frame.camera, [])
            if len(kept) < _KEPT:
                kept.append(frame)
            else:
                kept[self._chance.randrange(_KEPT)] = frame

    def take(self, camera: str) -> Frame | None:
        """A frame of this camera that is no longer kept then, or None."""
        with self._lock:
            kept = self._frames.get(camera)
            return kept.pop() if kept else None


class Allowance:
    """Time for what must not hold up inspections: a fiftieth of theirs."""

    def __init__(self) -> None:
        self._seconds = 0.0

    @property
    def left(self) -> bool:
        return self._seconds > 0

    def earn(self, seconds: float) -> None:
        self._seconds = min(self._seconds + seconds / 50, 0.1)

    def spend(self, seconds: float) -> None:
        self._seconds -= seconds
