"""Poses into another frame by tf2, where tf2_ros is installed; without it, or without a transform, they stay."""

from __future__ import annotations

from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from hetnet_ros.foreign_text import one_line, shown
from hetnet_ros.nodes.space_conversion import rotation_matrix

_LOOKUP_SECONDS = 0.1
_LOG_PERIOD = 10.0


class TargetFrame:
    """Looks transforms up at the stamp of an image.  tf2_ros is imported, and listens, from the first use on."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._buffer: Any = None
        self._listener: Any = None
        self._absent = False

    def transform(self, header: Header, target: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Rotation (3, 3) and translation (3,) m from the header's frame to ``target``, or None; the log says why."""
        if target == header.frame_id:
            return np.eye(3), np.zeros(3)
        if not self._listen():
            return None
        try:
            found = self._buffer.lookup_transform(
                target, header.frame_id, Time.from_msg(header.stamp), Duration(seconds=_LOOKUP_SECONDS)
            ).transform
        except Exception as error:  # tf2's exceptions share no base with anything importable here
            self._node.get_logger().warning(
                f"no transform from {shown(header.frame_id, 60)} to {target}, defects stay in {shown(header.frame_id, 60)}: "
                f"{one_line(error, 300)}",
                throttle_duration_sec=_LOG_PERIOD,
            )
            return None
        return rotation_matrix(found.rotation), np.array(
            [found.translation.x, found.translation.y, found.translation.z]
        )

    def _listen(self) -> bool:
        if self._buffer is None and not self._absent:
            try:
                from tf2_ros import Buffer, TransformListener
            except ImportError as error:
                self._absent = True
                self._node.get_logger().warning(
                    f"target_frame has no effect, because tf2_ros is not installed ({error}): defects stay in the "
                    "camera's frame"
                )
            else:
                self._buffer = Buffer()
                self._listener = TransformListener(self._buffer, self._node)
        return self._buffer is not None
