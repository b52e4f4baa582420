"""The virtual cell as an arm: viewpoints become parameters of the virtual_camera node, so poses change the images.

There is no gripper and there are no bins; going there succeeds as long as the cell is there.  What a gripper would know, that a
part has been taken up and not put down, the camera's parameter ``part_in_work`` keeps over the planner's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from hetnet_ros.nodes.calls import Caller, CallFailed
from hetnet_ros.nodes.qos import image_profile
from hetnet_ros.nodes.sole_publisher import SolePublisher, listening
from hetnet_ros.planning.cell_config import Target
from hetnet_ros.planning.interfaces import KeepOut, MotionFailed

_IN_WORK = "part_in_work"
_FORGET_SECONDS = 2.0
"""Longest wait for the camera to take note that a part was put down."""


class VirtualCellArm:
    """Moves the camera node ``camera``, which publishes ``camera_info`` beside it."""

    def __init__(self, node: Node, caller: Caller, camera: str, available: float) -> None:
        self._caller, self._available = caller, available
        self._client = node.create_client(SetParameters, f"{camera}/set_parameters")
        self._reader = node.create_client(GetParameters, f"{camera}/get_parameters")
        self._pictures = 0
        beside = camera.rpartition("/")
        topic = f"{beside[0]}{beside[1]}camera_info"
        self._sole = SolePublisher(node, node.resolve_topic_name(topic), "sensor_msgs/msg/CameraInfo")
        node.create_subscription(
            CameraInfo,
            topic,
            listening(self._count),
            image_profile(ReliabilityPolicy.BEST_EFFORT, 5),
        )

    def holding(self, timeout: float) -> bool | None:
        """Whether a planner has begun with a part and not put it down; None if the camera does not answer."""
        request = GetParameters.Request(names=[_IN_WORK])
        try:
            answer = self._caller.service(self._reader, request, self._available, timeout)
        except CallFailed:
            return None
        (value,) = answer.values if len(answer.values) == 1 else (None,)
        return value.bool_value if value is not None and value.type == ParameterType.PARAMETER_BOOL else None

    def begin_part(self, number: int, timeout: float) -> None:
        """Put part ``number`` of the camera's row on the table."""
        self._set(timeout, part_index=number, part_in_work=True)

    def move(self, target: Target, timeout: float) -> None:
        """Change the viewpoint.  The camera is there once two more pictures are taken: the first may have been begun before."""
        if target.view is None:
            return
        view = target.view
        self._set(timeout, tilt_deg=view.tilt_deg, azimuth_deg=view.azimuth_deg, distance_mm=view.distance_mm)
        since = self._pictures
        try:
            self._caller.wait(lambda: self._pictures >= since + 2, timeout, "pictures from the new viewpoint")
        except CallFailed as error:
            raise MotionFailed("motion_timeout" if error.kind == "timeout" else "planner_stopped", str(error)) from error

    def grasp(self, timeout: float) -> None:
        """Nothing to close."""

    def release(self, timeout: float) -> None:
        """The part is put down.  A camera that is gone has nothing to remember."""
        try:
            self._set(min(timeout, _FORGET_SECONDS), part_in_work=False)
        except MotionFailed as error:
            if error.reason == "planner_stopped":
                raise

    def keep_out(self, zones: Sequence[KeepOut], timeout: float) -> None:
        """Nothing to keep clear of."""

    def _count(self, _message: CameraInfo, info: Any) -> None:
        if not self._sole.trouble(info):
            self._pictures += 1

    def _set(self, timeout: float, **values: object) -> None:
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        try:
            answer = self._caller.service(
                self._client, SetParameters.Request(parameters=parameters), self._available, timeout
            )
        except CallFailed as error:
            raise MotionFailed("planner_stopped" if error.kind == "stopped" else "motion_failed", str(error)) from error
        if len(answer.results) != len(parameters):
            raise MotionFailed("motion_failed", f"the virtual camera answered for {len(answer.results)} of {len(parameters)} settings")
        for result in answer.results:
            if not result.successful:
                raise MotionFailed("motion_failed", f"the virtual camera refused: {result.reason}")
