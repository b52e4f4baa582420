"""The virtual cell as an arm: viewpoints become parameters of the virtual_camera node, so poses change the images.

There is no gripper and there are no bins; going there succeeds as long as the cell is there.
"""

from __future__ import annotations

from collections.abc import Sequence

from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from hetnet_ros.nodes.calls import Caller, CallFailed
from hetnet_ros.nodes.qos import image_profile
from hetnet_ros.planning.cell_config import Target
from hetnet_ros.planning.interfaces import KeepOut, MotionFailed


class VirtualCellArm:
    """Moves the camera node ``camera``, which publishes ``camera_info`` beside it."""

    def __init__(self, node: Node, caller: Caller, camera: str, available: float) -> None:
        self._caller, self._available = caller, available
        self._client = node.create_client(SetParameters, f"{camera}/set_parameters")
        self._pictures = 0
        beside = camera.rpartition("/")
        node.create_subscription(
            CameraInfo,
            f"{beside[0]}{beside[1]}camera_info",
            self._count,
            image_profile(ReliabilityPolicy.BEST_EFFORT, 5),
        )

    def begin_part(self, number: int, timeout: float) -> None:
        """Put part ``number`` of the camera's row on the table."""
        self._set(timeout, part_index=number)

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
        """Nothing to open."""

    def keep_out(self, zones: Sequence[KeepOut], timeout: float) -> None:
        """Nothing to keep clear of."""

    def _count(self, _message: CameraInfo) -> None:
        self._pictures += 1

    def _set(self, timeout: float, **values: object) -> None:
        parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
        try:
            answer = self._caller.service(
                self._client, SetParameters.Request(parameters=parameters), self._available, timeout
            )
        except CallFailed as error:
            raise MotionFailed("planner_stopped" if error.kind == "stopped" else "motion_failed", str(error)) from error
        for result in answer.results:
            if not result.successful:
                raise MotionFailed("motion_failed", f"the virtual camera refused: {result.reason}")
