"""Two replays of the same frames: which is better, by how much, is it more than chance, and which verdicts changed.

The difference of each figure gets an interval by the paired bootstrap: parts (frames where no part is named) are drawn
again with replacement, the same ones for both results, so that what both have in common cancels out.  Frames of one part
are drawn together, because they are one sample and not several.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets.labelled import GOOD
from hetnet_ros.evaluation.replay.json_file import FORMAT
from hetnet_ros.plain_json import read_json

DRAWS = 1000
#: Figure -> whether more is better, and what it is.
FIGURES: dict[str, tuple[bool, str]] = {
    "false_pass": (False, "defective frames that passed"),
    "false_reject": (False, "good frames that were rejected"),
    "uncertain": (False, "labelled frames without a decision"),
    "f1_reject": (True, "F1 where REJECT counts as found"),
    "image_auroc": (True, "chance that a defective frame scores above a good one"),
}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True)
class LoadedReplay:
    """A result file: its path, its content, and its frames by topic and number."""

    path: Path
    content: dict[str, Any]
    frames: dict[tuple[str, int], dict[str, Any]]


@dataclass(frozen=True)
class Difference:
    """One figure of both results on their common frames.  change: second less first, with its 95 % interval.
    significant: whether the interval leaves out 0.  All NaN where the frames do not define the figure."""

    name: str
    first: float
    second: float
    change: float
    low: float
    high: float

    @property
    def defined(self) -> bool:
        return not math.isnan(self.change)

    @property
    def significant(self) -> bool:
        return self.defined and (self.low > 0 or self.high < 0)

    @property
    def better(self) -> bool:
        return (self.change > 0) == FIGURES[self.name][0] and self.change != 0


@dataclass(frozen=True)
class ChangedFrame:
    """A frame whose verdict differs between the results."""

    topic: str
    index: int
    label: str
    first: str
    second: str
    first_score: float | None
    second_score: float | None


@dataclass(frozen=True)
class Comparison:
    """common: frames in both.  only_first, only_second: frames in one alone.  units: parts or frames drawn from."""

    common: int
    only_first: int
    only_second: int
    labelled: int
    units: int
    by_part: bool
    differences: tuple[Difference, ...]
    changed: tuple[ChangedFrame, ...]


@dataclass(frozen=True)
class Gate:
    """A condition that fails a build, such as ``false_pass>0.01``; with ``delta`` it is about the change."""

    text: str
    figure: str
    delta: bool
    operator: str
    limit: float

    def fails(self, comparison: Comparison) -> bool:
        """Whether the condition holds; also where the figure is not defined, because a gate must not open by itself."""
        found = next(d for d in comparison.differences if d.name == self.figure)
        value = found.change if self.delta else found.second
        return math.isnan(value) or _OPERATORS[self.operator](value, self.limit)


def parse_gate(text: str) -> Gate:
    """``FIGURE>NUMBER`` for the second result, ``delta:FIGURE>NUMBER`` for the change.  Raises InputError."""
    found = re.fullmatch(r"\s*(delta:)?(\w+)\s*(>=|<=|>|<)\s*(-?\d*\.?\d+(?:e-?\d+)?)\s*", text)
    if not found or found[2] not in FIGURES:
        raise InputError(f"--fail-if {text!r}: write FIGURE>NUMBER or delta:FIGURE>NUMBER, for instance "
                         f"'false_pass>0.01'; figures are {', '.join(FIGURES)}, signs are > >= < <=")
    return Gate(text.strip(), found[2], bool(found[1]), found[3], float(found[4]))


def load_result(path: Path) -> LoadedReplay:
    """A result that ``hetnet replay --json`` wrote.  Raises InputError for anything else."""
    try:
        content = read_json(path, "result", "make one with hetnet replay --json")
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError(f"{path} is no result of hetnet replay (format {FORMAT}); make one with hetnet replay --json")
        frames = {(str(frame["topic"]), int(frame["index"])): frame for frame in content["frames"]}
        for frame in frames.values():
            if frame["verdict"] not in ("PASS", "REJECT", "UNCERTAIN"):
                raise ValueError(f"verdict {frame['verdict']!r}")
            frame["label"], frame["part"], frame["score"], frame["raw_score"], frame["stamp"]
    except InputError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged or no result of hetnet replay ({type(error).__name__}: {error})") from None
    return LoadedReplay(path, content, frames)


def compare(first: LoadedReplay, second: LoadedReplay, seed: int = 0) -> Comparison:
    """Compare on the frames that both inspected.

    Raises InputError where they have none in common, or the same frame has another stamp or another label.
    """
    keys = [key for key in first.frames if key in second.frames]
    if not keys:
        raise InputError(f"{first.path} and {second.path} have no frame in common; replay the same bag and topic")
    pairs = [(first.frames[key], second.frames[key]) for key in keys]
    for key, (a, b) in zip(keys, pairs):
        if a["stamp"] != b["stamp"]:
            raise InputError(f"frame {key[1]} of {key[0]} has another stamp in {second.path} than in {first.path}: they "
                             "are of different recordings")
        if a["label"] != b["label"]:
            raise InputError(f"frame {key[1]} of {key[0]} is labelled {a['label']} in {first.path} and {b['label']} in "
                             f"{second.path}: replay both with the same labels")
    labelled = [(a, b) for a, b in pairs if a["label"]]
    parts = [a["part"] for a, _ in labelled]
    by_part = bool(labelled) and all(parts)
    units = np.unique(parts, return_inverse=True)[1] if by_part else np.arange(len(labelled))
    return Comparison(
        common=len(keys),
        only_first=len(first.frames) - len(keys),
        only_second=len(second.frames) - len(keys),
        labelled=len(labelled),
        units=int(units.max()) + 1 if len(units) else 0,
        by_part=by_part,
        differences=tuple(_differences(labelled, units, np.random.default_rng(seed))),
        changed=tuple(_changed(keys, pairs)),
    )


def _changed(keys: Sequence[tuple[str, int]], pairs: Sequence[tuple[dict, dict]]) -> list[ChangedFrame]:
    return [
        ChangedFrame(topic, index, a["label"] or "", a["verdict"], b["verdict"], a["score"], b["score"])
        for (topic, index), (a, b) in zip(keys, pairs)
        if a["verdict"] != b["verdict"]
    ]


class _Columns:
    """One result's labelled frames as arrays."""

    def __init__(self, frames: Sequence[dict[str, Any]]) -> None:
        self.defective = np.array([frame["label"] != GOOD for frame in frames], bool)
        self.verdict = np.array([frame["verdict"] for frame in frames], object)
        self.score = np.array([math.nan if frame["raw_score"] is None else frame["raw_score"] for frame in frames], float)

    def figures(self, chosen: np.ndarray) -> dict[str, float]:
        defective, verdict, score = self.defective[chosen], self.verdict[chosen], self.score[chosen]
        rejected, passed = verdict == "REJECT", verdict == "PASS"
        finite = np.isfinite(score)
        return {
            "false_pass": _share(passed, defective),
            "false_reject": _share(rejected, ~defective),
            "uncertain": _share(verdict == "UNCERTAIN", np.ones(len(chosen), bool)),
            "f1_reject": _f1(rejected, defective),
            "image_auroc": _auroc(score[finite], defective[finite]),
        }


