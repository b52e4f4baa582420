"""Plays a bag's images to a running inspector and collects its verdicts: a replay over real DDS, at a camera's pace.

The messages go out as the bytes that were recorded, with the reliability that was recorded; only their stamps become the
time of publishing, because the inspector rightly refuses old ones.  Each verdict finds its frame by that stamp.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.bags import BagFrame, BagTopic
from hetnet_ros.inspection.bags.frames import COMPRESSED
from hetnet_ros.inspection.stamp_rule import stamp_ns
from hetnet_ros.msg import Inspection
from hetnet_ros.nodes.inspector_client import InspectorClient
from hetnet_ros.nodes.qos import image_profile

RCLError = rclpy_implementation.RCLError

LONGEST_PAUSE = 10.0
"""Seconds; a longer pause in the recording is shortened to this."""
_DISCOVERY_SECONDS = 30.0
_QUIET_SECONDS = 3.0
"""After the last frame: how long without a verdict means that no more will come."""
_REFUSED_SECONDS = 5.0
_KEPT_VERDICTS = 1000


@dataclass(frozen=True)
class PlayedFrame:
    """A frame that was published, and the inspector's verdict on it, None if none came.

    latency_ms: from publishing to the arrival of the verdict; NaN without one.
    """

    index: int
    topic: str
    log_ns: int
    stamp_ns: int
    brightness: float
    verdict: Inspection | None
    latency_ms: float


@dataclass(frozen=True)
class NodeCounts:
    """The inspector's own counts from its diagnostics; None where it did not tell."""

    received: int | None = None
    dropped: int | None = None


class BagPlayer(InspectorClient):
    """Plays one topic at ``rate`` times the recorded speed."""

    def __init__(self, namespace: str, topic: BagTopic, rate: float, still_well: Callable[[], None]) -> None:
        super().__init__("bag_player", namespace, still_well)
        self._topic, self._rate = topic, rate
        packed = topic.type == COMPRESSED
        reliability = ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT
        self._images = self.node.create_publisher(
            CompressedImage if packed else Image,
            f"{namespace}/{'image/compressed' if packed else 'image'}",
            image_profile(reliability, 5),
        )
        self._verdicts: dict[int, tuple[Inspection, float]] = {}
        self._counts: dict[str, int] = {}
        keep = QoSProfile(depth=_KEPT_VERDICTS, reliability=ReliabilityPolicy.RELIABLE)
        self.node.create_subscription(Inspection, f"{namespace}/inspector/inspection", self._on_verdict, keep)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._sent: list[tuple[BagFrame, int, float]] = []

    def play(self, frames: Iterable[BagFrame], brightness: Callable[[BagFrame], float]) -> Iterator[int]:
        """Publish; gives the number of frames so far after each.  brightness: of a frame, 0 to 1; asked for after the
        frame is out, so that it delays nothing."""
        self.wait(self._images.get_subscription_count, _DISCOVERY_SECONDS, "the inspector's image subscription")
        self.wait(
            lambda: self.node.count_publishers(f"{self.namespace}/inspector/inspection"), _DISCOVERY_SECONDS,
            "the inspector's verdicts",
        )
        due, before = time.monotonic(), None
        for frame in frames:
            if frame.message is None:
                continue  # damaged bytes that no camera would have sent
            pause = 0.0 if before is None else (frame.log_ns - before) / 1e9 / self._rate
            before = frame.log_ns
            due = max(due, time.monotonic() - 1.0) + min(max(pause, 0.0), LONGEST_PAUSE)
            while (left := due - time.monotonic()) > 0:
                self.spin(min(left, 0.02))
            stamp = self.node.get_clock().now().nanoseconds
            self._publish(_stamped(frame.data, stamp))
            self._sent.append((_without_pixels(frame), stamp, brightness(frame)))
            self.spin(0.0)
            yield len(self._sent)

    def _publish(self, data: bytes) -> None:
        """Publish; a reliable publisher whose queue is full refuses for a moment, and is asked again."""
        deadline = time.monotonic() + _REFUSED_SECONDS
        while True:
            try:
                return self._images.publish(data)
            except RCLError as error:
                if time.monotonic() > deadline:
                    raise InputError(f"an image could not be published ({error}); lower --rate") from None
                self.spin(0.01)

    def finish(self) -> None:
        """Wait for the verdicts that are still on their way, and for the node's final counts."""
        last, quiet = len(self._verdicts), time.monotonic()
        while len(self._verdicts) < len(self._sent) and time.monotonic() - quiet < _QUIET_SECONDS:
            self.spin()
            if len(self._verdicts) != last:
                last, quiet = len(self._verdicts), time.monotonic()
        self._counts.clear()
        deadline = time.monotonic() + _QUIET_SECONDS
        while not {"received", "dropped"} <= set(self._counts) and time.monotonic() < deadline:
            self.spin()

    def played(self) -> list[PlayedFrame]:
        """All frames that were published, in order."""
        rows = []
        for frame, stamp, light in self._sent:
            verdict, arrived = self._verdicts.get(stamp, (None, float("nan")))
            rows.append(PlayedFrame(frame.index, frame.topic, frame.log_ns, frame.stamp_ns, light, verdict,
                                    1e3 * (arrived - stamp / 1e9)))
        return rows

    @property
    def counts(self) -> NodeCounts:
        return NodeCounts(self._counts.get("received"), self._counts.get("dropped"))

    def _on_verdict(self, message: Inspection) -> None:
        stamp = stamp_ns(message.header.stamp)
        self._verdicts[stamp] = (message, self.node.get_clock().now().nanoseconds / 1e9)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        own = f"{self.namespace.lstrip('/')}/inspector: "
        for status in message.status:
            if status.name.startswith(own):
                for pair in status.values:
                    if pair.key in ("received", "dropped"):
                        self._counts[pair.key] = int(pair.value)


def _without_pixels(frame: BagFrame) -> BagFrame:
    """The frame without its image, which would fill the memory."""
    return BagFrame(frame.topic, frame.index, frame.log_ns, frame.stamp_ns, None, b"")


def _stamped(data: bytes, stamp_ns: int) -> bytes:
    """The serialised message with another stamp: the first eight bytes after CDR's encapsulation, of its byte order."""
    order = "<" if len(data) > 1 and data[1] & 1 else ">"
    changed = bytearray(data)
    struct.pack_into(f"{order}iI", changed, 4, *divmod(stamp_ns, 1_000_000_000))
    return bytes(changed)
