"""The reject planner over real DDS, with the virtual camera that really moves and a server that speaks InspectPart.

Whatever is broken on purpose here, no part may end in the good bin.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Inspection, PartOutcome
from inspect_part_double import InspectPartDouble, hang, passed, rejected
from inspection_cell import wait_for
from planner_cell import PlannerCell, destination, write_cell
from rclpy.parameter import Parameter
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from hetnet_ros.errors import InputError
from hetnet_ros.nodes.calls import Caller
from hetnet_ros.nodes.inspect_client import InspectClient, fault_of
from hetnet_ros.nodes.reject_planner import RejectPlanner
from hetnet_ros.nodes.virtual_camera import VirtualCamera
from hetnet_ros.planning.interfaces import InspectionFailed, MotionFailed

CAMERA = {"width": 160, "height": 120, "rate_hz": 20.0, "jitter": 0.0, "part_index": 0, "defect_probability": 1.0}


@pytest.fixture(scope="module")
def camera(executor: Any) -> Iterator[VirtualCamera]:
    node = VirtualCamera(
        namespace="/plan", parameter_overrides=[Parameter(name, value=value) for name, value in CAMERA.items()]
    )
    executor.add_node(node)
    yield node
    with node._wake:
        node._ending = True
        node._wake.notify_all()
    executor.remove_node(node)


@pytest.fixture(scope="module")
def server(executor: Any, camera: VirtualCamera) -> Iterator[InspectPartDouble]:
    node = InspectPartDouble("/plan")
    executor.add_node(node)
    yield node
    executor.remove_node(node)


@pytest.fixture(scope="module")
def plan(executor: Any, server: InspectPartDouble, tmp_path_factory: Any) -> Iterator[PlannerCell]:
    made = PlannerCell(executor, "/plan", write_cell(tmp_path_factory.mktemp("cell") / "cell.yaml"))
    yield made
    made.rest(executor)


@pytest.fixture(autouse=True)
def mended(request: Any) -> Iterator[None]:
    """Every test leaves the server answering PASS."""
    yield
    if "server" in request.fixturenames or "plan" in request.fixturenames:
        request.getfixturevalue("server").mend()


def test_a_part_that_passes_everywhere_goes_to_the_good_bin(plan: PlannerCell, server: InspectPartDouble) -> None:
    seen = len(server.goals)
    outcome = plan.take_part()
    assert destination(outcome) == "GOOD" and outcome.intended == PartOutcome.GOOD
    assert (outcome.reason, outcome.fault, outcome.recipe, outcome.part_id) == ("", "", "lid", "lid")
    assert list(outcome.viewpoints) == ["top", "side"] and list(outcome.verdicts) == [Inspection.PASS] * 2
    (goal,) = server.goals[seen:]
    assert (list(goal.view_ids), goal.min_views, goal.max_views) == (["top", "side"], 2, 2)
    assert goal.part_id == "lid" and goal.wait_for_view and goal.stop_on_reject and goal.timeout.sec == 24
    assert plan.states[-1] == "idle" and {"presenting", "moving", "inspecting", "picking", "placing"} <= set(plan.states)


def test_the_camera_really_moves_and_parts_follow_each_other(
    plan: PlannerCell, server: InspectPartDouble, camera: VirtualCamera
) -> None:
    """When an image is judged, it shows the part from the viewpoint that the goal names: its truth says so."""
    truths: list[Any] = []
    subscription = plan.node.create_subscription(Inspection, "/plan/virtual_camera/truth", truths.append, 50)
    wait_for(lambda: truths, "the truth")
    used: dict[str, Any] = {}

    def note(goal: Any, result: Any) -> Any:
        used.update({view.view_id: view.inspection.header.stamp for view in result.views})
        return result

    server.answer = note
    number = plan.take_part().number
    by_view = {}
    for viewpoint, stamp in used.items():
        by_view[viewpoint] = wait_for(lambda s=stamp: [t for t in truths if t.header.stamp == s], "the truth of it")[0]
    plan.node.destroy_subscription(subscription)
    assert {t.part_id for t in by_view.values()} == {f"front_{number:04d}"}
    top, side = (by_view[name].defects[0].pose.pose.position for name in ("top", "side"))
    assert top.z - side.z > 0.01  # the side view is 20 mm nearer; the face's relief is 8 mm
    assert camera._settings.tilt_deg == 15.0


def test_a_reject_goes_to_the_reject_bin_after_the_first_view(plan: PlannerCell, server: InspectPartDouble) -> None:
    server.answer, server.most = rejected, 1
    outcome = plan.take_part()
    assert destination(outcome) == "REJECT" and outcome.reason == "anomaly"
    assert list(outcome.viewpoints) == ["top"] and list(outcome.verdicts) == [Inspection.REJECT]


def uncertain(reason: str) -> Any:
    def answer(_goal: Any, result: Any) -> Any:
        result.verdict, result.reason = InspectPart.Result.UNCERTAIN, reason
        return result

    return answer


@pytest.mark.parametrize("reason", ["borderline", "inspector_inactive", "stale"])
def test_uncertain_goes_to_the_reinspect_fixture(plan: PlannerCell, server: InspectPartDouble, reason: str) -> None:
    server.answer = uncertain(reason)
    outcome = plan.take_part()
    assert destination(outcome) == "REINSPECT" and outcome.reason == reason


def malformed(change: Any) -> Any:
    def answer(_goal: Any, result: Any) -> Any:
        change(result)
        return result

    return answer


def _old_image(result: Any) -> None:
    stamp = result.views[0].inspection.header.stamp
    result.views[0].inspection.header = Header(stamp=type(stamp)(sec=stamp.sec - 5))


MALFORMED = {
    "no evidence": lambda r: r.views.clear(),
    "a view too few": lambda r: r.views.pop(),
    "a view with a fault": lambda r: setattr(r.views[0].inspection, "reason", "stale"),
    "a view that is doubtful": lambda r: setattr(r.views[0].inspection, "reason", "borderline"),
    "a view that is UNCERTAIN": lambda r: setattr(r.views[1].inspection, "verdict", Inspection.UNCERTAIN),
    "a view that rejects": lambda r: setattr(r.views[1].inspection, "verdict", Inspection.REJECT),
    "a view without a model": lambda r: setattr(r.views[1].inspection, "model_id", ""),
    "a view with a verdict of its own": lambda r: setattr(r.views[1].inspection, "verdict", 9),
    "a score above the threshold": lambda r: setattr(r.views[0].inspection, "score", 0.4),
    "a score that is no number": lambda r: setattr(r.views[0].inspection, "score", float("nan")),
    "another part": lambda r: setattr(r, "part_id", "pan"),
    "another view": lambda r: setattr(r.views[0], "view_id", "elsewhere"),
    "no model": lambda r: setattr(r, "model_id", ""),
    "a reason": lambda r: setattr(r, "reason", "timeout"),
    "no p-value": lambda r: setattr(r, "p_value", float("nan")),
    "a verdict of its own": lambda r: setattr(r, "verdict", 7),
    "an image from before the arm had settled": _old_image,
}


def fault_in(change: Any, status: int = GoalStatus.STATUS_SUCCEEDED) -> str:
    """What the planner says about the result of a good part, changed."""
    now = 1_000_000_000_000
    goal = InspectPart.Goal(part_id="lid", view_ids=["top", "side"])
    header = Header(stamp=Time(nanoseconds=now).to_msg())
    result = passed(goal, {"top": header, "side": header})
    change(result)
    return fault_of(status, result, "lid", {"top": now, "side": now})


@pytest.mark.parametrize("name", MALFORMED)
def test_a_pass_that_is_not_in_due_form_is_not_believed(name: str) -> None:
    assert fault_in(lambda result: None) == ""
    assert fault_in(MALFORMED[name])


@pytest.mark.parametrize("status", [GoalStatus.STATUS_ABORTED, GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_UNKNOWN])
def test_a_pass_of_a_goal_that_did_not_succeed_is_not_believed(status: int) -> None:
    assert fault_in(lambda result: None, status)


@pytest.mark.parametrize("name", ["no evidence", "an image from before the arm had settled", "a verdict of its own"])
def test_a_malformed_result_goes_to_the_reinspect_fixture(
    plan: PlannerCell, server: InspectPartDouble, name: str
) -> None:
    server.answer = malformed(MALFORMED[name])
    outcome = plan.take_part()
    assert (destination(outcome), outcome.reason) == ("REINSPECT", "malformed_result")


def test_an_aborted_goal_and_one_that_never_ends_are_no_verdict(plan: PlannerCell, server: InspectPartDouble) -> None:
    def fail(_goal: Any, _result: Any) -> Any:
        raise RuntimeError("the device is gone")

    server.answer = fail
    assert destination(plan.take_part()) == "REINSPECT"
    server.answer = hang
    outcome = plan.take_part()
    assert (destination(outcome), outcome.reason) == ("REINSPECT", "inspection_timeout")


@pytest.mark.parametrize(("fault", "reason"), [("blind", "inspection_timeout"), ("refuses", "goal_refused")])
def test_an_inspector_without_images_and_one_that_refuses(
    plan: PlannerCell, server: InspectPartDouble, fault: str, reason: str
) -> None:
    setattr(server, fault, True)
    outcome = plan.take_part()
    assert (destination(outcome), outcome.reason) == ("REINSPECT", reason)


def test_a_motion_that_fails_sends_a_perfect_part_to_the_reinspect_fixture(
    plan: PlannerCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera refuses a tilt that its own parameters do not allow, as a robot refuses a pose out of reach."""
    side = plan.planner.cell.viewpoints["side"]
    impossible = object.__new__(type(side.view))
    for name, value in (("tilt_deg", 80.0), ("azimuth_deg", 0.0), ("distance_mm", 400.0)):
        object.__setattr__(impossible, name, value)
    before = side.view
    object.__setattr__(side, "view", impossible)
    try:
        outcome = plan.take_part()
    finally:
        object.__setattr__(side, "view", before)
    assert (destination(outcome), outcome.reason) == ("REINSPECT", "motion_failed")
    assert not outcome.verdicts  # the first view was seen, and is not enough for a verdict on the part


