"""When the reject planner stops by itself: parts that nobody inspects do not empty the line, and a part in hand that could not be
put away is not followed by another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hetnet_ros.action import InspectPart
from inspect_part_double import InspectPartDouble
from inspection_cell import wait_for
from planner_cell import PlannerCell, destination, write_cell
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter

from hetnet_ros.nodes.calls import Caller
from hetnet_ros.nodes.virtual_arm import VirtualCellArm
from hetnet_ros.nodes.virtual_camera import VirtualCamera
from hetnet_ros.planning.interfaces import MotionFailed

CAMERA = {"width": 160, "height": 120, "rate_hz": 20.0, "jitter": 0.0, "part_index": 0}
HALT_AFTER = 2  # one part alone does not halt, and two take less time than the default's three


@pytest.fixture(scope="module")
def line(executor: Any, tmp_path_factory: Any) -> Iterator[tuple[PlannerCell, InspectPartDouble]]:
    """A planner that waits for ~/start, its camera, and a server of inspect_part; each test leaves it idle or halted."""
    namespace = "/halts"
    camera = VirtualCamera(namespace=namespace, parameter_overrides=[Parameter(name, value=value) for name, value in CAMERA.items()])
    server = InspectPartDouble(namespace)
    for node in (camera, server):
        executor.add_node(node)
    cell = write_cell(tmp_path_factory.mktemp("cell") / "cell.yaml", policy={"halt_after": HALT_AFTER}, timing={"inspect": 15.0},
                      recipes={"lid": {"viewpoints": ["top"], "part_id": "lid"}})
    made = PlannerCell(executor, namespace, cell)
    wait_for(lambda: made.states and made.states[-1] == "idle", "the planner to know its hand")
    yield made, server
    made.rest(executor)
    with camera._wake:
        camera._ending = True
        camera._wake.notify_all()
    for node in (camera, server):
        executor.remove_node(node)


def paused(_goal: Any, _result: Any) -> Any:
    return InspectPart.Result(reason="inspector_inactive")


@pytest.mark.parametrize("fault", ["refuses", "paused"])
def test_a_line_whose_parts_nobody_inspects_does_not_empty_itself(line: Any, fault: str) -> None:
    plan, server = line
    plan.outcomes.clear()
    if fault == "refuses":
        server.refuses = True
    else:
        server.answer, server.most = paused, 0
    assert plan.call("start").success
    wait_for(lambda: plan.states[-1] == "halted" or len(plan.outcomes) > HALT_AFTER, "the planner to halt", 60.0)
    assert plan.states[-1] == "halted" and [destination(outcome) for outcome in plan.outcomes] == ["REINSPECT"] * HALT_AFTER
    reason = plan.outcomes[-1].reason
    assert reason in ("goal_refused", "inspector_inactive") and reason in plan.planner._line and "~/start" in plan.planner._line
    server.mend()
    assert plan.call("start").success  # a person has looked
    wait_for(lambda: len(plan.outcomes) > HALT_AFTER, "the next part", 60.0)
    assert plan.call("stop").success and destination(plan.outcomes[HALT_AFTER]) == "GOOD"
    wait_for(lambda: plan.states[-1] == "idle", "the planner to rest")


def test_a_part_that_was_inspected_ends_the_row(line: Any) -> None:
    plan, server = line
    plan.outcomes.clear()
    answers = iter([paused, None, paused, None])

    def answer(goal: Any, result: Any) -> Any:
        chosen = next(answers, None)
        return chosen(goal, result) if chosen else result

    server.answer = answer
    assert plan.call("start").success
    wait_for(lambda: len(plan.outcomes) > 3, "four parts", 60.0)
    assert plan.call("stop").success
    assert [destination(outcome) for outcome in plan.outcomes[:4]] == ["REINSPECT", "GOOD"] * 2
    server.mend()
    wait_for(lambda: plan.states[-1] == "idle", "the planner to rest")


def test_a_camera_that_answers_for_less_than_it_was_asked_has_done_nothing(executor: Any) -> None:
    """Something else of that name, or an older camera: it knows of no part in work, and did not put one on the table."""
    node = Node("virtual_camera", namespace="/half", start_parameter_services=False)

    def nothing(_request: Any, response: Any) -> Any:
        return response

    def unset(request: Any, response: Any) -> Any:
        response.values = [ParameterValue() for _ in request.names]
        return response

    node.create_service(SetParameters, "virtual_camera/set_parameters", nothing)
    node.create_service(GetParameters, "virtual_camera/get_parameters", unset)
    executor.add_node(node)
    try:
        arm = VirtualCellArm(node, Caller(), "virtual_camera", 20.0)
        assert arm.holding(20.0) is None
        with pytest.raises(MotionFailed, match="0 of 2 settings"):
            arm.begin_part(1, 20.0)
    finally:
        executor.remove_node(node)


def test_a_part_in_hand_that_cannot_be_put_away_is_followed_by_no_other(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An impatient person calls ~/start while the arm is on its way to put the part away."""
    plan, _ = line
    arm, began = plan.planner.arm, []

    def stuck(timeout: float) -> None:
        raise MotionFailed("motion_failed", "the gripper does not open")

    with monkeypatch.context() as patch:
        patch.setattr(arm, "grasp", stuck)
        assert destination(plan.take_part()) == "NOT_PLACED" and plan.states[-1] == "halted"
    begin = arm.begin_part
    monkeypatch.setattr(arm, "begin_part", lambda *given: (began.append(given), begin(*given)))

    def blocked(timeout: float) -> None:
        if not began and not plan.planner._running:
            assert plan.call("start").success
        stuck(timeout)

    monkeypatch.setattr(arm, "release", blocked)
    told = len(plan.states)
    assert plan.resume(True).success
    wait_for(lambda: "halted" in plan.states[told:] or began, "the planner to halt again")
    wait_for(lambda: plan.planner._state.value == "halted" or began, "the planner to rest")
    assert not began and plan.states[-1] == "halted" and not plan.planner._running
