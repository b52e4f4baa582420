"""Pixel counts of a replay, added up as it goes, so that they do not grow with the length of the bag."""

from __future__ import annotations

import numpy as np

from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.pixel_counts import PixelCounts, add_counts, count_pixels

_BATCH = 24


class PixelTally:
    """Adds up the counts of each condition."""

    def __init__(self) -> None:
        self._waiting: dict[Condition, list[PixelCounts]] = {}

    def add(self, condition: Condition, raw_map: np.ndarray, mask: np.ndarray | None) -> None:
        """raw_map: float32 (H, W), finite.  mask: bool (H, W), None where the frame is good."""
        waiting = self._waiting.setdefault(condition, [])
        waiting.append(count_pixels(raw_map, mask))
        if len(waiting) >= _BATCH:
            waiting[:] = [add_counts(waiting)]

    def counts(self) -> dict[Condition, PixelCounts]:
        return {condition: add_counts(waiting) for condition, waiting in self._waiting.items()}
