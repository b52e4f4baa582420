"""A robot through MoveIt 2's move_group: named states and poses as goals, keep-out boxes in its planning scene.

This module needs moveit_msgs and is imported only when the cell's file asks for MoveIt.  It speaks to move_group's
interfaces as they are on every distribution (action ``move_action``, service ``apply_planning_scene``), because MoveIt's own
Python bindings are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from action_msgs.msg import GoalStatus
from geometry_msgs.msg import Point, Pose, Quaternion
from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import (
    BoundingVolume,
    CollisionObject,
    Constraints,
    JointConstraint,
    MoveItErrorCodes,
    OrientationConstraint,
    PlanningScene,
    PositionConstraint,
)
from moveit_msgs.srv import ApplyPlanningScene
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import JointState
from shape_msgs.msg import SolidPrimitive

from hetnet_ros.errors import InputError
from hetnet_ros.nodes.calls import Caller, CallFailed, SoleActionClient
from hetnet_ros.nodes.qos import image_profile
from hetnet_ros.nodes.space_conversion import box_message
from hetnet_ros.planning.cell_config import MoveItConfig, PoseTarget, Target
from hetnet_ros.planning.interfaces import KeepOut, MotionFailed
from hetnet_ros.planning.named_states import named_state

_SEMANTIC = "robot_description_semantic"
_LISTEN_SECONDS = 1.0
"""How long the gripper's joints are listened to; drivers publish them many times a second."""
_REASONS = {"timeout": "motion_timeout", "stopped": "planner_stopped"}


