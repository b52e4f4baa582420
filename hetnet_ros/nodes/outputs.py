"""What the inspector publishes: every verdict, and pictures only for those who look, at a capped rate.

A map, mask or overlay of a large image costs milliseconds and megabytes, which nobody should pay for a topic without
subscribers.  Publishers are managed ones: created once, silent while the node is not active.
"""

from __future__ import annotations

import time
from typing import Callable

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import Publisher as LifecyclePublisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from hetnet_ros.msg import Inspection as InspectionMessage
from hetnet_ros.nodes.examination import Examination
from hetnet_ros.nodes.image_conversion import fill_image
from hetnet_ros.nodes.loaded_model import LoadedModel
from hetnet_ros.nodes.message_conversion import inspection_message
from hetnet_ros.nodes.parameters import InspectorParameters
from hetnet_ros.nodes.qos import PICTURES, RESULTS


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

        self._inspection = node.create_lifecycle_publisher(InspectionMessage, "~/inspection", RESULTS)
        self._map, self._mask, self._overlay = picture("anomaly_map"), picture("mask"), picture("overlay")
        self._caps = {publisher: RateCap() for publisher in (self._map, self._mask, self._overlay)}

    def publish_inspection(self, header: Header, examination: Examination, part_id: str) -> None:
        """Publish the verdict.  ``header`` is the source image's."""
        self._inspection.publish(inspection_message(header, examination.inspection, part_id, examination.timings))

    def publish_pictures(self, header: Header, examination: Examination, model: LoadedModel,
                         parameters: InspectorParameters) -> None:
        """Compute and publish the pictures that somebody subscribes to and whose turn it is.

        Map and mask exist only where the network ran; an overlay also shows why it did not, on any image that was decoded.
        """
        from hetnet_ros.inspection.maps import calibrated_source_map, source_mask
        from hetnet_ros.inspection.overlay import draw_overlay

        inspection, calibration, rgb = examination.inspection, model.inspector.calibration, examination.rgb
        if inspection.anomaly_map is not None:
            self._offer(self._map, parameters.anomaly_map_max_rate, header, "32FC1",
                        lambda: calibrated_source_map(inspection, calibration))
            self._offer(self._mask, parameters.mask_max_rate, header, "mono8", lambda: source_mask(inspection, calibration))
        if rgb is not None:
            self._offer(self._overlay, parameters.overlay_max_rate, header, "rgb8",
                        lambda: draw_overlay(rgb, inspection, calibration))

    def _offer(self, publisher: LifecyclePublisher, rate: float, header: Header, encoding: str,
               make: Callable[[], np.ndarray]) -> None:
        if publisher.get_subscription_count() == 0 or not self._caps[publisher].passes(time.monotonic(), rate):
            return
        message = Image(header=header)
        fill_image(message, make(), encoding)
        publisher.publish(message)
