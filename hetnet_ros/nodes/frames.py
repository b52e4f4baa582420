"""Where the image callback leaves a frame and the worker fetches it: room for one, and the newest wins.

A queue would let frames grow old while inference lags behind the camera; a verdict on an old frame is of no use to a
cell that has moved on.  So a frame that was not fetched in time is replaced, and counted as dropped.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Frame:
    """One image message (sensor_msgs/Image or CompressedImage) and when it came, s on the monotonic clock."""

    message: Any
    received: float


class NewestFrame:
    """A mailbox for one frame, safe between threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False

    def put(self, frame: Frame) -> bool:
        """Leave a frame; True if it replaced one that nobody had fetched."""
        with self._condition:
            replaced = self._frame is not None
            self._frame = frame
            self._condition.notify()
            return replaced

    def take(self) -> Frame | None:
        """Wait for a frame and fetch it; None once the mailbox is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._frame is not None or self._closed)
            frame, self._frame = self._frame, None
            return None if self._closed else frame

    def clear(self) -> None:
        """Throw away a frame that nobody has fetched."""
        with self._condition:
            self._frame = None

    def close(self) -> None:
        """Release whoever waits; for good."""
        with self._condition:
            self._closed = True
            self._frame = None
            self._condition.notify_all()
