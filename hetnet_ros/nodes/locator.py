"""Gives the defects of an inspected image their place in space, or the reason why they have none.

It runs in the worker, after the verdict stands: whatever is wrong with intrinsics or depth costs poses, never a verdict.
"""

from __future__ import annotations

import math
import time
import traceback

import rclpy
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import fits_name, shown
from hetnet_ros.inspection import result
from hetnet_ros.inspection.geometry import DefectPose, NoPose, locate_defects
from hetnet_ros.inspection.image_conversion import BadImage, depth_to_metres
from hetnet_ros.inspection.stamp_rule import stamp_ns
from hetnet_ros.msg import Inspection
from hetnet_ros.nodes.parameters import InspectorParameters
from hetnet_ros.nodes.space_conversion import camera_model, fill_pose
from hetnet_ros.nodes.space_inputs import SpaceInputs
from hetnet_ros.nodes.target_frame import TargetFrame

_LOG_PERIOD = 5.0


class Locator:
    """Subscribes once geometry is enabled, and fills the poses of an Inspection message."""

    def __init__(self, node: Node, group: CallbackGroup) -> None:
        self._node, self._group = node, group
        self._logger = node.get_logger()
        self._inputs: dict[str, SpaceInputs] = {}
        self._target = TargetFrame(node)

    def connect(self, parameters: InspectorParameters) -> None:
        """Subscribe as soon as geometry is enabled; cheap to call again and again."""
        if parameters.geometry_enabled:
            for camera in parameters.cameras:
                if camera not in self._inputs:
                    self._inputs[camera] = SpaceInputs(self._node, self._group, camera)
                self._inputs[camera].connect()

    def fill(self, message: Inspection, inspection: result.Inspection, parameters: InspectorParameters) -> None:
        """Write poses into the message's defects, which are those of ``inspection`` in the same order; never raises."""
        if not (parameters.geometry_enabled and inspection.defects):
            return
        started = time.perf_counter()
        try:
            self._fill(message, inspection, parameters)
        except Exception:  # a defect of ours costs the poses, not the verdict
            if rclpy.ok(context=self._node.context):  # else the process was told to end meanwhile
                self._logger.error(
                    f"defects could not be located\n{traceback.format_exc()}", throttle_duration_sec=_LOG_PERIOD
                )
            for defect in message.defects:
                defect.has_pose, defect.pose_reason, defect.frame_id, defect.area_mm2 = False, NoPose.FAILED.value, "", math.nan
        took = 1e3 * (time.perf_counter() - started)
        message.timings.postprocess += took
        message.timings.total += took

    def _fill(self, message: Inspection, inspection: result.Inspection, parameters: InspectorParameters) -> None:
        found, moved = self._locate(message, inspection, parameters), None
        if parameters.target_frame and any(isinstance(place, DefectPose) for place in found):
            moved = self._target.transform(message.header, parameters.target_frame)
        for defect, place in zip(message.defects, found, strict=True):
            if isinstance(place, NoPose):
                defect.pose_reason = place.value
            elif moved is not None and (there := place.moved(*moved)).is_place:
                fill_pose(defect, there, parameters.target_frame)
            else:
                fill_pose(defect, place, "", NoPose.NO_TRANSFORM.value if parameters.target_frame else "")

    def _locate(
        self, message: Inspection, inspection: result.Inspection, parameters: InspectorParameters
    ) -> tuple[DefectPose | NoPose, ...]:
        def nothing(reason: NoPose) -> tuple[NoPose, ...]:
            return (reason,) * len(inspection.defects)

        inputs, frame_id = self._inputs.get(message.camera), message.header.frame_id
        if not frame_id or not fits_name(frame_id):
            self._warn(f"the images' frame_id is {shown(frame_id, 60)!r}, so defects get no pose: let the driver name the camera's optical frame")
            return nothing(NoPose.NO_FRAME)
        if inputs is None:
            return nothing(NoPose.NO_CAMERA_INFO)
        if inputs.crowd:
            self._warn(inputs.crowd)
            return nothing(NoPose.TWO_PUBLISHERS)
        depth_message, any_depth = inputs.depth(
            stamp_ns(message.header.stamp), parameters.geometry_stamp_tolerance, parameters.geometry_wait
        )
        info = inputs.info
        if info is None:
            return nothing(NoPose.NO_CAMERA_INFO)
        if depth_message is None:
            return nothing(NoPose.STAMP_MISMATCH if any_depth else NoPose.NO_DEPTH)
        try:
            camera = camera_model(info, parameters.geometry_rectified)
        except InputError as error:
            self._warn(str(error))
            return nothing(NoPose.BAD_CAMERA_INFO)
        try:
            depth = depth_to_metres(depth_message)
        except BadImage as error:
            self._warn(str(error))
            return nothing(NoPose.BAD_DEPTH)
        sizes = {(camera.height, camera.width), depth.shape, tuple(inspection.source_size)}
        if len(sizes) > 1:
            self._warn(
                f"image {_size(inspection.source_size)}, depth {_size(depth.shape)} and camera_info "
                f"{camera.width}x{camera.height} differ in size: defects get no pose; publish depth aligned with the image"
            )
            return nothing(NoPose.SIZE_MISMATCH)
        return locate_defects(inspection.defects, camera, depth)

    def _warn(self, line: str) -> None:
        self._logger.warning(line, throttle_duration_sec=_LOG_PERIOD)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
