"""Where the image callbacks leave frames and the worker fetches them: room for one of each camera, and the newest wins.

A queue would let frames grow old while inference lags behind the camera; a verdict on an old frame is of no use to a
cell that has moved on.  So a frame that was not fetched in time is replaced, and counted as dropped.  Frames of several
cameras are fetched together, those first that have waited longest; a camera that sends faster than the others replaces
only its own frame and takes no turn from them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from hetnet_ros.inspection.stamp_rule import Refusal, stamp_ns


@dataclass(frozen=True)
class Frame:
    """One image message (sensor_msgs/Image or CompressedImage), when it came, s on the monotonic clock, and the name of
    its camera, empty where there is only one.  refusal: why it will not be judged, whatever it shows."""

    message: Any
    received: float
    camera: str = ""
    refusal: Refusal | None = None

    @property
    def stamp_ns(self) -> int:
        """The message's stamp, ns; 0 for none."""
        return stamp_ns(self.message.header.stamp)


class NewestFrames:
    """A mailbox for one frame of each camera, or whatever else has a camera; safe between threads."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._frames: dict[str, Frame] = {}
        self._closed = False

    def put(self, frame: Frame) -> Frame | None:
        """Leave a frame; gives the one that it replaced, which nobody had fetched and whose turn it then has."""
        with self._condition:
            replaced = self._frames.get(frame.camera)
            self._frames[frame.camera] = frame
            self._condition.notify()
            return replaced

    def take(self, most: int = 1) -> list[Frame]:
        """Wait for frames and fetch up to ``most``, longest waiting first; none once the mailbox is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._frames or self._closed)
            return [] if self._closed else [self._frames.pop(camera) for camera in list(self._frames)[:most]]

    def clear(self) -> None:
        """Throw away the frames that nobody has fetched."""
        with self._condition:
            self._frames.clear()

    def close(self) -> None:
        """Release whoever waits; for good."""
        with self._condition:
            self._closed = True
            self._frames.clear()
            self._condition.notify_all()
