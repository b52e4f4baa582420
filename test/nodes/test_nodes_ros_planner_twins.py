"""The reject planner among two of a kind, over real DDS: where two would act or answer it halts, and says who they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from hetnet_ros.action import InspectPart
from hetnet_ros.msg import PartOutcome
from inspect_part_double import InspectPartDouble, hang
from inspection_cell import wait_for
from planner_cell import PlannerCell, destination, write_cell
from rclpy.action import ActionServer
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from std_srvs.srv import Trigger

from hetnet_ros.nodes.calls import SoleActionClient
from hetnet_ros.nodes.virtual_camera import VirtualCamera

CAMERA = {"width": 160, "height": 120, "rate_hz": 20.0, "jitter": 0.0, "part_index": 0, "defect_probability": 1.0}
TIMING = {"motion": 10.0, "settle": 0.0, "inspect": 10.0, "available": 1.0}
"""s: nobody who is late is waited for long."""


DOUBLE = str(Path(__file__).with_name("inspect_part_double.py"))


class Others:
    """Programs beside the planner; interrupted, they leave the graph at once."""

    def __init__(self, log: Path) -> None:
        self._log, self._running = log, []

    def start(self, *words: str) -> subprocess.Popen:
        with self._log.open("ab") as output:
            process = subprocess.Popen([sys.executable, *words], stdout=output, stderr=output, env=os.environ)
        self._running.append(process)
        return process

    def start_node(self, module: str, namespace: str, **parameters: Any) -> subprocess.Popen:
        given = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        return self.start("-m", f"hetnet_ros.nodes.{module}", "--ros-args", "-r", f"__ns:={namespace}", *given)

    def end(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGINT)
        for process in self._running:
            process.wait(20)
        self._running.clear()

    @property
    def said(self) -> str:
        return self._log.read_text()


@pytest.fixture
def others(tmp_path: Path) -> Iterator[Others]:
    made = Others(tmp_path / "others.log")
    yield made
    made.end()


def make_camera(namespace: str) -> VirtualCamera:
    return VirtualCamera(
        namespace=namespace, parameter_overrides=[Parameter(name, value=value) for name, value in CAMERA.items()]
    )


def stop(executor: Any, camera: VirtualCamera) -> None:
    with camera._wake:
        camera._ending = True
        camera._wake.notify_all()
    executor.remove_node(camera)


@pytest.fixture(scope="module")
def camera(executor: Any) -> Iterator[VirtualCamera]:
    node = make_camera("/twins")
    executor.add_node(node)
    yield node
    stop(executor, node)


@pytest.fixture(scope="module")
def server(executor: Any, camera: VirtualCamera) -> Iterator[InspectPartDouble]:
    node = InspectPartDouble("/twins")
    executor.add_node(node)
    yield node
    executor.remove_node(node)


@pytest.fixture(scope="module")
def plan(executor: Any, server: InspectPartDouble, tmp_path_factory: Any) -> Iterator[PlannerCell]:
    made = PlannerCell(executor, "/twins", write_cell(tmp_path_factory.mktemp("cell") / "cell.yaml", timing=TIMING))
    yield made
    made.rest(executor)


@pytest.fixture(autouse=True)
def mended(server: InspectPartDouble) -> Iterator[None]:
    yield
    server.mend()


def halted(plan: PlannerCell, outcome: PartOutcome, reason: str, *words: str) -> None:
    """The part was not placed, the planner halts, and says why here, in its state and on /diagnostics."""
    assert (destination(outcome), outcome.intended, outcome.reason) == ("NOT_PLACED", PartOutcome.NOT_PLACED, reason)
    assert all(word in outcome.fault for word in words), outcome.fault
    wait_for(lambda: plan.states[-1] == "halted", "the state")


def servers(plan: PlannerCell) -> int:
    return plan.node.count_publishers("/twins/inspector/inspect_part/_action/status")


def test_two_inspectors_at_the_beginning_of_a_part(plan: PlannerCell, server: InspectPartDouble, others: Others) -> None:
    assert destination(plan.take_part()) == "GOOD"
    asked = len(server.goals)
    others.start(DOUBLE, "/twins", "pass")
    wait_for(lambda: servers(plan) == 2, "the twin")
    halted(plan, plan.take_part(), "two_servers", "2 servers offer the action /twins/inspector/inspect_part")
    assert len(server.goals) == asked  # neither of them was asked
    others.end()
    wait_for(lambda: servers(plan) == 1, "the end of the twin")
    assert destination(plan.take_part()) == "GOOD"


def test_a_second_server_in_the_middle_of_a_part(plan: PlannerCell, server: InspectPartDouble, others: Others) -> None:
    """It comes while the inspector judges; the PASS that follows may yet be that of either."""

    def meanwhile(_goal: Any, result: Any) -> Any:
        others.start(DOUBLE, "/twins", "pass", "forger")
        wait_for(lambda: servers(plan) == 2, "the other")
        return result

    server.answer = meanwhile
    halted(plan, plan.take_part(), "two_servers", "2 servers offer the action /twins/inspector/inspect_part")
    others.end()
    wait_for(lambda: servers(plan) == 1, "the end of the other")
    server.mend()
    assert destination(plan.take_part()) == "GOOD"


def test_a_server_that_is_not_the_inspector_is_not_asked(
    executor: Any, camera: VirtualCamera, others: Others, tmp_path: Path
) -> None:
    """The inspector is not there, and somebody else answers in its place."""
    others.start(DOUBLE, "/forged", "pass", "forger")
    arm = {"camera": "/twins/virtual_camera"}
    plan = PlannerCell(executor, "/forged", write_cell(tmp_path / "cell.yaml", arm=arm, timing={**TIMING, "available": 5.0}))
    try:
        wait_for(lambda: "serving" in others.said, "the forger")
        halted(plan, plan.take_part(), "two_servers", "is offered by /forged/forger, not by /forged/inspector")
    finally:
        plan.rest(executor)


def test_two_arms_of_one_name_are_not_moved(plan: PlannerCell, camera: VirtualCamera, others: Others) -> None:
    others.start_node("virtual_camera", "/twins", **CAMERA)
    wait_for(lambda: plan.node.count_publishers("/twins/image") == 2, "the other camera")
    wait_for(lambda: plan.node.count_services("/twins/virtual_camera/set_parameters") == 2, "its services")
    halted(plan, plan.take_part(), "two_servers", "2 servers offer the service /twins/virtual_camera/set_parameters")
    others.end()
    wait_for(lambda: plan.node.count_publishers("/twins/image") == 1, "the end of the other camera")
    assert destination(plan.take_part()) == "GOOD"


def planners(plan: PlannerCell) -> int:
    return plan.node.count_publishers("/twins/reject_planner/outcome")


def test_two_planners_begin_nothing(plan: PlannerCell, others: Others, tmp_path: Path) -> None:
    """One that works, and one that comes: the first halts at its next part, the second does not even begin."""
    others.start_node("reject_planner", "/twins", cell_file=write_cell(tmp_path / "cell.yaml", timing=TIMING), autostart=True)
    wait_for(lambda: planners(plan) == 2, "the other planner")
    seen = len(plan.outcomes)
    plan.call("start")  # asks both
    wait_for(lambda: plan.outcomes[seen:], "the outcome")
    halted(plan, plan.outcomes[seen], "two_planners", "/twins/reject_planner")
    wait_for(lambda: "halted: 2 nodes are named" in others.said or "NOT_PLACED, two_planners" in others.said, "the other to halt")
    others.end()
    wait_for(lambda: planners(plan) == 1, "the end of the other planner")
    assert {destination(outcome) for outcome in plan.outcomes[seen:]} == {"NOT_PLACED"}
    assert destination(plan.take_part()) == "GOOD"


def test_a_goal_that_two_servers_accept_is_noted_and_ends_nothing(executor: Any) -> None:
    """rclpy raises in the executor, which would end the process: the test's own executor is the witness."""
    nodes = [Node(name, namespace="/both") for name in ("one", "other")]

    def answer(handle: Any) -> Any:
        handle.succeed()
        return InspectPart.Result()

    servers = [ActionServer(node, InspectPart, "inspect_part", answer) for node in nodes]
    asking = Node("asking", namespace="/both")
    for node in (*nodes, asking):
        executor.add_node(node)
    client = SoleActionClient(asking, InspectPart, "inspect_part")
    wait_for(lambda: asking.count_services("/both/inspect_part/_action/send_goal") == 2, "both servers")
    accepted = client.send_goal_async(InspectPart.Goal())
    wait_for(accepted.done, "the goal to be accepted")
    wait_for(lambda: client.answered_twice, "the second answer")
    accepted.result().get_result_async()
    assert accepted.result().accepted
    for server in servers:
        server.destroy()
    for node in (*nodes, asking):
        executor.remove_node(node)


