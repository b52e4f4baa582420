"""The client's side of ``~/inspect_part`` for tests: goals, their feedback and results, and a camera that runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hetnet_ros.action import InspectPart
from inspection_cell import TIMEOUT, Cell, wait_for
from rclpy.duration import Duration

from hetnet_ros.nodes.calls import SoleActionClient


class Goal:
    """A goal that was sent; ``feedback`` grows."""

    def __init__(self, handle: Any, feedback: list[Any]) -> None:
        self.handle = handle
        self.feedback = feedback
        self._future = handle.get_result_async() if handle.accepted else None

    @property
    def accepted(self) -> bool:
        return self.handle.accepted

    @property
    def done(self) -> bool:
        return self._future.done()

    def result(self, timeout: float = TIMEOUT) -> Any:
        """The result; ``status`` then holds the goal's final state."""
        wait_for(self._future.done, "the result of a goal", timeout)
        self.status = self._future.result().status
        return self._future.result().result

    def cancel(self) -> None:
        future = self.handle.cancel_goal_async()
        wait_for(future.done, "the answer to a cancel")


class PartClient:
    """Sends goals to the inspector of a cell."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self._client = SoleActionClient(cell.node, InspectPart, f"{cell.name}/inspect_part")

    def send(self, *, timeout: float = 15.0, attempts: int = 1, **fields: Any) -> Goal:
        """Send a goal and wait until it is accepted or refused.

        attempts: send it anew when it gets no answer or is refused, as happens while a dead server has not been forgotten.
        """
        return self.send_exactly(InspectPart.Goal(timeout=Duration(seconds=timeout).to_msg(), **fields), attempts)

    def send_exactly(self, goal: Any, attempts: int = 1) -> Goal:
        """The same with a goal as it is."""
        assert self._client.wait_for_server(TIMEOUT), "inspect_part is not offered"
        feedback: list[Any] = []
        for attempt in range(attempts):
            future = self._client.send_goal_async(goal, lambda message: feedback.append(message.feedback))
            deadline = time.monotonic() + TIMEOUT / attempts
            while not future.done() and time.monotonic() < deadline:
                time.sleep(0.01)
            if future.done() and (future.result().accepted or attempt == attempts - 1):
                return Goal(future.result(), feedback)
            time.sleep(max(0.0, deadline - time.monotonic()))
        pytest.fail("a goal got no answer")


@contextlib.contextmanager
def camera(cell: Cell, picture: Callable[[int], np.ndarray], topic: str = "image", period: float = 0.05,
           **stamp: Any) -> Iterator[list[Any]]:
    """A camera that shows ``picture(number)`` as long as the block lasts; yields the headers it has sent."""
    publisher = cell.image_publisher(topic=topic)
    wait_for(publisher.get_subscription_count, f"the inspector's subscription of {topic}")
    sent: list[Any] = []
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            message = cell.image(picture(len(sent)), **stamp)
            sent.append(message.header)
            publisher.publish(message)
            time.sleep(period)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield sent
    finally:
        over.set()
        thread.join(TIMEOUT)