def _share(hit: np.ndarray, among: np.ndarray) -> float:
    return float(hit[among].mean()) if among.any() else math.nan


def _f1(found: np.ndarray, defective: np.ndarray) -> float:
    return float(2 * (found & defective).sum() / (found.sum() + defective.sum())) if defective.any() else math.nan


def _auroc(score: np.ndarray, defective: np.ndarray) -> float:
    """From ranks, because it is asked for thousands of times."""
    bad = int(defective.sum())
    good = len(score) - bad
    if not bad or not good:
        return math.nan
    return float((rankdata(score)[defective].sum() - bad * (bad + 1) / 2) / (bad * good))


def _differences(labelled: Sequence[tuple[dict, dict]], units: np.ndarray, rng: np.random.Generator) -> list[Difference]:
    if not labelled:
        return [Difference(name, *[math.nan] * 5) for name in FIGURES]
    first, second = _Columns([a for a, _ in labelled]), _Columns([b for _, b in labelled])
    everything = np.arange(len(labelled))
    before, after = first.figures(everything), second.figures(everything)
    members = [np.flatnonzero(units == unit) for unit in range(int(units.max()) + 1)]
    changes: dict[str, list[float]] = {name: [] for name in FIGURES}
    for _ in range(DRAWS):
        drawn = np.concatenate([members[unit] for unit in rng.integers(len(members), size=len(members))])
        a, b = first.figures(drawn), second.figures(drawn)
        for name in FIGURES:
            changes[name].append(b[name] - a[name])
    rows = []
    for name in FIGURES:
        known = np.array(changes[name])[np.isfinite(changes[name])]
        low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (math.nan, math.nan)
        rows.append(Difference(name, before[name], after[name], after[name] - before[name], float(low), float(high)))
    return rows


def to_json(comparison: Comparison) -> dict[str, Any]:
    """As plain JSON values; docs/replay.md describes them."""

    def known(value: float) -> float | None:
        return None if math.isnan(value) else round(value, 9)

    return {
        "format": "hetnet-comparison-1",
        "frames": {"common": comparison.common, "only_first": comparison.only_first,
                   "only_second": comparison.only_second, "labelled": comparison.labelled},
        "drawn": {"units": comparison.units, "by": "part" if comparison.by_part else "frame", "draws": DRAWS},
        "figures": {
            d.name: {"first": known(d.first), "second": known(d.second), "change": known(d.change),
                     "low": known(d.low), "high": known(d.high), "significant": d.significant}
            for d in comparison.differences
        },
        "changed": [vars(frame) for frame in comparison.changed],
    }