# ---- started again ---------------------------------------------------------------------------------------------------


@pytest.fixture
def again(executor: Any, others: Others, tmp_path: Path, request: Any) -> Iterator[tuple[PlannerCell, VirtualCamera]]:
    """A planner that was started again, to begin at once, after the one before had ended in the middle of a part."""
    namespace = f"/again_{len(request.node.name)}"
    camera, inspector = make_camera(namespace), InspectPartDouble(namespace)
    for node in (camera, inspector):
        executor.add_node(node)
    cell = write_cell(tmp_path / "cell.yaml", timing={**TIMING, "available": 10.0})
    inspector.answer = hang
    others.start_node("reject_planner", namespace, cell_file=cell, autostart=True)
    wait_for(lambda: inspector.goals, "a goal in hand")
    others.end()
    wait_for(lambda: inspector.count_publishers(f"{namespace}/reject_planner/state") == 0, "the end of the one before")
    inspector.mend()
    made = PlannerCell(executor, namespace, cell, parts=1, autostart=True)
    wait_for(lambda: made.states, "its state")
    yield made, camera
    made.rest(executor)
    stop(executor, camera)
    executor.remove_node(inspector)


def test_a_planner_started_again_begins_nothing_until_it_is_told(again: Any) -> None:
    again, _ = again
    assert again.states == ["halted"]
    refused = again.call("start")
    assert not refused.success and "a part is in hand" in refused.message and "~/resume" in refused.message
    assert again.states == ["halted"] and not again.outcomes
    assert again.resume(False).success
    assert destination(wait_for(lambda: again.outcomes, "the next part")[0]) == "GOOD"
    assert not again.resume(False).success  # it knows


