"""Everything a replay says, computed from what was seen: detection, timing, drift."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_curve

from hetnet_ros.evaluation.condition_report import ConditionCell, ConditionReport, report_cells
from hetnet_ros.evaluation.conditions import Condition, Conditions
from hetnet_ros.evaluation.figures import Figures, figures
from hetnet_ros.evaluation.metric import Metric
from hetnet_ros.evaluation.metrics import pro_curve
from hetnet_ros.evaluation.pixel_counts import add_counts
from hetnet_ros.evaluation.replay.drift import Series, make_series
from hetnet_ros.evaluation.replay.outcome import FrameOutcome, ReplayRun
from hetnet_ros.evaluation.replay.rates import ErrorRates, error_rates, f1_score
from hetnet_ros.evaluation.replay.timing import Timing, measure_timing
from hetnet_ros.inspection.result import Verdict

CURVE_POINTS = 200


@dataclass(frozen=True)
class ConditionRates:
    """The error rates of the frames with one value on one axis of the conditions."""

    axis: str
    value: str
    frames: int
    rates: ErrorRates


@dataclass(frozen=True)
class Curve:
    """A curve of at most :data:`CURVE_POINTS` points, both axes fractions; empty where it is not defined."""

    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()


@dataclass(frozen=True)
class ReplayResult:
    """figures: of the labelled frames that were scored.  unscored: labelled frames without a score; they are UNCERTAIN.
    f1_reject, f1_accept: F1 where REJECT, or anything but PASS, counts as found.  roc, pro: the curves behind image AUROC
    and AUPRO.  drift: score and brightness over time."""

    run: ReplayRun
    figures: Figures
    rates: ErrorRates
    f1_reject: Metric
    f1_accept: Metric
    by_condition: tuple[ConditionRates, ...]
    conditions: ConditionReport | None
    roc: Curve
    pro: Curve
    timing: Timing
    drift: tuple[Series, ...]
    labelled: int
    unscored: int


def measure(run: ReplayRun) -> ReplayResult:
    """Compute everything; fast, and defined for any run, also an empty one."""
    labelled = [frame for frame in run.frames if frame.is_labelled]
    scored = [frame for frame in labelled if np.isfinite(frame.raw_score)]
    scores = [frame.raw_score for frame in scored]
    defective = [frame.is_defective for frame in scored]
    counts = add_counts(run.pixels.values())
    conditions = Conditions(run.axes, tuple(frame.condition for frame in scored), run.labels)
    return ReplayResult(
        run=run,
        figures=figures(scores, defective, counts),
        rates=error_rates(labelled),
        f1_reject=f1_score(labelled, [Verdict.REJECT]),
        f1_accept=f1_score(labelled, [Verdict.REJECT, Verdict.UNCERTAIN]),
        by_condition=tuple(_by_condition(run.axes, labelled)),
        conditions=report_cells(conditions, _cells(scored, run)) if conditions.vary else None,
        roc=_roc(scores, defective),
        pro=_thinned(*pro_curve(counts)) if counts.regions and counts.normal.sum() else Curve(),
        timing=measure_timing(run),
        drift=_drift(run.frames),
        labelled=len(labelled),
        unscored=len(labelled) - len(scored),
    )


def _cells(scored: list[FrameOutcome], run: ReplayRun) -> list[ConditionCell]:
    members: dict[Condition, list[FrameOutcome]] = {}
    for frame in scored:
        members.setdefault(frame.condition, []).append(frame)
    return [
        ConditionCell(
            condition,
            tuple(frame.raw_score for frame in frames),
            tuple(frame.is_defective for frame in frames),
            run.pixels.get(condition) or add_counts([]),
        )
        for condition, frames in members.items()
    ]


def _by_condition(axes: tuple[str, ...], labelled: list[FrameOutcome]) -> list[ConditionRates]:
    conditions = Conditions(axes, tuple(frame.condition for frame in labelled), "")
    rows = []
    for axis in axes:
        for value in conditions.values_on(axis):
            frames = [frame for frame in labelled if frame.condition.on(axis) == value]
            rows.append(ConditionRates(axis, value, len(frames), error_rates(frames)))
    return rows


def _roc(scores: list[float], defective: list[bool]) -> Curve:
    if len(set(defective)) < 2:
        return Curve()
    false_rate, true_rate, _ = roc_curve(defective, scores)
    return _thinned(false_rate, true_rate)


def _thinned(x: np.ndarray, y: np.ndarray) -> Curve:
    """At most CURVE_POINTS of the points, evenly spread along the curve and with both ends."""
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))])
    wanted = np.linspace(0, along[-1], CURVE_POINTS)
    places = np.unique(np.searchsorted(along, wanted).clip(max=len(x) - 1))
    return Curve(tuple(np.round(x[places], 6).tolist()), tuple(np.round(y[places], 6).tolist()))


def _drift(frames: tuple[FrameOutcome, ...]) -> tuple[Series, ...]:
    """The score of frames not known to be defective, which should stay level, and the brightness of all."""
    if not frames:
        return ()
    begin = min(frame.log_ns for frame in frames)
    ordered = sorted(frames, key=lambda frame: frame.log_ns)
    calm = [frame for frame in ordered if not frame.is_defective]
    return tuple(
        make_series(name, np.array([(frame.log_ns - begin) / 1e9 for frame in chosen]),
                    np.array([getattr(frame, name) for frame in chosen]))
        for name, chosen in (("score", calm), ("brightness", ordered))
    )
