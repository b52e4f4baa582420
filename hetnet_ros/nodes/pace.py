"""Holds the inspections to a rate, so that an inspector leaves the processor to others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_LOOK_SECONDS = 0.1
"""How long a changed rate may go unnoticed."""


class Pace:
    """Spaces out the events of one thread."""

    def __init__(self) -> None:
        self._last = float("-inf")
        self._closed = threading.Event()

    def wait(self, rate: Callable[[], float]) -> None:
        """Return when an event is due again at ``rate()``, Hz, after the one noted last; 0 is at once.  Ends on close."""
        while not self._closed.is_set():
            wanted = rate()
            remaining = self._last + 1.0 / wanted - time.monotonic() if wanted > 0 else 0.0
            if remaining <= 0:
                return
            self._closed.wait(min(remaining, _LOOK_SECONDS))

    def note(self) -> None:
        """An event happens now."""
        self._last = time.monotonic()

    def close(self) -> None:
        """Hold nobody any more; for good."""
        self._closed.set()
