"""The client's side of the inspector for tests: publishes images, collects results, calls services."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from model_fixtures import made_up_part

TIMEOUT = 20.0
"""Longest wait for any one condition, s: discovery takes up to 3 s, a loaded machine several times that."""


def wait_for(condition: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> Any:
    """Poll until the condition is true and return its value; fail with ``what`` was missing."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout:g} s in vain for {what}")
        time.sleep(0.01)


class Cell:
    """The client's side: publishes images, collects what the inspector publishes, calls its services.

    name: fully qualified name of the inspector, for example ``/a/inspector``. inspector: the node where it runs in this
    process, for breaking what it stands on.
    """

    def __init__(self, client: Any, namespace: str, inspector: Any = None) -> None:
        self.node = client
        self.inspector = inspector
        self.namespace = namespace
        self.name = f"{namespace}/inspector"
        self.received: dict[str, list[Any]] = {}
        self._publishers: dict[tuple[str, bool], Any] = {}
        self._subscriptions: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}

    # ---- topics ----

    def listen(self, topic: str, message_type: type) -> list[Any]:
        """Subscribe to a topic, relative to the inspector's private names unless absolute; returns the growing list."""
        full = topic if topic.startswith("/") else f"{self.name}/{topic}"
        if full not in self._subscriptions:
            collected: list[Any] = []
            self.received[topic] = collected
            self._subscriptions[full] = self.node.create_subscription(message_type, full, collected.append, 50)
        return self.received[topic]

    def forget(self, topic: str) -> None:
        """End a subscription made by :meth:`listen`."""
        full = topic if topic.startswith("/") else f"{self.name}/{topic}"
        self.node.destroy_subscription(self._subscriptions.pop(full))

    def image_publisher(self, *, reliable: bool = True, message_type: type | None = None, topic: str = "image") -> Any:
        from rclpy.qos import QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import Image

        key = (topic, reliable)
        if key not in self._publishers:
            policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
            self._publishers[key] = self.node.create_publisher(
                message_type or Image, f"{self.namespace}/{topic}", QoSProfile(depth=5, reliability=policy)
            )
        return self._publishers[key]

    def stop_publishing(self, *, reliable: bool = True, topic: str = "image") -> None:
        self.node.destroy_publisher(self._publishers.pop((topic, reliable)))

    def image(self, rgb: np.ndarray | None = None, *, age: float = 0.0, frame_id: str = "camera_optical_frame") -> Any:
        """A fresh rgb8 message of a made-up part, stamped now (less ``age`` s)."""
        from rclpy.duration import Duration
        from sensor_msgs.msg import Image

        from hetnet_ros.inspection.image_conversion import fill_image

        message = Image()
        message.header.stamp = (self.node.get_clock().now() - Duration(seconds=age)).to_msg()
        message.header.frame_id = frame_id
        fill_image(message, made_up_part(0) if rgb is None else rgb, "rgb8")
        return message

    def inspect(self, message: Any | None = None) -> Any:
        """Publish one image and wait for the Inspection that carries its stamp."""
        from hetnet_ros.msg import Inspection

        inspections = self.listen("inspection", Inspection)
        message = message or self.image()
        wait_for(lambda: self.image_publisher().get_subscription_count(), "the inspector's subscription")
        wait_for(lambda: self.node.count_publishers(f"{self.name}/inspection"), "the inspector's publisher")
        self.image_publisher().publish(message)
        found = wait_for(lambda: [i for i in inspections if i.header == message.header], "the inspection of an image")
        return found[0]

    # ---- services ----

    def call(self, service: str, service_type: type, timeout: float = TIMEOUT, **fields: Any) -> Any:
        """Call a service below the inspector's name and return its response."""
        if service not in self._clients:
            self._clients[service] = self.node.create_client(service_type, f"{self.name}/{service}")
        client = self._clients[service]
        assert client.wait_for_service(TIMEOUT), f"{service} is not offered"
        future = client.call_async(service_type.Request(**fields))
        wait_for(future.done, f"an answer of {service}", timeout)
        return future.result()

    def transition(self, label: str) -> bool:
        """Ask for a lifecycle transition; whether it succeeded."""
        from lifecycle_msgs.msg import Transition
        from lifecycle_msgs.srv import ChangeState

        ids = {
            "configure": Transition.TRANSITION_CONFIGURE,
            "activate": Transition.TRANSITION_ACTIVATE,
            "deactivate": Transition.TRANSITION_DEACTIVATE,
            "cleanup": Transition.TRANSITION_CLEANUP,
        }
        shutdowns = {
            "unconfigured": Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
            "inactive": Transition.TRANSITION_INACTIVE_SHUTDOWN,
            "active": Transition.TRANSITION_ACTIVE_SHUTDOWN,
        }
        number = shutdowns[self.state()] if label == "shutdown" else ids[label]
        return self.call("change_state", ChangeState, transition=Transition(id=number)).success

    def state(self) -> str:
        from lifecycle_msgs.srv import GetState

        return self.call("get_state", GetState).current_state.label

    def set_parameter(self, name: str, value: Any) -> Any:
        """Set one parameter remotely; returns the result with ``successful`` and ``reason``."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        given = Parameter(name, value=value).to_parameter_msg()
        return self.call("set_parameters", SetParameters, parameters=[given]).results[0]

    # ---- diagnostics ----

    def diagnosis(self, aspect: str, condition: Callable[[Any], bool], what: str) -> Any:
        """Wait for a status ``<this inspector>: <aspect>`` that satisfies the condition."""
        from diagnostic_msgs.msg import DiagnosticArray

        arrays = self.listen("/diagnostics", DiagnosticArray)
        arrays.clear()

        def look() -> Any:
            for array in list(arrays):
                for status in array.status:
                    if status.name == f"{self.name[1:]}: {aspect}" and condition(status):
                        return status
            return None

        return wait_for(look, what)


def network_of(cell: Cell) -> Any:
    """The network of an inspector in this process, a torch module."""
    return cell.inspector._pipeline.model.inspector.runner.network


def break_network(cell: Cell, text: str) -> Any:
    """Make the real network raise, as a failing device does; the handle's ``remove()`` mends it."""

    def fail(*_: Any) -> None:
        raise RuntimeError(text)

    return network_of(cell).register_forward_pre_hook(fail)


@contextlib.contextmanager
def slow_network(cell: Cell) -> Iterator[threading.Event]:
    """Make the real network take as long as the block lasts; yields the event that an inference has begun."""
    begun, go_on = threading.Event(), threading.Event()

    def hold(*_: Any) -> None:
        begun.set()
        go_on.wait(TIMEOUT)

    handle = network_of(cell).register_forward_pre_hook(hold)
    try:
        yield begun
    finally:
        handle.remove()
        go_on.set()


def values(status: Any) -> dict[str, str]:
    """Key and value of each entry of a DiagnosticStatus."""
    return {pair.key: pair.value for pair in status.values}
