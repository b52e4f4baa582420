"""A node's clock, watched for standing still and jumping back.

Simulated time is read whenever it moves, so that no movement goes unseen; the machine's own clock moves between any two readings.
"""

from __future__ import annotations

from typing import Any

from rclpy.clock import JumpThreshold
from rclpy.duration import Duration

from hetnet_ros.inspection.clock_watch import ClockWatch


class WatchedClock(ClockWatch):
    """Watches the clock of a node, for as long as it is kept.  clock: what ``Node.get_clock`` gives."""

    def __init__(self, clock: Any) -> None:
        super().__init__(lambda: clock.now().nanoseconds, lambda: clock.ros_time_is_active)
        every_move = JumpThreshold(min_forward=Duration(nanoseconds=1), min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._handle = clock.create_jump_callback(every_move, post_callback=lambda _: self.read())