def test_a_part_in_hand_goes_to_the_reinspect_side_first(again: Any) -> None:
    again, camera = again
    went: list[Any] = []
    move = again.planner.arm.move
    again.planner.arm.move = lambda target, timeout: (went.append(target.named), move(target, timeout))
    assert camera._settings.part_in_work
    assert again.resume(True).success
    assert destination(wait_for(lambda: again.outcomes, "the next part")[0]) == "GOOD"
    assert went[0] == "reinspect" and again.states[1] == "placing" and not camera._settings.part_in_work


FAULTY = """
import sys
from hetnet_ros.nodes import reject_planner
def broken(self):
    raise RuntimeError("a defect in a callback")
reject_planner.RejectPlanner._on_stop = lambda *_: broken(None)
sys.exit(reject_planner.main(sys.argv[1:]))
"""


def test_an_error_in_the_executor_halts_the_planner_and_does_not_end_it(
    executor: Any, camera: VirtualCamera, others: Others, tmp_path: Path
) -> None:
    namespace = "/outlived"
    arm, timing = {"camera": "/twins/virtual_camera"}, {**TIMING, "available": 10.0}
    cell = write_cell(tmp_path / "cell.yaml", inspector="/twins/inspector", arm=arm, timing=timing)
    words = ["--ros-args", "-r", f"__ns:={namespace}", "-p", f"cell_file:={cell}"]
    node = Node("operator", namespace=namespace)
    executor.add_node(node)
    states: list[str] = []
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(String, "reject_planner/state", lambda m: states.append(m.data), latched)
    told: list[Any] = []
    node.create_subscription(DiagnosticArray, "/diagnostics", lambda m: told.extend(m.status), 10)
    camera.set_parameters([Parameter("part_in_work", value=False)])
    process = others.start("-c", FAULTY, *words)
    try:
        clients = {name: node.create_client(Trigger, f"reject_planner/{name}") for name in ("start", "stop")}
        for client in clients.values():
            assert client.wait_for_service(20.0)
        wait_for(lambda: states == ["idle"], "the planner to be ready")
        clients["stop"].call_async(Trigger.Request())
        wait_for(lambda: "a defect in a callback" in others.said, "the error in the log")
        assert process.poll() is None
        wait_for(lambda: states[-1] == "halted", "the state")
        status = wait_for(lambda: [s for s in told if s.level == s.ERROR and "a defect in a callback" in s.message], "the report")
        assert status[0].name == "outlived/reject_planner: planner" and process.poll() is None
        assert clients["start"].call(Trigger.Request(), timeout_sec=20.0).success
    finally:
        executor.remove_node(node)