class MoveItArm:
    """The robot and gripper of one move_group node."""

    def __init__(self, node: Node, caller: Caller, config: MoveItConfig, available: float) -> None:
        self._node, self._caller, self._config, self._available = node, caller, config, available
        self._motions = SoleActionClient(node, MoveGroup, config.action)
        self._scene = node.create_client(ApplyPlanningScene, "apply_planning_scene")
        self._description = node.create_client(GetParameters, f"{config.move_group}/get_parameters")
        self._srdf = ""
        self._zones: list[tuple[str, str]] = []
        self._joints: list[dict[str, float]] | None = None
        if config.gripper_group:
            profile = image_profile(ReliabilityPolicy.BEST_EFFORT, 10)
            node.create_subscription(JointState, "joint_states", self._take_joints, profile)

    def holding(self, timeout: float) -> bool | None:
        """False where every message on ``joint_states`` in a second has the gripper at its open state, else None: a closed
        one may hold a part, and what is not measured is not known."""
        if not self._config.gripper_group:
            return None
        try:
            opened = named_state(self._semantic_description(timeout), self._config.gripper_group, self._config.gripper_open)
            self._joints = []
            self._caller.sleep(_LISTEN_SECONDS)
        except (CallFailed, InputError, MotionFailed):
            return None
        heard, self._joints = self._joints, None
        for joint, position in opened.items():
            measured = [message[joint] for message in heard if joint in message]
            if not measured or any(not abs(value - position) <= self._config.joint_tolerance for value in measured):
                return None
        return False

    def _take_joints(self, message: JointState) -> None:
        if self._joints is not None:
            self._joints.append(dict(zip(message.name, message.position)))

    def begin_part(self, number: int, timeout: float) -> None:
        """Take the last part's keep-out boxes out of the scene; parts come by the cell's own feeder."""
        if self._zones:
            gone = [self._object(name, frame_id, CollisionObject.REMOVE) for name, frame_id in self._zones]
            self._apply(gone, timeout)
            self._zones = []

    def move(self, target: Target, timeout: float) -> None:
        """Plan to a named state or pose of the arm and go there."""
        if target.pose is not None:
            self._go(self._config.group, self._pose_constraints(target.pose), timeout)
        else:
            self._go_named(self._config.group, target.named, timeout)

    def grasp(self, timeout: float) -> None:
        """Bring the gripper's group to its closed state, if there is such a group."""
        if self._config.gripper_group:
            self._go_named(self._config.gripper_group, self._config.gripper_closed, timeout)

    def release(self, timeout: float) -> None:
        """Bring the gripper's group to its open state, if there is such a group."""
        if self._config.gripper_group:
            self._go_named(self._config.gripper_group, self._config.gripper_open, timeout)

    def keep_out(self, zones: Sequence[KeepOut], timeout: float) -> None:
        """Add the boxes to the planning scene; MotionFailed if move_group does not confirm them."""
        objects = []
        for number, zone in enumerate(zones):
            added = self._object(f"hetnet_defect_{number}", zone.frame_id, CollisionObject.ADD)
            shape, pose = box_message(zone.box)
            added.primitives.append(shape)
            added.primitive_poses.append(pose)
            objects.append(added)
        self._apply(objects, timeout)
        self._zones = [(added.id, added.header.frame_id) for added in objects]

    # ---- motions -----------------------------------------------------------------------------------------------------

    def _go_named(self, group: str, name: str, timeout: float) -> None:
        try:
            joints = named_state(self._semantic_description(timeout), group, name)
        except InputError as error:
            raise MotionFailed("motion_failed", str(error)) from error
        margin = self._config.joint_tolerance
        self._go(
            group,
            Constraints(
                name=name,
                joint_constraints=[
                    JointConstraint(
                        joint_name=joint, position=value, tolerance_above=margin, tolerance_below=margin, weight=1.0
                    )
                    for joint, value in joints.items()
                ],
            ),
            timeout,
        )

    def _go(self, group: str, constraints: Constraints, timeout: float) -> None:
        goal, config = MoveGroup.Goal(), self._config
        request = goal.request
        request.group_name, request.goal_constraints = group, [constraints]
        request.num_planning_attempts, request.allowed_planning_time = config.planning_attempts, config.planning_time
        request.max_velocity_scaling_factor = config.velocity_scaling
        request.max_acceleration_scaling_factor = config.acceleration_scaling
        request.start_state.is_diff = True  # from where the robot is
        goal.planning_options.planning_scene_diff.is_diff = True
        goal.planning_options.planning_scene_diff.robot_state.is_diff = True
        try:
            status, result = self._caller.action(self._motions, goal, config.action, self._available, timeout)
        except CallFailed as error:
            raise MotionFailed(_REASONS.get(error.kind, "motion_failed"), str(error)) from error
        code = result.error_code.val
        if status != GoalStatus.STATUS_SUCCEEDED or code != MoveItErrorCodes.SUCCESS:
            raise MotionFailed("motion_failed", f"move_group: {_name_of(code)}, goal status {status}")

    def _pose_constraints(self, pose: PoseTarget) -> Constraints:
        config = self._config
        place = Pose(position=Point(**dict(zip("xyz", pose.position))))
        ball = SolidPrimitive(type=SolidPrimitive.SPHERE, dimensions=[config.position_tolerance])
        position = PositionConstraint(
            link_name=config.tip_link,
            constraint_region=BoundingVolume(primitives=[ball], primitive_poses=[place]),
            weight=1.0,
        )
        turn = config.orientation_tolerance
        orientation = OrientationConstraint(
            link_name=config.tip_link,
            orientation=Quaternion(**dict(zip("xyzw", pose.orientation))),
            absolute_x_axis_tolerance=turn,
            absolute_y_axis_tolerance=turn,
            absolute_z_axis_tolerance=turn,
            weight=1.0,
        )
        position.header.frame_id = orientation.header.frame_id = pose.frame_id
        return Constraints(position_constraints=[position], orientation_constraints=[orientation])

    def _semantic_description(self, timeout: float) -> str:
        """The SRDF that move_group works with; asked for once."""
        if not self._srdf:
            try:
                answer = self._caller.service(
                    self._description, GetParameters.Request(names=[_SEMANTIC]), self._available, timeout
                )
            except CallFailed as error:
                raise MotionFailed(_REASONS.get(error.kind, "motion_failed"), str(error)) from error
            self._srdf = answer.values[0].string_value if answer.values else ""
            if not self._srdf:
                raise MotionFailed("motion_failed", f"{self._config.move_group} has no parameter {_SEMANTIC}")
        return self._srdf

    # ---- planning scene ----------------------------------------------------------------------------------------------

    def _object(self, name: str, frame_id: str, operation: bytes) -> CollisionObject:
        made = CollisionObject(id=name, operation=operation)
        made.header.frame_id = frame_id
        made.header.stamp = self._node.get_clock().now().to_msg()
        return made

    def _apply(self, objects: list[CollisionObject], timeout: float) -> None:
        scene = PlanningScene(is_diff=True)
        scene.robot_state.is_diff = True
        scene.world.collision_objects = objects
        try:
            answer = self._caller.service(
                self._scene, ApplyPlanningScene.Request(scene=scene), self._available, timeout
            )
        except CallFailed as error:
            raise MotionFailed(_REASONS.get(error.kind, "motion_failed"), str(error)) from error
        if not answer.success:
            raise MotionFailed("motion_failed", "move_group did not take the keep-out boxes into its planning scene")


def _name_of(code: int) -> str:
    constants = {name: getattr(MoveItErrorCodes, name) for name in dir(MoveItErrorCodes) if name.isupper()}
    return f"{next((name for name, value in constants.items() if value == code), 'error')} ({code})"
