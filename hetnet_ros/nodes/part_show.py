"""Shows parts to an inspector one at a time and collects its verdicts: the client that a demonstration or a check
needs.

It speaks to the virtual camera and the inspector only as any other node could: parameters to choose the part,
lifecycle services to start the inspector, topics for pictures, truth and verdicts, matched by their stamps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.result import Box
from hetnet_ros.msg import Inspection
from hetnet_ros.inspection.image_conversion import image_to_rgb

_CONFIGURE_SECONDS = 120.0
_SERVICE_SECONDS = 60.0
_VERDICT_SECONDS = 30.0
_OVERLAY_SECONDS = 3.0


@dataclass(frozen=True, eq=False)
class ShownPart:
    """One part that was shown, and what the inspector made of it.

    truth: ``good``, or the kind of the defect; truth_box: where it is in the picture, None for a good part.
    verdict: as in Inspection.msg; reason, detail, score, p_value: its fields.  latency_ms: from the image's stamp to
    the arrival of the verdict here.  overlay: uint8 RGB, the inspector's overlay of this very picture (the bare
    picture if it did not arrive).
    """

    index: int
    part_id: str
    truth: str
    truth_box: Box | None
    verdict: int
    reason: str
    detail: str
    score: float
    p_value: float
    latency_ms: float
    overlay: np.ndarray


class PartShow:
    """The client.  ``still_well`` is called while it waits, and raises if a node it depends on has ended."""

    def __init__(self, namespace: str, still_well: Callable[[], None]) -> None:
        self._namespace, self._still_well = namespace, still_well
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self._node = Node("part_show", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._truths: dict[tuple[int, int], Inspection] = {}
        self._verdicts: dict[tuple[int, int], tuple[Inspection, float]] = {}
        self._pictures: dict[tuple[int, int], Image] = {}
        self._overlays: dict[tuple[int, int], Image] = {}
        self._clients: dict[str, Any] = {}
        self._listen(Inspection, "virtual_camera/truth", lambda m: self._truths.__setitem__(_stamp(m), m))
        self._listen(Inspection, "inspector/inspection", self._on_verdict)
        self._listen(Image, "image", lambda m: self._pictures.__setitem__(_stamp(m), m))
        self._listen(Image, "inspector/overlay", lambda m: self._overlays.__setitem__(_stamp(m), m))

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def start_inspector(self) -> None:
        """Configure and activate the inspector; InputError if it refuses."""
        for label, number in (
            ("configure", Transition.TRANSITION_CONFIGURE),
            ("activate", Transition.TRANSITION_ACTIVATE),
        ):
            answer = self._call(
                ChangeState,
                "inspector/change_state",
                ChangeState.Request(transition=Transition(id=number)),
                _CONFIGURE_SECONDS,
            )
            if not answer.success:
                raise InputError(f"the inspector refused to {label}")

    def show(self, indices: Iterable[int]) -> Iterator[ShownPart]:
        """Show these parts in turn; each is given as soon as its verdict is there."""
        for index in indices:
            for kept in (self._truths, self._verdicts, self._pictures, self._overlays):
                kept.clear()
            self._set(Parameter("part_index", value=index))
            stamp = self._wait(
                lambda wanted=f"_{index:04d}": self._judged(wanted), _VERDICT_SECONDS, f"the verdict on part {index}"
            )
            deadline = time.monotonic() + _OVERLAY_SECONDS
            while stamp not in self._overlays and time.monotonic() < deadline:
                self._spin()
            yield self._shown(index, stamp)

    def _judged(self, suffix: str) -> tuple[int, int] | None:
        for stamp, truth in self._truths.items():
            if truth.part_id.endswith(suffix) and stamp in self._verdicts and stamp in self._pictures:
                return stamp
        return None

    def _shown(self, index: int, stamp: tuple[int, int]) -> ShownPart:
        truth, (verdict, arrived) = self._truths[stamp], self._verdicts[stamp]
        box = None
        if truth.defects:
            roi = truth.defects[0].box
            box = Box(roi.x_offset, roi.y_offset, roi.width, roi.height)
        return ShownPart(
            index,
            truth.part_id,
            "good" if truth.verdict == Inspection.PASS else truth.reason,
            box,
            verdict.verdict,
            verdict.reason,
            verdict.detail,
            verdict.score,
            verdict.p_value,
            (arrived - (stamp[0] + stamp[1] * 1e-9)) * 1e3,
            image_to_rgb(self._overlays.get(stamp, self._pictures[stamp])).copy(),
        )

    # ---- ROS ---------------------------------------------------------------------------------------------------------

    def _listen(self, kind: type, topic: str, callback: Callable[[Any], None]) -> None:
        self._node.create_subscription(kind, f"{self._namespace}/{topic}", callback, 10)

    def _on_verdict(self, message: Inspection) -> None:
        self._verdicts[_stamp(message)] = (message, self._node.get_clock().now().nanoseconds * 1e-9)

    def _set(self, *parameters: Parameter) -> None:
        request = SetParameters.Request(parameters=[parameter.to_parameter_msg() for parameter in parameters])
        for result in self._call(SetParameters, "virtual_camera/set_parameters", request, _SERVICE_SECONDS).results:
            if not result.successful:
                raise InputError(f"the virtual camera refused a parameter: {result.reason}")

    def _call(self, kind: Any, name: str, request: Any, seconds: float) -> Any:
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, f"{self._namespace}/{name}")
        client = self._clients[name]
        self._wait(client.service_is_ready, _SERVICE_SECONDS, f"the service {name}")
        future = client.call_async(request)
        self._wait(future.done, seconds, f"an answer of {name}")
        return future.result()

    def _wait(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            self._spin()
            if time.monotonic() > deadline:
                raise InputError(
                    f"waited {seconds:g} s in vain for {what}; is another program keeping the processor busy?"
                )
        return value

    def _spin(self) -> None:
        self._still_well()
        try:
            self._executor.spin_once(timeout_sec=0.05)
        except ExternalShutdownException:
            raise KeyboardInterrupt from None


def _stamp(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec
