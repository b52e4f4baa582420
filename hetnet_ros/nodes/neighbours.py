"""Who else speaks to an inspector, or for it: the one that announces views, the one that restricts what counts, and another inspector of
the same name.  With two of a kind nobody is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from hetnet_ros.inspection.stamp_rule import Refusal
from hetnet_ros.nodes.company import twin_of
from hetnet_ros.nodes.sole_publisher import SolePublisher, listening


class Neighbours:
    """Subscribes to ``~/view``, whose messages go to ``announce(message, trouble)``, and, where regions are taken, to ``~/roi``, whose
    go to ``restrict(message)`` if they come from its one publisher.

    twin: one line on other nodes of this node's name, as of the last :meth:`look`; empty where there is none.
    """

    def __init__(self, node: Node, group: CallbackGroup, announce: Callable[[Header, str], None],
                 restrict: Callable[[RegionOfInterest], None] | None) -> None:
        self._node, self.twin = node, ""
        self._announcer = SolePublisher(node, node.resolve_topic_name("~/view"), "std_msgs/msg/Header")
        self._announce, self._restrict, self._restrictor = announce, restrict, None
        node.create_subscription(Header, "~/view", listening(self._on_view), 10, callback_group=group)
        if restrict is not None:
            self._restrictor = SolePublisher(node, node.resolve_topic_name("~/roi"), "sensor_msgs/msg/RegionOfInterest")
            node.create_subscription(RegionOfInterest, "~/roi", listening(self._on_roi), 1, callback_group=group)

    def look(self) -> None:
        """Look at the graph; cheap to call again and again."""
        self.twin = twin_of(self._node)
        if self._restrictor is not None:
            self._restrictor.look()

    @property
    def crowds(self) -> tuple[str, ...]:
        """One line on each topic that has several publishers, empty for the others."""
        return self._announcer.crowd, self._roi_crowd

    def refusal(self, trouble: str) -> Refusal | None:
        """Why no image is judged now, or None.  trouble: with the image's own publisher."""
        if self.twin:
            return Refusal("two_inspectors", self.twin)
        trouble = trouble or self._roi_crowd
        return Refusal("two_publishers", trouble) if trouble else None

    @property
    def _roi_crowd(self) -> str:
        return self._restrictor.crowd if self._restrictor is not None else ""

    def _on_view(self, message: Header, info: Any) -> None:
        self._announce(message, self._announcer.trouble(info))

    def _on_roi(self, message: RegionOfInterest, info: Any) -> None:
        if not self._restrictor.trouble(info):
            self._restrict(message)
