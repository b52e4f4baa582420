"""Draws and publishes pictures beside the next inspection: an overlay of a large image takes as long as a network on a GPU.

The newest wins here too: pictures that drawing has not come to are replaced by those of a later image.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import rclpy
from rclpy.impl.rcutils_logger import RcutilsLogger

from hetnet_ros.nodes.frames import NewestFrames

_JOIN_SECONDS = 3.0
_LOG_PERIOD = 5.0

Publish = Callable[[], None]


@dataclass(frozen=True)
class _Drawing:
    """camera: whose image it is of.  pictures: each item is drawn when it is fetched.  send: publishes it, unless it is too
    late for that."""

    camera: str
    pictures: Iterator[Publish]
    send: Callable[[Publish], bool]


class PictureWorker:
    """A thread with room for one drawing of each camera that waits."""

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._mailbox = NewestFrames()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, once."""
        self._thread = threading.Thread(target=self._work, name="pictures", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it for good, waiting a little for the picture in hand."""
        self._mailbox.close()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def draw(self, camera: str, pictures: Iterator[Publish], send: Callable[[Publish], bool]) -> None:
        """Draw ``pictures`` of a camera's image soon and hand each to ``send``."""
        self._mailbox.put(_Drawing(camera, pictures, send))

    def _work(self) -> None:
        while drawings := self._mailbox.take():
            (drawing,) = drawings
            try:
                for publish in drawing.pictures:
                    drawing.send(publish)
            except Exception:  # the thread must outlive any defect, as the inspection's does
                if not rclpy.ok():
                    return
                self._logger.error(
                    f"a picture could not be drawn\n{traceback.format_exc()}", throttle_duration_sec=_LOG_PERIOD
                )
