"""What the numbers of a model's card may be: those that teaching can give, and no others.

A limit that is not finite, or far beyond what images can read, switches off what it guards.  The network's own settings are
checked in :mod:`hetnet_ros.network.config`, where presets pass as well; here is the rest, in one table.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.sample_depth import DEPTHS

if TYPE_CHECKING:
    from hetnet_ros.inspection.artifact import ModelCard
    from hetnet_ros.inspection.parity import Parity

_TINY, _HUGE = 1e-300, 1e30
"""Raw scores are sums or products of distances; they have no unit, but they are positive."""
_COUNT = 10**9
MOST_SCORES = 10**6
"""Good images that a calibration may rest on."""

BOUNDS: dict[str, tuple[float, float]] = {
    "calibration.good_scores": (-1, _HUGE), "calibration.good_peaks": (-1, _HUGE), "calibration.score_accept": (_TINY, _HUGE),
    "calibration.score_reject": (_TINY, _HUGE), "calibration.pixel": (_TINY, _HUGE),
    "calibration.score_steepness": (0.01, 100), "calibration.pixel_steepness": (0.01, 100),
    "calibration.false_reject": (0, 1), "calibration.doubt": (0, 1),
    "domain.familiar": (0, 6), "domain.foreign": (0, 6), "domain.level": (0, _HUGE),  # three times a cosine distance
    "domain.statistics.darkest": (-1024, 255), "domain.statistics.brightest": (0, 1280),  # grey levels and three deviations
    "domain.statistics.dark": (0, 4), "domain.statistics.saturated": (0, 4),  # shares and three deviations
    "domain.statistics.sharpness": (-32, 4),
    "training.images": (1, _COUNT), "training.held_out": (0, _COUNT), "training.min_size": (1, 10**6),
    "training.max_size": (1, 10**6), "training.steps": (0, _COUNT), "training.seed": (-2**63, 2**64), "training.views": (1, 10**6),
    "training.loss": (-1e9, 1e9), "training.folds": (0, 1000), "training.recalibrated": (0, _COUNT),
    "crop.x": (0, 1), "crop.y": (0, 1), "crop.width": (0, 1), "crop.height": (0, 1),
}
"""Smallest and largest value of each number of a card, by its place."""

PARITY_BOUNDS: dict[str, tuple[float, float]] = {
    "images": (1, 10**6), "score_shift": (0.1, 10), "map_shift": (0.1, 10), "score_difference": (0, 1), "map_difference": (0, 1),
    "descriptor_difference": (-0.1, 1), "auroc": (0, 1), "auroc_torch": (0, 1), "verdicts_moved": (0, 10**6),
    "verdicts_flipped": (0, 0),  # a backend that turns REJECT into PASS is not exported
}
"""The same of how an exported model compared to torch; the gate itself is narrower."""


def check_card(card: ModelCard) -> None:
    """Raise ValueError, in one line, for a card whose numbers or names no teaching gives."""
    for part in ("calibration", "domain", "training", "crop"):
        _within(BOUNDS, getattr(card, part), part)
    calibration, domain = card.calibration, card.domain
    for name, scores in (("good_scores", calibration.good_scores), ("good_peaks", calibration.good_peaks)):
        if len(scores) > MOST_SCORES or any(left > right for left, right in zip(scores, scores[1:])):
            raise ValueError(f"calibration.{name} are to ascend and to be at most {MOST_SCORES:,}")
    if card.sample_bits not in DEPTHS:
        raise ValueError(f"sample_bits is {card.sample_bits}, and {', '.join(map(str, DEPTHS))} can be")
    if domain.familiar > domain.foreign or domain.statistics.darkest > domain.statistics.brightest:
        raise ValueError("domain holds limits in the wrong order")
    for record, config in zip(card.teachers, (card.network.cnn, card.network.transformer)):
        if record.model != config.model:
            raise ValueError(f"it names the weights of {shown(record.model, 60)} for the teacher {config.model}")
        if not re.fullmatch("[0-9a-f]{64}", record.sha256):
            raise ValueError(f"the hash of the weights of {config.model} is no SHA-256")


def check_parity(parity: Parity) -> None:
    """Raise ValueError for figures of a comparison that no export gives."""
    _within(PARITY_BOUNDS, parity, "")


def _within(bounds: dict[str, tuple[float, float]], values: Any, place: str) -> None:
    for name, value in _numbers(values, place):
        low, high = bounds[name]
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"{name} is {shown(value, 40)}, and {low:g} to {high:g} can be")


def _numbers(values: Any, place: str) -> Iterator[tuple[str, float]]:
    """Every number in a dataclass with its place; those of a list at the place of the list."""
    if dataclasses.is_dataclass(values):
        for field in dataclasses.fields(values):
            yield from _numbers(getattr(values, field.name), f"{place}.{field.name}".lstrip("."))
    elif isinstance(values, tuple):
        yield from ((place, value) for value in values)
    else:
        yield place, values
