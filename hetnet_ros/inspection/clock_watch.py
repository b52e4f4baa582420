"""Whether the clock that stamps are held against can be believed: one that stands still lets old images look fresh.

Simulated time stands still when its publisher has died and jumps back when a recording begins again; the machine's own clock is
set back by whoever sets it.  The steady clock tells both.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_SLACK_S = 0.1
_DRIFT = 1e-3
"""The machine's clock may fall behind the steady one by this and this share of the time (it is slewed by 0.05 % at most)."""


@dataclass(frozen=True)
class Moment:
    """A reading.  now_ns: the clock, ns.  stood: how long it has stood still, s on the steady clock.  since_jump: how long ago it
    jumped back, s on the steady clock; infinite if it has not."""

    now_ns: int
    stood: float = 0.0
    since_jump: float = math.inf


class ClockWatch:
    """Safe between threads.

    now_ns: the clock.  simulated: whether it moves in steps and at a pace of its own; asked at each reading.
    """

    def __init__(self, now_ns: Callable[[], int], simulated: Callable[[], bool] = lambda: False,
                 steady: Callable[[], float] = time.monotonic) -> None:
        self._now_ns, self._simulated, self._steady = now_ns, simulated, steady
        self._lock = threading.Lock()
        self._last_ns, self._read_at = now_ns(), steady()
        self._moved_at, self._jumped_at = self._read_at, -math.inf

    def read(self) -> Moment:
        """The clock now.  A simulated clock is to be read whenever it moves: what happens between two readings is not seen."""
        with self._lock:
            now_ns, steady = self._now_ns(), self._steady()
            passed = now_ns - self._last_ns
            least = 0.0 if self._simulated() else (1 - _DRIFT) * (steady - self._read_at) - _SLACK_S
            if passed < min(least, 0.0) * 1e9 or (least > 0 and 0 < passed < least * 1e9):
                self._jumped_at = steady
            if passed:
                self._moved_at = steady
            self._last_ns, self._read_at = now_ns, steady
            return Moment(now_ns, steady - self._moved_at, steady - self._jumped_at)
