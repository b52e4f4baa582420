"""What the inspector publishes about defects in space: markers, keep-out zones, and vision_msgs detections.

All are made from the Inspection message itself, so that they cannot say anything else than it does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

from geometry_msgs.msg import Point, Vector3
from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle import Publisher as LifecyclePublisher
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from hetnet_ros.inspection.keep_out import keep_out_box
from hetnet_ros.msg import Defect, Inspection, KeepOutZones
from hetnet_ros.nodes.parameters import InspectorParameters
from hetnet_ros.nodes.qos import PICTURES, RESULTS
from hetnet_ros.nodes.space_conversion import box_message, defect_pose

_ARROW_M = 0.03
_THINNEST_M = 0.001
_TEXT_M = 0.008


class SpaceOutputs:
    """The topics ``~/markers``, ``~/keep_out`` and, where vision_msgs is installed, ``~/detections``."""

    def __init__(self, node: LifecycleNode, send: Callable[[LifecyclePublisher, Any], None]) -> None:
        self._send = send
        self._markers = node.create_lifecycle_publisher(MarkerArray, "~/markers", PICTURES)
        self._keep_out = node.create_lifecycle_publisher(KeepOutZones, "~/keep_out", RESULTS)
        self._detections = None
        try:
            from vision_msgs.msg import Detection2DArray
        except ImportError:
            node.get_logger().info("vision_msgs is not installed: ~/detections is not offered")
        else:
            self._detections = node.create_lifecycle_publisher(Detection2DArray, "~/detections", RESULTS)

    def messages(self, message: Inspection, parameters: InspectorParameters) -> Iterator[Callable[[], None]]:
        """One at a time, what is to be published about an inspected image; each item publishes one."""
        if self._detections is not None and self._detections.get_subscription_count():
            yield functools.partial(self._send, self._detections, detections(message))
        if not parameters.geometry_enabled:
            return
        yield functools.partial(self._send, self._keep_out, keep_out_zones(message, parameters.geometry_keep_out_margin))
        if self._markers.get_subscription_count():
            yield functools.partial(self._send, self._markers, markers(message))


def keep_out_zones(message: Inspection, margin_m: float) -> KeepOutZones:
    """The zones of an image's defects that have a pose; of one image they all have the same frame."""
    zones = KeepOutZones(header=message.header, part_id=message.part_id)
    for defect in message.defects:
        if defect.has_pose:
            zones.header = pose_header(message, defect)
            shape, pose = box_message(keep_out_box(defect_pose(defect), margin_m))
            zones.primitives.append(shape)
            zones.primitive_poses.append(pose)
    return zones


def pose_header(message: Inspection, defect: Defect) -> Header:
    """Stamp of the image, frame of the defect's pose."""
    return Header(stamp=message.header.stamp, frame_id=defect.frame_id or message.header.frame_id)


def markers(message: Inspection) -> MarkerArray:
    """For each defect with a pose a box of its extent, an arrow along its normal and its score; all earlier ones go."""
    everything = [Marker(header=message.header, action=Marker.DELETEALL)]
    for number, defect in enumerate(message.defects):
        if not defect.has_pose:
            continue
        header, pose = pose_header(message, defect), defect.pose.pose
        # Red where it is certain, yellow at the threshold.
        colour = ColorRGBA(r=1.0, g=float(min(1.0, max(0.0, 2.0 - 2.0 * defect.score))), b=0.0, a=0.6)
        size = [max(float(v), _THINNEST_M) for v in (defect.extent.x, defect.extent.y, defect.extent.z)]
        box = Marker(header=header, ns="extent", id=number, type=Marker.CUBE, pose=pose, color=colour)
        box.scale = Vector3(x=size[0], y=size[1], z=size[2])
        arrow = Marker(header=header, ns="normal", id=number, type=Marker.ARROW, pose=pose, color=colour)
        arrow.points = [Point(), Point(z=_ARROW_M)]
        arrow.scale = Vector3(x=_ARROW_M / 15, y=_ARROW_M / 8, z=_ARROW_M / 5)
        text = Marker(header=header, ns="score", id=number, type=Marker.TEXT_VIEW_FACING, pose=pose)
        text.text = f"{defect.score:.2f}  {defect.area_mm2:.0f} mm2"
        text.scale.z, text.color = _TEXT_M, ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0)
        everything += [box, arrow, text]
    return MarkerArray(markers=everything)


def detections(message: Inspection) -> Any:
    """The same defects as vision_msgs/Detection2DArray: class ``defect``, its box, and its pose where it has one in the
    camera's frame (a detection has no frame of its own)."""
    from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

    array = Detection2DArray(header=message.header)
    for number, defect in enumerate(message.defects):
        found = Detection2D(header=message.header, id=str(number))
        box = defect.box
        found.bbox.center.position.x = box.x_offset + (box.width - 1) / 2
        found.bbox.center.position.y = box.y_offset + (box.height - 1) / 2
        found.bbox.size_x, found.bbox.size_y = float(box.width), float(box.height)
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = "defect", float(defect.score)
        if defect.has_pose and not defect.frame_id:
            hypothesis.pose = defect.pose
        found.results.append(hypothesis)
        array.detections.append(found)
    return array
