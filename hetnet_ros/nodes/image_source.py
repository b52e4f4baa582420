"""The image subscription: made once a publisher's quality of service is known, and kept for the life of the process.

A subscription is never destroyed, because doing so under a multi-threaded executor crashes Humble; one that has been
superseded (the camera came back with another reliability) is merely not listened to.  The callback hands the message on,
says whether it counts (:mod:`sole_publisher`), and does nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from hetnet_ros.nodes.qos import choose_reliability, image_profile, incompatibility
from hetnet_ros.nodes.sole_publisher import SolePublisher, listening

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks


class ImageSource:
    """Delivers image messages of one topic to ``deliver``, from a thread of the executor, each with one line on why it does
    not count, or an empty one.

    transport: ``raw`` or ``compressed``; reliability: ``match``, ``reliable`` or ``best_effort``; depth: queue depth;
    name: the topic without ``/compressed``.
    camera: name of one camera of several, whose topic is then below that name.
    """

    def __init__(
        self,
        node: Node,
        group: CallbackGroup,
        deliver: Callable[[Any, str], None],
        *,
        transport: str,
        reliability: str,
        depth: int,
        name: str = "image",
        camera: str = "",
    ) -> None:
        self._node = node
        self._group = group
        self._deliver = deliver
        self._type = CompressedImage if transport == "compressed" else Image
        self._name = f"{name}/compressed" if transport == "compressed" else name
        if camera:
            self._name = f"{camera}/{self._name}"
        self.topic = node.resolve_topic_name(self._name)
        self._sole = SolePublisher(node, self.topic, f"sensor_msgs/msg/{self._type.__name__}")
        self._wanted = reliability
        self._depth = depth
        self._made: dict[ReliabilityPolicy, Subscription] = {}
        self._current: ReliabilityPolicy | None = None
        self._incompatible = ""

    def connect(self) -> None:
        """Subscribe as soon as that can be done rightly; cheap to call again and again, which follows a changed
        camera.
        """
        offered = [info.qos_profile.reliability for info in self._sole.look()]
        chosen = choose_reliability(self._wanted, offered)
        if chosen is None or chosen == self._current:
            return
        self._current = chosen
        self._incompatible = ""
        if chosen not in self._made:
            self._made[chosen] = self._subscribe(chosen)
        self._node.get_logger().info(f"subscribed to {self.topic} ({self.reliability})")

    @property
    def publishers(self) -> int:
        """How many publishers the topic has now."""
        return self._node.count_publishers(self.topic)

    @property
    def crowd(self) -> str:
        """One line on several publishers; empty for one or none."""
        return self._sole.crowd

    @property
    def reliability(self) -> str:
        """Reliability of the subscription in use, or ``not subscribed``."""
        return "not subscribed" if self._current is None else self._current.name.lower()

    @property
    def incompatible(self) -> str:
        """One line on a publisher whose images cannot arrive; empty when there is none."""
        return self._incompatible if self.publishers else ""

    def _subscribe(self, reliability: ReliabilityPolicy) -> Subscription:
        def hand_on(message: Any, info: Any) -> None:
            if reliability == self._current:
                self._deliver(message, self._sole.trouble(info))

        def note_incompatible(event: Any) -> None:
            if reliability == self._current and event.total_count_change > 0:
                self._incompatible = incompatibility(event.last_policy_kind, self.topic, reliability)
                self._node.get_logger().warning(self._incompatible)

        return self._node.create_subscription(
            self._type,
            self._name,
            listening(hand_on),
            image_profile(reliability, self._depth),
            callback_group=self._group,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=note_incompatible),
        )