def test_an_arm_that_cannot_pick_halts_until_a_person_starts_it_again(
    plan: PlannerCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stuck(timeout: float) -> None:
        raise MotionFailed("motion_failed", "the gripper does not close")

    with monkeypatch.context() as patch:
        patch.setattr(plan.planner.arm, "grasp", stuck)
        outcome = plan.take_part()
    assert destination(outcome) == "NOT_PLACED" and "gripper" in outcome.fault and plan.states[-1] == "halted"
    assert destination(plan.take_part()) == "GOOD"


def test_a_planner_that_is_to_end_begins_nothing_new(plan: PlannerCell, server: InspectPartDouble) -> None:
    caller = Caller()
    client = InspectClient(plan.node, caller, "inspector", 10.0, 0.0)
    seen, cancelled = len(server.goals), server.cancelled
    inspection = client.begin("lid", ["top"], True, 20.0)
    wait_for(lambda: len(server.goals) > seen, "the goal")
    caller.stop()
    with pytest.raises(InspectionFailed, match="planner_stopped"):
        inspection.look("top", 5.0)
    inspection.abandon()
    wait_for(lambda: server.cancelled > cancelled, "the goal in hand to be cancelled")
    with pytest.raises(InspectionFailed, match="planner_stopped"):
        client.begin("lid", ["top"], True, 5.0)
    assert len(server.goals) == seen + 1


# ---- processes that die ----------------------------------------------------------------------------------------------


class Processes:
    """Node processes of a test, with what they print."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._running = folder, []

    def start(self, *words: str) -> tuple[subprocess.Popen, Path]:
        log = self._folder / f"process_{len(self._running)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen([sys.executable, *words], stdout=output, stderr=subprocess.STDOUT, env=os.environ)
        self._running.append(process)
        return process, log

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait(10)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.end()


def test_an_inspector_killed_in_mid_goal_and_a_camera_that_dies(
    executor: Any, processes: Processes, tmp_path: Path
) -> None:
    namespace = "/dying"
    parameters = [word for name, value in CAMERA.items() for word in ("-p", f"{name}:={value}")]
    camera, _ = processes.start(
        "-m", "hetnet_ros.nodes.virtual_camera", "--ros-args", "-r", f"__ns:={namespace}", *parameters
    )
    double = str(Path(__file__).with_name("inspect_part_double.py"))
    inspector, log = processes.start(double, namespace, "hang")
    timing = {"motion": 2.0, "settle": 0.0, "inspect": 3.0, "available": 8.0}
    plan = PlannerCell(executor, namespace, write_cell(tmp_path / "cell.yaml", timing=timing))
    try:
        pictures: list[Any] = []
        plan.node.create_subscription(CameraInfo, f"{namespace}/camera_info", pictures.append, 5)
        wait_for(lambda: pictures, "the camera")
        wait_for(lambda: "serving" in log.read_text(), "the inspector")
        # It asks the arm again until it knows that no part is in hand, and refuses to start meanwhile.
        wait_for(lambda: plan.call("start").success, "the planner to start")
        wait_for(lambda: "goal taken" in log.read_text(), "a goal in hand", 40.0)
        before = len(plan.outcomes)  # a part may have come before, whose view the camera was too slow to take
        inspector.kill()
        assert plan.call("stop").success
        outcome = wait_for(lambda: plan.outcomes[before:], "the outcome of the part in hand", 60.0)[0]
        assert destination(outcome) == "REINSPECT" and outcome.reason in ("inspector_lost", "inspection_timeout")
        # Another inspector comes; now the camera dies, and with it the arm of this cell.
        processes.start(double, namespace, "pass")
        camera.kill()
        camera.wait(10)
        outcome = plan.take_part()
        assert destination(outcome) != "GOOD" and outcome.reason in ("motion_failed", "motion_timeout")
    finally:
        plan.rest(executor)


def test_a_cell_without_an_inspector(executor: Any, camera: VirtualCamera, tmp_path: Path) -> None:
    arm = {"camera": "/plan/virtual_camera"}
    cell = write_cell(tmp_path / "cell.yaml", inspector="nobody", arm=arm, timing={"available": 2.0})
    plan = PlannerCell(executor, "/plan/alone", cell)
    try:
        outcome = plan.take_part()
        assert (destination(outcome), outcome.reason) == ("REINSPECT", "inspector_lost")
    finally:
        plan.rest(executor)


# ---- start -----------------------------------------------------------------------------------------------------------


def test_a_bad_cell_file_is_one_line_at_start(executor: Any, tmp_path: Path) -> None:
    file = write_cell(tmp_path / "cell.yaml", policy={"uncertain": "good"})
    done = subprocess.run(
        [sys.executable, "-m", "hetnet_ros.nodes.reject_planner", "--ros-args", "-p", f"cell_file:={file}"],
        capture_output=True, text=True, timeout=60, env=os.environ,
    )
    assert done.returncode == 2
    assert "policy.uncertain is 'good'" in done.stderr and "Traceback" not in done.stderr


def test_moveit_without_moveit_msgs_is_refused(executor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "moveit_msgs", None)
    monkeypatch.delitem(sys.modules, "hetnet_ros.nodes.moveit_arm", raising=False)
    file = write_cell(tmp_path / "cell.yaml", backend="moveit")
    with pytest.raises(InputError, match="moveit_msgs is not installed"):
        RejectPlanner(namespace="/refused", parameter_overrides=[Parameter("cell_file", value=str(file))])
