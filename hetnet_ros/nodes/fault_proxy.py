"""The ``fault_proxy`` node: stands between a camera and an inspector and does to the pictures what networks and drivers do.

For proving a cell, not for running one.  The parameter ``fault`` says what goes wrong and may be set at any time; what each fault does is in
:mod:`hetnet_ros.evaluation.stream_faults`.  With ``clock`` it is the source of ``/clock`` as well, which can then stand still or jump.
"""

from __future__ import annotations

import array
import heapq
import itertools
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock as ClockMessage
from sensor_msgs.msg import CompressedImage, Image

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.stream_faults import FAULTS, Picture, StreamFaults, parse_fault
from hetnet_ros.nodes.declaration import Declaration
from hetnet_ros.nodes.process import run_node
from hetnet_ros.nodes.qos import image_profile

CLOCK_FAULTS = ("none", "still", "back")
_TICK_SECONDS = 0.005
"""How often delayed pictures and the clock are looked at."""

DECLARATIONS = (
    Declaration("fault", "none", f"What goes wrong, NAME or NAME:NUMBER: {', '.join(FAULTS)}."),
    Declaration("seed", 0, "Seed of what is random.", low=0, high=2**31 - 1, frozen="always"),
    Declaration("image_transport", "raw", "Type of image_in and image_out.", choices=("raw", "compressed"), frozen="always"),
    Declaration("reliability", "reliable", "Quality of service of both.", choices=("reliable", "best_effort"), frozen="always"),
    Declaration("clock", False, "Publish /clock, for nodes with use_sim_time.", frozen="always"),
    Declaration("clock_fault", "none", "still: /clock repeats its time; back: it jumps back by 60 s once.", choices=CLOCK_FAULTS),
)


class FaultProxy(Node):
    """The node; see the module's docstring and docs/safety.md."""

    def __init__(self, **options: Any) -> None:
        """``options`` go to :class:`rclpy.node.Node`.  Raises InputError for a parameter value that is not allowed."""
        super().__init__("fault_proxy", **options)
        for entry in DECLARATIONS:
            self.declare_parameter(entry.name, entry.default, entry.descriptor())
        given = {entry.name: entry.checked(self.get_parameter(entry.name).value) for entry in DECLARATIONS}
        kind = CompressedImage if given["image_transport"] == "compressed" else Image
        suffix = "/compressed" if kind is CompressedImage else ""
        reliability = ReliabilityPolicy.BEST_EFFORT if given["reliability"] == "best_effort" else ReliabilityPolicy.RELIABLE
        profile = image_profile(reliability, 5)
        self._lock = threading.Lock()
        self._faults, self._waiting, self._order = StreamFaults(given["seed"]), [], itertools.count()
        self._faults.set(parse_fault(given["fault"]))
        self._clock_fault, self._clock_ns, self._clock_read = given["clock_fault"], time.time_ns(), time.monotonic_ns()
        self._kind, self._profile, self._topic = kind, profile, f"image_out{suffix}"
        self._out, self._beside = self.create_publisher(kind, self._topic, profile), None
        group, steady = MutuallyExclusiveCallbackGroup(), Clock(clock_type=ClockType.STEADY_TIME)
        self.create_subscription(kind, f"image_in{suffix}", self._on_picture, profile, callback_group=group)
        self.create_timer(_TICK_SECONDS, self._send_due, callback_group=MutuallyExclusiveCallbackGroup(), clock=steady)
        if given["clock"]:
            self._clock_out = self.create_publisher(ClockMessage, "/clock", QoSProfile(depth=1))
            self.create_timer(2 * _TICK_SECONDS, self._tick, callback_group=MutuallyExclusiveCallbackGroup(), clock=steady)
        self.add_on_set_parameters_callback(self._on_parameters)
        self.get_logger().info(f"{self.resolve_topic_name(f'image_in{suffix}')} -> {self.resolve_topic_name(self._topic)}, "
                               f"fault {self._faults.fault}")

    def _on_parameters(self, given: Sequence[Parameter]) -> SetParametersResult:
        entries = {entry.name: entry for entry in DECLARATIONS}
        try:
            values = {one.name: entries[one.name].checked(one.value) for one in given if one.name in entries}
            fault = parse_fault(values["fault"]) if "fault" in values else None
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        with self._lock:
            if fault is not None:
                self._faults.set(fault)
                self._take_away_the_second()
            if values.get("clock_fault", self._clock_fault) != self._clock_fault:
                self._clock_fault = values["clock_fault"]
                self._clock_ns -= 60_000_000_000 if self._clock_fault == "back" else 0
        return SetParametersResult(successful=True)

    def _on_picture(self, message: Any) -> None:
        stamp = message.header.stamp
        picture = Picture(stamp.sec * 1_000_000_000 + stamp.nanosec, bytes(message.data))
        with self._lock:
            for one in self._faults.feed(picture, time.monotonic()):
                heapq.heappush(self._waiting, (one.due, next(self._order), one, message))
        self._send_due()

    def _send_due(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._waiting[0][0] > time.monotonic():
                    return
                _, _, picture, message = heapq.heappop(self._waiting)
                self._publish(picture, message)

    def _publish(self, picture: Picture, like: Any) -> None:
        """``picture`` in a message that is otherwise as the camera's."""
        fields = {name: getattr(like, name) for name in like.get_fields_and_field_types() if name not in ("header", "data")}
        message = self._kind(**fields)
        message.header.frame_id = like.header.frame_id
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(picture.stamp_ns, 1_000_000_000)
        data = array.array("B")
        data.frombytes(picture.data)
        message.data = data
        if picture.beside and self._faults.fault.name != "second":
            return  # the fault ended meanwhile
        if picture.beside and self._beside is None:
            self._beside = self.create_publisher(self._kind, self._topic, self._profile)
        (self._beside if picture.beside else self._out).publish(message)

    def _take_away_the_second(self) -> None:
        """The second publisher is there as long as its fault is."""
        if self._beside is not None and self._faults.fault.name != "second":
            self.destroy_publisher(self._beside)
            self._beside = None

    def _tick(self) -> None:
        now = time.monotonic_ns()
        with self._lock:
            if self._clock_fault != "still":
                self._clock_ns += now - self._clock_read
            self._clock_read = now
            message = ClockMessage()
            message.clock.sec, message.clock.nanosec = divmod(max(self._clock_ns, 0), 1_000_000_000)
        self._clock_out.publish(message)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to stop; returns the exit code."""
    return run_node(FaultProxy, args, threads=4)


if __name__ == "__main__":
    sys.exit(main())
