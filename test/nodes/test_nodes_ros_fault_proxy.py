"""The fault proxy over DDS: what an inspector behind it would get."""

from __future__ import annotations

import array
from collections.abc import Iterator
from typing import Any

import pytest
from inspection_cell import wait_for
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from hetnet_ros.errors import InputError
from hetnet_ros.nodes.fault_proxy import FaultProxy


class Line:
    """A camera, the proxy, and a listener behind it."""

    def __init__(self, executor: Any, namespace: str, kind: type = Image, **parameters: Any) -> None:
        import rclpy

        self.kind, suffix = kind, "/compressed" if kind is CompressedImage else ""
        self.proxy = FaultProxy(namespace=namespace,
                                parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()])
        self.node = rclpy.create_node("line", namespace=namespace)
        self.camera = self.node.create_publisher(kind, f"image_in{suffix}", QoSProfile(depth=5))
        self.came: list[tuple[int, Any]] = []
        self.clocks: list[int] = []
        self.node.create_subscription(kind, f"image_out{suffix}", self.came.append, QoSProfile(depth=20))
        self.node.create_subscription(Clock, "/clock", lambda m: self.clocks.append(m.clock.sec * 10**9 + m.clock.nanosec), 20)
        for node in (self.proxy, self.node):
            executor.add_node(node)
        wait_for(lambda: self.camera.get_subscription_count(), "the proxy to listen")
        wait_for(lambda: self.proxy._out.get_subscription_count(), "the listener")
        self._count = 0

    def take(self, count: int) -> None:
        """Publish ``count`` pictures of 4x4 px, each of its number, stamped with it."""
        for _ in range(count):
            self._count += 1
            message = self.kind()
            message.header.frame_id, message.header.stamp.sec = "lens", self._count
            message.data = array.array("B", bytes([self._count]) * 16)
            if self.kind is Image:
                message.height, message.width, message.step, message.encoding = 4, 4, 4, "mono8"
            else:
                message.format = "png"
            self.camera.publish(message)

    def set(self, name: str, value: str) -> Any:
        return self.proxy.set_parameters([Parameter(name, value=value)])[0]

    def end(self, executor: Any) -> None:
        for node in (self.proxy, self.node):
            for timer in node.timers:
                timer.cancel()
            executor.remove_node(node)


@pytest.fixture
def make_line(executor: Any, request: Any) -> Iterator[Any]:
    made: list[Line] = []

    def make(**options: Any) -> Line:
        made.append(Line(executor, f"/proxy{len(made)}_{abs(hash(request.node.name)) % 10**6}", **options))
        return made[-1]

    yield make
    for line in made:
        line.end(executor)


@pytest.mark.parametrize("kind, parameters", [(Image, {}), (CompressedImage, {"image_transport": "compressed"})])
def test_pictures_pass_and_a_ring_brings_old_ones_back(make_line: Any, kind: type, parameters: dict) -> None:
    line = make_line(kind=kind, **parameters)
    line.take(4)
    wait_for(lambda: len(line.came) == 4, "the pictures")
    first = line.came[0]
    assert (first.header.frame_id, first.header.stamp.sec, bytes(first.data)) == ("lens", 1, b"\1" * 16)
    assert first.encoding == "mono8" if kind is Image else first.format == "png"
    assert line.set("fault", "ring:2").successful
    line.take(3)
    wait_for(lambda: len(line.came) == 7, "the ring")
    assert [(one.header.stamp.sec, one.data[0]) for one in line.came[4:]] == [(5, 3), (6, 4), (7, 3)]


def test_a_second_publisher_is_there_as_long_as_its_fault(make_line: Any) -> None:
    line = make_line()
    publishers = lambda: line.node.count_publishers(line.proxy.resolve_topic_name("image_out"))  # noqa: E731
    line.take(2)
    wait_for(lambda: len(line.came) == 2 and publishers() == 1, "the pictures of one publisher")
    line.set("fault", "second")
    line.take(1)
    wait_for(lambda: publishers() == 2, "the second publisher")
    line.set("fault", "none")
    wait_for(lambda: publishers() == 1, "its end")


def test_a_delayed_picture_comes_later_and_a_lost_one_never(make_line: Any) -> None:
    line = make_line(fault="delay:0.3")
    line.take(1)
    came_before_its_time = len(line.came)
    wait_for(lambda: line.came, "the picture")
    assert came_before_its_time == 0
    line.set("fault", "drop:1")
    line.take(3)
    wait_for(lambda: len(line.proxy._faults._seen) == 4, "the proxy to have got them")
    line.set("fault", "none")
    wait_for(lambda: line.take(1) or len(line.came) > 1, "a picture after the loss")
    assert [one.header.stamp.sec for one in line.came[:1]] == [1] and line.came[1].header.stamp.sec > 4


def test_the_clock_runs_stands_still_and_jumps(make_line: Any) -> None:
    line = make_line(clock=True)
    wait_for(lambda: len(line.clocks) > 5 and line.clocks[-1] > line.clocks[0], "a running clock")
    line.set("clock_fault", "still")
    wait_for(lambda: len(line.clocks) > 12 and len(set(line.clocks[-5:])) == 1, "a clock that stands still")
    stood = line.clocks[-1]
    line.set("clock_fault", "back")
    wait_for(lambda: line.clocks[-1] < stood - 50e9, "a jump back")


def test_a_fault_that_is_not_known_changes_nothing(make_line: Any) -> None:
    line = make_line()
    refused = line.set("fault", "ring:0")
    assert not refused.successful and "ring takes number of old pictures" in refused.reason
    line.take(1)
    wait_for(lambda: line.came, "the picture")
    with pytest.raises(InputError, match="fault is 'lost'"):
        FaultProxy(parameter_overrides=[Parameter("fault", value="lost")])
