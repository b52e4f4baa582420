"""What the inspector publishes: every verdict, and pictures only for those who look, at a capped rate.

A map, mask or overlay of a large image costs milliseconds and megabytes, which nobody should pay for a topic without
subscribers.  Publishers are managed ones: created once, silent while the node is not active.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator

import numpy as np
import rclpy
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import Publisher as LifecyclePublisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from hetnet_ros.inspection.frame_policy import Examination
from hetnet_ros.inspection.image_conversion import fill_image
from hetnet_ros.msg import Inspection as InspectionMessage
from hetnet_ros.nodes.loaded_model import LoadedModel
from hetnet_ros.nodes.parameters import InspectorParameters
from hetnet_ros.nodes.qos import PICTURES, RESULTS
from hetnet_ros.nodes.space_outputs import SpaceOutputs

RCLError = rclpy_implementation.RCLError


class RateCap:
    """Lets through at most ``rate`` events a second; 0 lets all through."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def passes(self, now: float, rate: float) -> bool:
        """Whether an event at ``now``, s, may happen; it is then the new reference."""
        if rate > 0 and now - self._last < 1.0 / rate:
            return False
        self._last = now
        return True


class Outputs:
    """The inspector's result topics."""

    def __init__(self, node: LifecycleNode) -> None:
        def picture(name: str) -> LifecyclePublisher:
            return node.create_lifecycle_publisher(Image, f"~/{name}", PICTURES)

        self._logger = node.get_logger()
        self._inspection = node.create_lifecycle_publisher(InspectionMessage, "~/inspection", RESULTS)
        self._map, self._mask, self._overlay = picture("anomaly_map"), picture("mask"), picture("overlay")
        self.space = SpaceOutputs(node, self._send)
        self._caps = {publisher: RateCap() for publisher in (self._map, self._mask, self._overlay)}

    def publish_inspection(self, message: InspectionMessage) -> None:
        """Publish a verdict."""
        self._send(self._inspection, message)

    def pictures(
        self, header: Header, examination: Examination, model: LoadedModel, parameters: InspectorParameters
    ) -> Iterator[Callable[[], None]]:
        """Compute, one at a time, the pictures that somebody subscribes to and whose turn it is; each item publishes
        one.

        Map and mask exist only where the network ran; an overlay also shows why it did not, on any image that was
        decoded.
        """
        from hetnet_ros.inspection.maps import calibrated_source_map, source_mask
        from hetnet_ros.inspection.overlay import draw_overlay

        inspection, calibration, rgb = examination.inspection, model.inspector.calibration, examination.rgb
        wanted: list[tuple[LifecyclePublisher, float, str, Callable[[], np.ndarray]]] = []
        if inspection.anomaly_map is not None:
            wanted += [
                (
                    self._map,
                    parameters.anomaly_map_max_rate,
                    "32FC1",
                    lambda: calibrated_source_map(inspection, calibration),
                ),
                (self._mask, parameters.mask_max_rate, "mono8", lambda: source_mask(inspection, calibration)),
            ]
        if rgb is not None:
            wanted.append(
                (self._overlay, parameters.overlay_max_rate, "rgb8", lambda: draw_overlay(rgb, inspection, calibration))
            )
        for publisher, rate, encoding, make in wanted:
            if publisher.get_subscription_count() and self._caps[publisher].passes(time.monotonic(), rate):
                message = Image(header=header)
                fill_image(message, make(), encoding)
                yield functools.partial(self._send, publisher, message)

    def _send(self, publisher: LifecyclePublisher, message: InspectionMessage | Image) -> None:
        try:
            publisher.publish(message)
        except RCLError as error:  # a saturated reliable publisher; the context's end is told by who ends it
            if rclpy.ok():
                self._logger.error(
                    f"a message on {publisher.topic_name} could not be published: {error}", throttle_duration_sec=5.0
                )
