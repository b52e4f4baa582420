"""Counts, rates and latencies of the running inspector, for its diagnostics.

Written from the subscription and worker threads and read by the diagnostics timer, so every access takes one short
lock.  Counts run since the start of the process; rates and percentiles cover a recent window, because a cell's operator
asks how it runs now.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field

import numpy as np

from hetnet_ros.inspection.frame_policy import Timings

WINDOW_SECONDS = 10.0
"""Length of the window behind rates and percentiles."""

STAGES = ("input_age", "decode", "preprocess", "inference", "postprocess", "total")
"""Stages in the order they happen; names of the fields of hetnet_ros/msg/StageTimings."""


_VERDICTS = ("PASS", "REJECT", "borderline")
"""Outcomes of a frame that was judged; any other is the reason why one was not."""


@dataclass(frozen=True)
class Percentiles:
    """Latency of one stage over the window, ms; NaN when it did not run."""

    stage: str
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class Snapshot:
    """The state of affairs at one moment.  Rates in Hz; ``since_input`` is s, None before the first image."""

    received: int
    dropped: int
    ignored: int
    published: int
    input_rate: float
    output_rate: float
    since_input: float | None
    bad_images: tuple[tuple[str, int], ...]
    outcomes: tuple[tuple[str, int], ...]
    recent_bad: int
    recent_refused: tuple[tuple[str, int], ...]
    backward_stamps: int
    percentiles: tuple[Percentiles, ...] = field(default_factory=tuple)


class Statistics:
    """Collects; times are s on the monotonic clock."""

    def __init__(self, start: float) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._received: deque[float] = deque()
        self._published: deque[tuple[float, str, Timings]] = deque()
        self._recent_bad: deque[float] = deque()
        self._counts: Counter[str] = Counter()
        self._bad: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._last_input: float | None = None
        self._last_stamp_ns: dict[str, int] = {}

    def image_received(self, now: float, stamp_ns: int, camera: str = "") -> None:
        """An image of a camera has come, whether or not it will be used."""
        with self._lock:
            self._received.append(now)
            self._counts["received"] += 1
            self._last_input = now
            if stamp_ns < self._last_stamp_ns.get(camera, 0):
                self._counts["backward"] += 1
            self._last_stamp_ns[camera] = stamp_ns
            self._trim(now)

    def image_dropped(self) -> None:
        """A newer image has replaced one that was waiting."""
        with self._lock:
            self._counts["dropped"] += 1

    def image_ignored(self) -> None:
        """An image has come while the node was paused or not active."""
        with self._lock:
            self._counts["ignored"] += 1

    def image_bad(self, now: float, cause: str) -> None:
        """An image could not be read, for ``cause``."""
        with self._lock:
            self._bad[cause] += 1
            self._recent_bad.append(now)

    def inspection_published(self, now: float, outcome: str, timings: Timings) -> None:
        """A message has gone out; ``outcome`` is ``PASS``, ``REJECT`` or the reason of an UNCERTAIN."""
        with self._lock:
            self._published.append((now, outcome, timings))
            self._counts["published"] += 1
            self._outcomes[outcome] += 1
            self._trim(now)

    def snapshot(self, now: float) -> Snapshot:
        """Counts so far; rates and percentiles over the last :data:`WINDOW_SECONDS`."""
        with self._lock:
            self._trim(now)
            recent = list(self._published)
            received, recent_bad = len(self._received), len(self._recent_bad)
            counts, bad, outcomes = Counter(self._counts), Counter(self._bad), Counter(self._outcomes)
            last_input = self._last_input
        window = max(1.0, min(WINDOW_SECONDS, now - self._start))
        refused = Counter(outcome for _, outcome, _ in recent if outcome not in _VERDICTS)
        timings = [entry for _, _, entry in recent]
        return Snapshot(
            received=counts["received"],
            dropped=counts["dropped"],
            ignored=counts["ignored"],
            published=counts["published"],
            input_rate=received / window,
            output_rate=len(recent) / window,
            since_input=None if last_input is None else now - last_input,
            bad_images=tuple(sorted(bad.items())),
            outcomes=tuple(sorted(outcomes.items())),
            recent_bad=recent_bad,
            recent_refused=tuple(refused.most_common()),
            backward_stamps=counts["backward"],
            percentiles=tuple(_percentiles(stage, timings) for stage in STAGES),
        )

    def _trim(self, now: float) -> None:
        oldest = now - WINDOW_SECONDS
        while self._received and self._received[0] < oldest:
            self._received.popleft()
        while self._recent_bad and self._recent_bad[0] < oldest:
            self._recent_bad.popleft()
        while self._published and self._published[0][0] < oldest:
            self._published.popleft()


def _percentiles(stage: str, timings: list[Timings]) -> Percentiles:
    values = np.array([getattr(entry, stage) for entry in timings], dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return Percentiles(stage, *(float("nan"),) * 3)
    return Percentiles(stage, *(float(value) for value in np.percentile(values, (50, 95, 99))))
