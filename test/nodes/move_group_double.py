"""A stand-in for MoveIt's move_group node that speaks the real moveit_msgs types: action, scene service, semantic description.

It plans nothing: it notes every goal and scene, and answers with the code that a test asks for.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import MoveItErrorCodes
from moveit_msgs.srv import ApplyPlanningScene
from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sensor_msgs.msg import JointState

STATES = ("view_top", "view_side", "pick", "good", "reject", "reinspect")
SRDF = (
    '<robot name="r">'
    + "".join(
        f'<group_state name="{name}" group="manipulator"><joint name="a" value="{number}"/>'
        f'<joint name="b" value="-0.5"/></group_state>'
        for number, name in enumerate(STATES)
    )
    + '<group_state name="open" group="hand"><joint name="f" value="0.04"/></group_state>'
    '<group_state name="closed" group="hand"><joint name="f" value="0.0"/></group_state></robot>'
)


class MoveGroupDouble(Node):
    """gripper: its state at start.  went: names of the states gone to, or the frame of a pose goal.  codes: error code by name;
    "hang" never answers."""

    def __init__(self, namespace: str) -> None:
        super().__init__("move_group", namespace=namespace)
        self.declare_parameter("robot_description_semantic", SRDF)
        self.goals: list[Any] = []
        self.went: list[str] = []
        self.gripper = "open"
        self.codes: dict[str, Any] = {}
        self.scenes: list[Any] = []
        self.takes_scenes = True
        self.cancelled = threading.Event()
        group = ReentrantCallbackGroup()
        self._server = ActionServer(
            self,
            MoveGroup,
            "move_action",
            self._execute,
            callback_group=group,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )
        self._measured = self.create_publisher(JointState, "joint_states", 10)
        self.create_timer(0.05, self._measure, callback_group=group)
        self.create_service(ApplyPlanningScene, "apply_planning_scene", self._apply, callback_group=group)

    def _execute(self, handle: Any) -> Any:
        goal = handle.request
        self.goals.append(goal)
        (constraints,) = goal.request.goal_constraints
        poses = constraints.position_constraints
        name = poses[0].header.frame_id if poses else constraints.name
        code = self.codes.get(name, MoveItErrorCodes.SUCCESS)
        while code == "hang":
            if handle.is_cancel_requested:
                self.cancelled.set()
                handle.canceled()
                return MoveGroup.Result(error_code=MoveItErrorCodes(val=MoveItErrorCodes.PREEMPTED))
            time.sleep(0.02)
        if code == MoveItErrorCodes.SUCCESS:
            self.went.append(name)
            handle.succeed()
        else:
            handle.abort()
        return MoveGroup.Result(error_code=MoveItErrorCodes(val=code))

    def _measure(self) -> None:
        """The gripper's joint, where its last motion brought it."""
        last = next((name for name in reversed(self.went) if name in ("open", "closed")), self.gripper)
        self._measured.publish(JointState(name=["f"], position=[{"open": 0.04, "closed": 0.0}[last]]))

    def _apply(self, request: Any, response: Any) -> Any:
        self.scenes.append(request.scene)
        response.success = self.takes_scenes
        return response
