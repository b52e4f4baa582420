"""A client of a running inspector, with a context and an executor of its own: what demonstration and replay share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from hetnet_ros.errors import InputError
from hetnet_ros.nodes.company import Servers

_CONFIGURE_SECONDS = 120.0
SERVICE_SECONDS = 60.0


class InspectorClient:
    """``still_well`` is called while it waits, and raises if a node it depends on has ended."""

    def __init__(self, name: str, namespace: str, still_well: Callable[[], None]) -> None:
        self.namespace, self._still_well = namespace, still_well
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self.node = Node(name, namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, Any] = {}

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def start_inspector(self) -> None:
        """Configure and activate the inspector; InputError if it refuses."""
        for label, number in (
            ("configure", Transition.TRANSITION_CONFIGURE),
            ("activate", Transition.TRANSITION_ACTIVATE),
        ):
            answer = self.call(
                ChangeState,
                "inspector/change_state",
                ChangeState.Request(transition=Transition(id=number)),
                _CONFIGURE_SECONDS,
            )
            if not answer.success:
                raise InputError(f"the inspector refused to {label}")

    def call(self, kind: Any, name: str, request: Any, seconds: float = SERVICE_SECONDS) -> Any:
        """The answer of the service ``name``, relative to the namespace; InputError where two nodes would give one."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, f"{self.namespace}/{name}")
        client = self._clients[name]
        self.wait(client.service_is_ready, SERVICE_SECONDS, f"the service {name}")
        several = Servers(self.node).of_service(f"{self.namespace}/{name}")
        if several:
            raise InputError(several)
        future = client.call_async(request)
        self.wait(future.done, seconds, f"an answer of {name}")
        return future.result()

    def wait(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        """Spin until the condition is true and return its value; InputError if that takes longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            self.spin()
            if time.monotonic() > deadline:
                raise InputError(
                    f"waited {seconds:g} s in vain for {what}; is another program keeping the processor busy?"
                )
        return value

    def spin(self, seconds: float = 0.05) -> None:
        """Let one callback run, waiting for it at most so long."""
        self._still_well()
        try:
            self._executor.spin_once(timeout_sec=seconds)
        except ExternalShutdownException:
            raise KeyboardInterrupt from None
