"""Whether what comes on a topic comes from one publisher, and always from the same: with two of a kind nobody knows which
of them tells of the part that lies there.

A message carries the GID of its publisher from ROS 2 Kilted on, and the graph lists the GIDs of all.  As long as the graph
shows one publisher, the topic is bound to it, and only its messages count; as long as it shows two, none does.  When the one
bound to is gone, for example because the camera was started again, the one that is left is taken.  Where messages carry no
GID, the graph's count decides alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node

try:
    from rclpy.subscription import MessageInfo
except ImportError:  # before Jazzy callbacks are not told of it
    MessageInfo = None

_GID_BYTES = 16
"""Older distributions pad GIDs with zeros."""


def listening(callback: Callable[[Any, Any], None]) -> Callable[..., None]:
    """A subscription's callback that calls ``callback(message, info)``; info is None where rclpy does not give it."""
    if MessageInfo is None:
        return lambda message: callback(message, None)
    return lambda message, info: callback(message, info)


class SolePublisher:
    """Watches one topic.  topic: resolved name.  type_name: as in ``sensor_msgs/msg/Image``; publishers of other types
    cannot be heard and do not count."""

    def __init__(self, node: Node, topic: str, type_name: str) -> None:
        self._node, self._topic, self._type_name = node, topic, type_name
        self._bound: bytes | None = None
        self._names: tuple[str, ...] = ()

    def look(self) -> list[Any]:
        """Look at the graph; the publishers as rclpy lists them."""
        infos = [i for i in self._node.get_publishers_info_by_topic(self._topic) if i.topic_type == self._type_name]
        gids = {_gid(info.endpoint_gid): info for info in infos}
        self._names = tuple(f"{i.node_namespace.rstrip('/')}/{i.node_name}" for i in gids.values())
        if self._bound not in gids:
            self._bound = next(iter(gids)) if len(gids) == 1 else None
        return infos

    @property
    def crowd(self) -> str:
        """One line on several publishers, as of the last look; empty for one or none."""
        names = self._names
        if len(names) < 2:
            return ""
        return f"{len(names)} publishers of {self._topic} ({', '.join(names)}): leave one, nobody knows which of them is right"

    def trouble(self, info: Any) -> str:
        """Why a message does not count, in one line; empty if it does.  info: as :func:`listening` gives it."""
        self.look()  # some 70 us: a second publisher is to be seen before its first message is believed
        sender = _sender(info)
        if self.crowd:
            return self.crowd
        if sender is None:
            return "" if self._names else f"the publisher of {self._topic} is not known"
        return "" if sender == self._bound else f"a message on {self._topic} came from a publisher that is not known"


def _sender(info: Any) -> bytes | None:
    gid = info.get("publisher_gid") if info is not None else None
    return _gid(gid["data"]) if gid else None


def _gid(data: Any) -> bytes:
    return bytes(data)[:_GID_BYTES]
