"""Intrinsics and depth images, kept until the worker asks for those of an image.

Callbacks only store; nothing here converts pixels.  What comes while a topic has two publishers is not kept.  Depth is
matched to an image by stamp.  CameraInfo is not: intrinsics hold until others come, and many drivers publish them seldom or
with a stamp of their own.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from hetnet_ros.inspection.stamp_rule import stamp_ns
from hetnet_ros.nodes.image_source import ImageSource
from hetnet_ros.nodes.qos import image_profile
from hetnet_ros.nodes.sole_publisher import SolePublisher, listening

_KEPT = 8
"""Depth images kept: enough for the newest images that can still be in the worker's hands."""


class SpaceInputs:
    """The topics ``camera_info`` and ``depth``, below the name of a camera if it has one."""

    def __init__(self, node: Node, group: CallbackGroup, camera: str = "") -> None:
        self._node, self._group = node, group
        self._changed = threading.Condition()
        self._info: CameraInfo | None = None
        self._depths: deque[tuple[int, Image]] = deque(maxlen=_KEPT)
        self._depth_source = ImageSource(
            node, group, self._take_depth, transport="raw", reliability="match", depth=2, name="depth", camera=camera
        )
        self._info_topic = f"{camera}/camera_info" if camera else "camera_info"
        self._info_subscription: Any = None
        self._info_sole = SolePublisher(node, node.resolve_topic_name(self._info_topic), "sensor_msgs/msg/CameraInfo")

    def connect(self) -> None:
        """Subscribe; cheap to call again and again, which follows a changed camera."""
        if self._info_subscription is None:  # best effort connects to every publisher
            self._info_subscription = self._node.create_subscription(
                CameraInfo,
                self._info_topic,
                listening(self._take_info),
                image_profile(ReliabilityPolicy.BEST_EFFORT, 5),
                callback_group=self._group,
            )
        self._depth_source.connect()
        self._info_sole.look()

    @property
    def crowd(self) -> str:
        """One line on two publishers of depth or intrinsics; empty where there is one of each."""
        return self._depth_source.crowd or self._info_sole.crowd

    @property
    def info(self) -> CameraInfo | None:
        """The newest intrinsics."""
        return self._info

    def depth(self, stamp_ns: int, tolerance: float, wait: float) -> tuple[Image | None, bool]:
        """The depth image nearest to a stamp, if within ``tolerance`` s, and whether any depth has come at all.

        It may come later than the image did: as long as none newer has been seen, waits up to ``wait`` s for it.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._settled(stamp_ns, tolerance), timeout=wait)
            near = self._nearest(stamp_ns)
            return (near[1] if near and near[0] <= tolerance * 1e9 else None), bool(self._depths)

    def _settled(self, stamp_ns: int, tolerance: float) -> bool:
        near = self._nearest(stamp_ns)
        return near is not None and (near[0] <= tolerance * 1e9 or max(s for s, _ in self._depths) > stamp_ns)

    def _nearest(self, stamp_ns: int) -> tuple[int, Image] | None:
        return min(
            ((abs(stamp - stamp_ns), message) for stamp, message in self._depths), key=lambda found: found[0], default=None
        )

    def _take_info(self, message: CameraInfo, info: Any) -> None:
        if not self._info_sole.trouble(info):
            self._info = message

    def _take_depth(self, message: Image, trouble: str) -> None:
        if trouble:
            return
        with self._changed:
            self._depths.append((stamp_ns(message.header.stamp), message))
            self._changed.notify_all()
