"""Was it fast enough: rates, latencies and drops of a replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hetnet_ros.evaluation.replay.outcome import STAGES, ReplayRun


@dataclass(frozen=True)
class Spread:
    """Percentiles of one duration over the frames, ms; NaN where none was measured.  jitter: standard deviation."""

    name: str
    p50: float
    p95: float
    p99: float
    worst: float
    jitter: float


@dataclass(frozen=True)
class Timing:
    """rate_hz: frames inspected per second of replay, which live follows the recording, pauses and all.
    bag_rate_hz: frames per second as recorded, NaN if unknown.
    bag_jitter_ms: standard deviation of the time between recorded stamps, pauses (over five times the median) left out.
    backward_stamps: frames stamped before their predecessor.  stages: decode to total.  latency: from publishing to
    verdict, live only, else None.  dropped: published frames without a verdict; 0 offline."""

    rate_hz: float
    bag_rate_hz: float
    bag_jitter_ms: float
    backward_stamps: int
    stages: tuple[Spread, ...]
    latency: Spread | None
    dropped: int


def measure_timing(run: ReplayRun) -> Timing:
    """The timing of a replay."""
    frames = run.frames
    bag_rate, bag_jitter, backward = _stamps([(topic, stamp) for topic, _, stamp in run.read])
    transport = run.transport
    return Timing(
        rate_hz=len(frames) / run.seconds if frames and run.seconds > 0 else 0.0,
        bag_rate_hz=bag_rate,
        bag_jitter_ms=bag_jitter,
        backward_stamps=backward,
        stages=tuple(_spread(stage, [getattr(frame, stage) for frame in frames]) for stage in STAGES),
        latency=_spread("latency", [frame.latency for frame in frames]) if transport else None,
        dropped=max(0, transport.published - transport.verdicts) if transport else 0,
    )


def _spread(name: str, values: Sequence[float]) -> Spread:
    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return Spread(name, *[float("nan")] * 5)
    p50, p95, p99 = np.percentile(known, [50, 95, 99])
    return Spread(name, float(p50), float(p95), float(p99), float(known.max()), float(known.std()))


def _stamps(frames: Sequence[tuple[str, int]]) -> tuple[float, float, int]:
    """Rate, jitter and backward steps of the recorded stamps; frames: topic and stamp (ns)."""
    steps = []
    for topic in dict.fromkeys(name for name, _ in frames):
        stamps = np.array([stamp for name, stamp in frames if name == topic and stamp], np.int64)
        steps.append(np.diff(stamps) / 1e6)
    step = np.concatenate(steps) if steps else np.zeros(0)
    backward = int((step < 0).sum())
    forward = step[step > 0]
    if not len(forward):
        return float("nan"), float("nan"), backward
    running = forward[forward <= 5 * np.median(forward)]
    return 1e3 / float(np.median(forward)), float(running.std()), backward
