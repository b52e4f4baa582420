"""How score and light went over the recording, and where they jumped.

Jumps are found by optimal partitioning with a penalty for each jump (Jackson et al., IEEE Signal Processing Letters 2005;
what PELT speeds up) on the medians of at most 400 stretches, so that any length of bag costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_STRETCHES = 400
_SHORTEST = 5
"""Stretches on either side of a jump, at least."""
_FEWEST = 40
"""Values below which a jump cannot be told from the difference between parts."""
_LAGS = (1, 2, 4, 8, 16)
"""Distances over which the noise is judged: frames of one part resemble each other, and parts differ without drift."""
_PENALTY = 10.0
"""Times the noise's variance times the logarithm of the number of stretches: what a jump must gain."""


@dataclass(frozen=True)
class ChangePoint:
    """seconds: since the bag's start.  before, after: mean of the values up to the next change on either side."""

    seconds: float
    before: float
    after: float


@dataclass(frozen=True)
class Series:
    """A value over time, as medians of stretches of equally many frames.  seconds, values: (N,), N at most 400."""

    name: str
    seconds: tuple[float, ...]
    values: tuple[float, ...]
    changes: tuple[ChangePoint, ...]


def make_series(name: str, seconds: np.ndarray, values: np.ndarray) -> Series:
    """seconds, values: (N,) in order of time; values that are not finite are left out."""
    finite = np.isfinite(values)
    seconds, values = np.asarray(seconds, float)[finite], np.asarray(values, float)[finite]
    if not len(values):
        return Series(name, (), (), ())
    stretches = np.array_split(np.arange(len(values)), min(len(values), MOST_STRETCHES))
    times = np.array([seconds[part[0]] for part in stretches])
    # The lower median is a value that occurred: a stretch across a jump belongs to one side of it.
    medians = np.array([np.percentile(values[part], 50, method="lower") for part in stretches])
    bounds = [0, *change_points(medians), len(medians)]
    levels = [float(medians[begin:end].mean()) for begin, end in zip(bounds, bounds[1:])]
    changes = tuple(
        ChangePoint(float(times[place]), before, after) for place, before, after in zip(bounds[1:-1], levels, levels[1:])
    )
    return Series(name, tuple(times.tolist()), tuple(medians.tolist()), changes)


def change_points(values: np.ndarray) -> list[int]:
    """Indices at which a new level begins, ascending; values (N,) finite."""
    count = len(values)
    if count < _FEWEST:
        return []
    steps = [np.abs(values[lag:] - values[:-lag]) for lag in _LAGS if lag == 1 or lag <= count / 8]
    noise = max(1.4826 * float(np.median(step)) / np.sqrt(2) for step in steps)  # 1.4826: MAD to standard deviation
    noise = max(noise, 0.02 * float(values.std()), 1e-9)
    penalty = _PENALTY * noise**2 * np.log(count)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    squares = np.concatenate([[0.0], np.cumsum(values**2)])
    best = np.full(count + 1, np.inf)
    best[0] = -penalty
    last = np.zeros(count + 1, int)
    candidates = np.array([0])
    for end in range(_SHORTEST, count + 1):
        length = end - candidates
        spread = squares[end] - squares[candidates] - (sums[end] - sums[candidates]) ** 2 / length
        costs = best[candidates] + spread + penalty
        best[end], last[end] = costs.min(), candidates[int(costs.argmin())]
        if end + 1 >= 2 * _SHORTEST:
            candidates = np.append(candidates, end + 1 - _SHORTEST)
    found, end = [], count
    while last[end] > 0:
        end = int(last[end])
        found.append(end)
    return found[::-1]
