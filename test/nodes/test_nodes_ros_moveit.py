"""The planner's MoveIt arm against a double of move_group that speaks the real moveit_msgs types, over real DDS."""

from __future__ import annotations

import pytest

pytest.importorskip(
    "moveit_msgs",
    reason="moveit_msgs is not installed: it comes with a ROS installation (ros-$ROS_DISTRO-moveit-msgs), not from PyPI",
)

import threading
from collections.abc import Iterator
from typing import Any

from inspect_part_double import InspectPartDouble, rejected
from inspection_cell import wait_for
from move_group_double import MoveGroupDouble
from moveit_msgs.msg import CollisionObject, MoveItErrorCodes
from planner_cell import PlannerCell, destination, write_cell
from rclpy.node import Node
from sensor_msgs.msg import Image
from shape_msgs.msg import SolidPrimitive


@pytest.fixture(scope="module")
def cell(executor: Any, tmp_path_factory: Any) -> Iterator[tuple[PlannerCell, MoveGroupDouble, InspectPartDouble]]:
    """A planner with a robot and a gripper, an inspector, and a camera that sends empty images."""
    robot, inspector, camera = MoveGroupDouble("/moveit"), InspectPartDouble("/moveit"), Node("camera", namespace="/moveit")
    images = camera.create_publisher(Image, "image", 5)

    def show() -> None:
        message = Image()
        message.header.stamp, message.header.frame_id = camera.get_clock().now().to_msg(), "camera"
        images.publish(message)

    camera.create_timer(0.05, show)
    file = write_cell(
        tmp_path_factory.mktemp("cell") / "cell.yaml",
        backend="moveit",
        arm={"moveit": {"gripper_group": "hand", "velocity_scaling": 0.2}},
        stations={
            "reinspect": {
                "pose": {"frame_id": "base_link", "position": [0.3, 0.1, 0.2], "orientation": [1.0, 0.0, 0.0, 0.0]}
            }
        },
        timing={"motion": 2.0},
    )
    for node in (robot, inspector, camera):
        executor.add_node(node)
    made = PlannerCell(executor, "/moveit", file)
    yield made, robot, inspector
    made.rest(executor)
    for timer in camera.timers:
        timer.cancel()
    for node in (robot, inspector, camera):
        executor.remove_node(node)


@pytest.fixture
def parts(cell: Any) -> Iterator[tuple[PlannerCell, MoveGroupDouble, InspectPartDouble]]:
    plan, robot, inspector = cell
    robot.went.clear(), robot.goals.clear(), robot.scenes.clear(), robot.codes.clear()
    robot.takes_scenes = True
    yield cell
    inspector.mend()


def test_a_good_part_goes_through_named_states_to_the_good_bin(parts: Any) -> None:
    plan, robot, _ = parts
    assert destination(plan.take_part()) == "GOOD"
    assert robot.went == ["view_top", "view_side", "pick", "closed", "good", "open"]
    request = robot.goals[1].request
    joints = {joint.joint_name: joint.position for joint in request.goal_constraints[0].joint_constraints}
    assert joints == {"a": 1.0, "b": -0.5}
    assert request.group_name == "manipulator" and request.max_velocity_scaling_factor == pytest.approx(0.2)
    assert request.start_state.is_diff and not robot.goals[1].planning_options.plan_only
    assert robot.goals[3].request.group_name == "hand"


def test_defects_are_boxes_in_the_scene_while_the_part_is_picked(parts: Any) -> None:
    plan, robot, inspector = parts
    inspector.answer, inspector.most = rejected, 1
    assert destination(plan.take_part()) == "REJECT"
    assert robot.went == ["view_top", "pick", "closed", "reject", "open"]
    (added,) = robot.scenes[0].world.collision_objects
    assert robot.scenes[0].is_diff and added.operation == CollisionObject.ADD and added.header.frame_id == "camera"
    (box,) = added.primitives
    assert box.type == SolidPrimitive.BOX and box.dimensions[0] == pytest.approx(0.006 + 2 * 0.005)
    assert added.primitive_poses[0].position.z == pytest.approx(0.4)
    inspector.mend()
    robot.scenes.clear()
    assert destination(plan.take_part()) == "GOOD"
    (removed,) = robot.scenes[0].world.collision_objects
    assert (removed.id, removed.operation) == (added.id, CollisionObject.REMOVE)


def test_a_scene_that_is_not_taken_halts_before_the_gripper_closes(parts: Any) -> None:
    plan, robot, inspector = parts
    inspector.answer, inspector.most = rejected, 1
    robot.takes_scenes = False
    assert destination(plan.take_part()) == "NOT_PLACED" and "closed" not in robot.went


@pytest.mark.parametrize("code", [MoveItErrorCodes.PLANNING_FAILED, MoveItErrorCodes.NO_IK_SOLUTION, 12345, 0])
def test_a_motion_that_move_group_refuses_ends_at_a_pose_on_the_reinspect_side(parts: Any, code: int) -> None:
    plan, robot, _ = parts
    robot.codes["view_side"] = code
    outcome = plan.take_part()
    assert (destination(outcome), outcome.reason) == ("REINSPECT", "motion_failed") and str(code) in outcome.detail
    assert robot.went == ["view_top", "pick", "closed", "base_link", "open"]
    constraints = robot.goals[-2].request.goal_constraints[0]
    (place,) = constraints.position_constraints
    assert place.link_name == "tool0" and place.constraint_region.primitive_poses[0].position.x == pytest.approx(0.3)
    assert constraints.orientation_constraints[0].orientation.x == 1.0


def test_a_motion_without_end_is_cancelled(parts: Any) -> None:
    plan, robot, _ = parts
    robot.codes["view_top"] = "hang"
    robot.cancelled = threading.Event()
    outcome = plan.take_part()
    assert (destination(outcome), outcome.reason) == ("REINSPECT", "motion_timeout")
    wait_for(robot.cancelled.is_set, "the goal to be cancelled")


def test_a_good_bin_out_of_reach_means_the_reinspect_side(parts: Any) -> None:
    plan, robot, _ = parts
    robot.codes["good"] = MoveItErrorCodes.GOAL_IN_COLLISION
    outcome = plan.take_part()
    assert destination(outcome) == "REINSPECT" and "GOAL_IN_COLLISION" in outcome.fault


def test_a_state_that_the_srdf_does_not_know_is_named(parts: Any) -> None:
    plan, robot, _ = parts
    target = plan.planner.cell.viewpoints["top"]
    object.__setattr__(target, "named", "moon")
    try:
        outcome = plan.take_part()
    finally:
        object.__setattr__(target, "named", "view_top")
    assert destination(outcome) == "REINSPECT" and "'moon'" in outcome.detail
