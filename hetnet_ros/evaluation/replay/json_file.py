"""The JSON form of a replay; its keys are an interface (docs/replay.md) that ``hetnet compare`` and scripts rely on.

Shares are fractions, times of frames integers in ns (a float would lose digits).  What is not defined is ``null``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hetnet_ros.evaluation.figures import Figures
from hetnet_ros.evaluation.json_file import condition_values, metric_values, verdict_values
from hetnet_ros.evaluation.replay.drift import Series
from hetnet_ros.evaluation.replay.outcome import STAGES, FrameOutcome, Transport
from hetnet_ros.evaluation.replay.rates import CONFIDENCE, ErrorRates, Rate
from hetnet_ros.evaluation.replay.result import Curve, ReplayResult
from hetnet_ros.evaluation.replay.timing import Spread, Timing
from hetnet_ros.whole_files import write_file

FORMAT = "hetnet-replay-1"


def write_json(path: Path, result: ReplayResult) -> None:
    """Write the result to ``path``; raises InputError if it cannot be written."""
    write_file(path, json.dumps(to_json(result), indent=1, allow_nan=False) + "\n")


def to_json(result: ReplayResult) -> dict[str, Any]:
    """The result as plain JSON values."""
    run = result.run
    return {
        "format": FORMAT,
        "complete": not run.stopped,
        "stopped": run.stopped,
        "mode": run.mode,
        "bag": {"path": run.bag, "topics": list(run.topics), "losses": list(run.losses)},
        "labels": run.labels or None,
        "model": {
            "id": run.model_id,
            "part": run.part_name,
            "preset": run.preset,
            "device": run.device,
            "accept": run.thresholds.accept,
            "reject": run.thresholds.reject,
        },
        "counts": {"frames": len(run.frames), "labelled": result.labelled, "unscored": result.unscored},
        "detection": _detection(result),
        **condition_values(result.conditions),
        "curves": {"roc": _curve(result.roc), "pro": _curve(result.pro)},
        "timing": _timing(result.timing, run.seconds),
        "transport": _transport(run.transport),
        "drift": {series.name: _series(series) for series in result.drift},
        "frames": [_frame(frame) for frame in run.frames],
    }


def _detection(result: ReplayResult) -> dict[str, Any]:
    figures: Figures = result.figures
    return {
        **metric_values(figures),
        "f1_reject": _finite(result.f1_reject.value),
        "f1_accept": _finite(result.f1_accept.value),
        "confidence": CONFIDENCE,
        **_rates(result.rates),
        "by_condition": [
            {"axis": row.axis, "value": row.value, "frames": row.frames, **_rates(row.rates)}
            for row in result.by_condition
        ],
    }


def _rates(rates: ErrorRates) -> dict[str, Any]:
    return {
        "good_verdicts": verdict_values(rates.good),
        "defective_verdicts": verdict_values(rates.defective),
        "false_pass": _rate(rates.false_pass),
        "false_reject": _rate(rates.false_reject),
        "good_uncertain": _rate(rates.good_uncertain),
        "defective_uncertain": _rate(rates.defective_uncertain),
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {"count": rate.count, "of": rate.of, "rate": _finite(rate.value), "low": _finite(rate.low),
            "high": _finite(rate.high)}


def _curve(curve: Curve) -> list[list[float]]:
    return [[x, y] for x, y in zip(curve.x, curve.y)]


def _timing(timing: Timing, seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 3),
        "rate_hz": round(timing.rate_hz, 3),
        "bag_rate_hz": _finite(timing.bag_rate_hz),
        "bag_jitter_ms": _finite(timing.bag_jitter_ms),
        "backward_stamps": timing.backward_stamps,
        "dropped": timing.dropped,
        "stages": {stage.name: _spread(stage) for stage in timing.stages},
        "latency": _spread(timing.latency) if timing.latency else None,
    }


def _spread(spread: Spread) -> dict[str, float | None]:
    return {f"{name}_ms": _finite(getattr(spread, name)) for name in ("p50", "p95", "p99", "worst", "jitter")}


def _transport(transport: Transport | None) -> dict[str, Any] | None:
    return dict(vars(transport)) if transport else None


def _series(series: Series) -> dict[str, Any]:
    return {
        "points": [[round(x, 3), round(y, 6)] for x, y in zip(series.seconds, series.values)],
        "changes": [vars(change) for change in series.changes],
    }


def _frame(frame: FrameOutcome) -> dict[str, Any]:
    return {
        "topic": frame.topic,
        "index": frame.index,
        "stamp": frame.stamp_ns,
        "recorded": frame.log_ns,
        "label": frame.label or None,
        "part": frame.part or None,
        "condition": dict(frame.condition.values),
        "verdict": frame.verdict.name,
        "reason": frame.reason,
        "score": _finite(frame.score),
        "raw_score": _finite(frame.raw_score),
        "p_value": _finite(frame.p_value),
        "regions": frame.regions,
        "brightness": _finite(frame.brightness, 4),
        "milliseconds": {stage: _finite(getattr(frame, stage), 3) for stage in STAGES},
        "latency_ms": _finite(frame.latency, 3),
    }


def _finite(value: float, digits: int = 9) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
