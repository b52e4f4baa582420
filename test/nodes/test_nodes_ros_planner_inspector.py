"""Planner, inspector and virtual camera, all real: a model taught on the cell's own pictures decides over parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, wait_for
from model_fixtures import write_images
from part_client import PartClient
from planner_cell import PlannerCell, destination, write_cell
from rclpy.parameter import Parameter
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from hetnet_ros.cell.camera import CameraPose, PinholeCamera
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph
from hetnet_ros.nodes.inspector import Inspector
from hetnet_ros.nodes.virtual_camera import VirtualCamera

VIEWS = (CameraPose(), CameraPose(15.0, 90.0, 0.0, 380.0))  # those of planner_cell's cell file
PARTS = 8
CAMERA = {"width": 160, "height": 120, "rate_hz": 10.0, "jitter": 0.0, "part_index": 0, "defect_probability": 0.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: Any, weights_cache: Any, tiny_preset: Path) -> Path:
    """A model taught on the good parts that the camera will show, from both viewpoints."""
    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach

    camera = PinholeCamera.of_size(160, 120)
    folder = tmp_path_factory.mktemp("front")
    parts = [draw_part("front", 0, index, 0.0, jitter=0.0) for index in range(PARTS)]
    shots = [(part, draw_shot(part, n, jitter=0.0, viewpoint=view)) for part in parts for view in VIEWS for n in range(2)]
    write_images(folder / "good", [photograph(part, shot, camera).rgb for part, shot in shots])
    path = folder / "front.safetensors"
    teach(folder / "good", path, load_preset(str(tiny_preset)), device="cpu", progress=False)
    return path


@pytest.fixture(scope="module")
def line(executor: Any, model: Path, tmp_path_factory: Any) -> Iterator[tuple[PlannerCell, Cell, VirtualCamera]]:
    """The planner, the inspector's client and the camera."""
    namespace = "/line"
    camera = VirtualCamera(
        namespace=namespace, parameter_overrides=[Parameter(name, value=value) for name, value in CAMERA.items()]
    )
    given = {"model": str(model), "device": "cpu", "autostart": True, "max_age": 30.0, "geometry.enabled": True}
    inspector = Inspector(
        namespace=namespace, parameter_overrides=[Parameter(name, value=value) for name, value in given.items()]
    )
    for node in (camera, inspector):
        executor.add_node(node)
    file = write_cell(tmp_path_factory.mktemp("cell") / "cell.yaml", timing={"inspect": 10.0, "available": 20.0})
    plan = PlannerCell(executor, namespace, file)
    cell = Cell(plan.node, namespace, inspector)
    wait_for(lambda: cell.state() == "active", "the inspector to be active")
    yield plan, cell, camera
    plan.rest(executor)
    with camera._wake:
        camera._ending = True
        camera._wake.notify_all()
    for node in (inspector, camera):
        for timer in node.timers:
            timer.cancel()
        executor.remove_node(node)


def show(camera: VirtualCamera, **values: Any) -> None:
    results = camera.set_parameters([Parameter(name, value=value) for name, value in values.items()])
    assert all(result.successful for result in results)


def test_good_parts_go_to_the_good_bin(line: Any) -> None:
    plan, _, _ = line
    outcome = plan.take_part()
    assert destination(outcome) == "GOOD", f"{outcome.reason}: {outcome.detail}"
    assert list(outcome.viewpoints) == ["top", "side"] and len(set(outcome.model_ids)) == 1


def test_a_good_part_after_one_whose_inspection_ended_at_the_first_view_is_good(line: Any) -> None:
    """As after an early reject, the view announced last is the first one of the next part, before which the arm is yet to
    move: an image taken meanwhile would make the result malformed."""
    plan, cell, _ = line
    client, announcer = PartClient(cell), plan.planner._inspector._view
    for _ in range(3):
        before = client.send(view_ids=["top"], wait_for_view=True)
        announcer.publish(Header(stamp=plan.node.get_clock().now().to_msg(), frame_id="top"))
        assert len(before.result().views) == 1
        outcome = plan.take_part()
        assert destination(outcome) == "GOOD", f"{outcome.reason}: {outcome.detail}"


def test_a_goal_that_a_killed_planner_left_does_not_hold_up_the_next_one(line: Any) -> None:
    plan, cell, _ = line
    left = PartClient(cell).send(view_ids=["top", "side"], wait_for_view=True, timeout=60.0)
    plan.planner._inspector._cleared = False  # as in a planner that has just been started
    outcome = plan.take_part()
    assert destination(outcome) == "GOOD", f"{outcome.reason}: {outcome.detail}"
    assert left.result().reason == "cancelled"


@pytest.mark.parametrize("fault", ["lens_cap", "wrong_part"])
def test_a_fault_of_the_cell_keeps_good_parts_out_of_the_good_bin(line: Any, fault: str) -> None:
    plan, _, camera = line
    show(camera, fault=fault)
    try:
        outcome = plan.take_part()
    finally:
        show(camera, fault="none")
    assert destination(outcome) in ("REJECT", "REINSPECT")
    if fault == "lens_cap":
        assert (destination(outcome), outcome.verdicts[0]) == ("REINSPECT", Inspection.UNCERTAIN)


def test_a_paused_inspector_sends_parts_to_the_reinspect_fixture(line: Any) -> None:
    plan, cell, _ = line
    assert cell.call("enable", SetBool, data=False).success
    try:
        outcome = plan.take_part()
    finally:
        assert cell.call("enable", SetBool, data=True).success
    assert (destination(outcome), outcome.reason) == ("REINSPECT", "inspector_inactive")


def test_defects_of_rejected_parts_have_poses_in_the_evidence(line: Any) -> None:
    """The camera's own depth and intrinsics reach the inspector; a gross fault gives it regions to locate."""
    plan, cell, camera = line
    inspections = cell.listen("inspection", Inspection)
    show(camera, fault="wrong_part")
    try:
        inspection = wait_for(
            lambda: next((i for i in reversed(inspections) if i.defects and i.defects[0].has_pose), None),
            "a defect with a pose",
        )
    finally:
        show(camera, fault="none")
    assert 0.3 < inspection.defects[0].pose.pose.position.z < 0.45  # the plate lies 400 mm away, the part before it
