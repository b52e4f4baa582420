"""The action ~/inspect_part over real DDS: what planners rely on, and what happens when something goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Inspection, PartVerdict
from inspection_cell import Cell, slow_network, wait_for
from model_fixtures import made_up_part
from part_client import PartClient, camera
from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import Header
from std_srvs.srv import SetBool

PASS, REJECT, UNCERTAIN = InspectPart.Result.PASS, InspectPart.Result.REJECT, InspectPart.Result.UNCERTAIN


def good(number: int) -> np.ndarray:
    return made_up_part(number % 8)


def ruined(_: int = 0) -> np.ndarray:
    """A part with a deep hole, 28 px wide around (84, 48): beyond doubt even for a model taught in a second."""
    image = made_up_part(0)
    image[34:62, 70:98] = 0
    return image


def dark(_: int) -> np.ndarray:
    return np.zeros((96, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def client(cell: Cell) -> PartClient:
    return PartClient(cell)


def test_a_good_part_passes_with_its_evidence(cell: Cell, client: PartClient) -> None:
    with camera(cell, good):
        goal = client.send(part_id="lid 7", view_ids=["front", "back"], max_views=2)
        result = goal.result()
    assert (result.verdict, result.reason, goal.status) == (PASS, "", GoalStatus.STATUS_SUCCEEDED)
    assert [view.view_id for view in result.views] == ["front", "back"]
    stamps = [(v.inspection.header.stamp.sec, v.inspection.header.stamp.nanosec) for v in result.views]
    assert stamps[0] < stamps[1]
    assert all(v.inspection.view_id == v.view_id and v.inspection.part_id == "lid 7" for v in result.views)
    assert 0 < result.p_value <= 1 and result.deciding_view in (0, 1)
    assert result.part_id == "lid 7" and result.model_id == result.views[0].inspection.model_id != ""
    assert 0 < result.thresholds.accept <= result.thresholds.reject
    assert result.elapsed.sec + result.elapsed.nanosec > 0
    wait_for(lambda: len(goal.feedback) == 2, "feedback of both views")
    assert [(f.views_done, f.views_wanted, f.last_view.view_id) for f in goal.feedback] == [(1, 2, "front"), (2, 2, "back")]
    assert [f.running_verdict for f in goal.feedback] == [UNCERTAIN, PASS]


def test_a_part_with_one_bad_view_is_rejected_and_the_view_named(cell: Cell, client: PartClient) -> None:
    views = {"front": good, "back": ruined, "left": good}
    announce = cell.node.create_publisher(Header, f"{cell.name}/view", 10)
    wait_for(announce.get_subscription_count, "the subscription of ~/view")
    shown = ["front"]
    with camera(cell, lambda number: views[shown[0]](number)):
        goal = client.send(view_ids=list(views), wait_for_view=True)
        for count, name in enumerate(views, start=1):
            assert not goal.done
            shown[0] = name
            moved = cell.node.get_clock().now() + Duration(seconds=0.2)  # frames on their way still show the view before
            announce.publish(Header(stamp=moved.to_msg(), frame_id=name))
            wait_for(lambda: len(goal.feedback) == count, f"feedback of view {name}")
        result = goal.result()
    assert (result.verdict, result.reason, result.deciding_view) == (REJECT, "anomaly", 1)
    assert [view.view_id for view in result.views] == list(views) and result.views[1].inspection.defects
    assert result.views[0].inspection.verdict == PASS and "back" in result.detail


@pytest.mark.parametrize("rule", ["bonferroni", "fisher"])
def test_views_are_combined_by_the_rule_of_the_parameter(cell: Cell, client: PartClient, rule: str) -> None:
    assert cell.set_parameter("inspect_part.combination", rule).successful
    try:
        with camera(cell, good):
            result = client.send(max_views=2).result()
    finally:
        assert cell.set_parameter("inspect_part.combination", "bonferroni").successful
    first, second = (view.inspection.p_value for view in result.views)
    product = first * second
    expected = {"bonferroni": min(1.0, 2 * min(first, second)), "fisher": product * (1 - math.log(product))}[rule]
    assert result.p_value == pytest.approx(expected, rel=1e-4)


def test_it_ends_at_the_first_sure_reject_if_asked(cell: Cell, client: PartClient) -> None:
    with camera(cell, ruined):
        result = client.send(max_views=5, stop_on_reject=True).result()
    assert result.verdict == REJECT and len(result.views) == 1


def test_it_ends_when_enough_views_pass(cell: Cell, client: PartClient) -> None:
    with camera(cell, good):
        result = client.send(min_views=2, max_views=5).result()
    assert result.verdict == PASS and len(result.views) == 2


def test_only_frames_from_not_before_on_are_used(cell: Cell, client: PartClient) -> None:
    due = cell.node.get_clock().now() + Duration(seconds=1.0)
    with camera(cell, good) as sent:
        result = client.send(not_before=due.to_msg()).result()
    used = result.views[0].inspection.header.stamp
    assert result.verdict == PASS and used.sec * 10**9 + used.nanosec >= due.nanoseconds
    assert result.views[0].frames_refused > 0 and len(sent) > 1


def test_stale_frames_are_never_used(cell: Cell, client: PartClient) -> None:
    with camera(cell, good, age=60.0):
        goal = client.send(timeout=1.5)
        result = goal.result()
    assert (result.verdict, result.reason, goal.status) == (UNCERTAIN, "timeout", GoalStatus.STATUS_ABORTED)
    assert not result.views and math.isnan(result.p_value) and result.deciding_view == -1


def test_a_camera_that_dies_leads_to_a_timeout(cell: Cell, client: PartClient) -> None:
    shown: list[Any] = []
    with camera(cell, good):
        goal = client.send(view_ids=["front"], max_views=40, timeout=4.0)
        wait_for(lambda: goal.feedback, "the first view")
    result = goal.result()
    shown += result.views
    assert (result.verdict, result.reason) == (UNCERTAIN, "timeout") and 1 <= len(shown) < 40
    assert "of 40 views came" in result.detail


def test_a_fault_in_every_frame_is_told_and_never_passes(cell: Cell, client: PartClient) -> None:
    with camera(cell, dark):
        result = client.send().result()
    assert (result.verdict, result.reason, len(result.views)) == (UNCERTAIN, "out_of_domain_dark", 1)
    assert result.views[0].frames_refused >= 2  # two tries before the third settled the view


def test_one_bad_frame_is_tried_again(cell: Cell, client: PartClient) -> None:
    shown: list[int] = []

    def first_dark(number: int) -> np.ndarray:
        """The first picture that comes while a goal takes frames is black."""
        part = cell.inspector._pipeline.part
        if part is not None and not shown:
            shown.append(number)
            return dark(number)
        return good(number)

    with camera(cell, first_dark, period=0.2):
        result = client.send(max_views=2).result()
    assert result.verdict == PASS and shown


def test_cancel_ends_the_goal_and_the_next_one_works(cell: Cell, client: PartClient) -> None:
    goal = client.send(timeout=60.0)
    goal.cancel()
    result = goal.result()
    assert (result.verdict, result.reason, goal.status) == (UNCERTAIN, "cancelled", GoalStatus.STATUS_CANCELED)
    with camera(cell, good):
        assert client.send().result().verdict == PASS


def test_two_goals_at_once_are_inspected_one_after_the_other(cell: Cell, client: PartClient) -> None:
    first, second, third = (client.send(part_id=name, max_views=2, timeout=60.0) for name in ("a", "b", "c"))
    assert first.accepted and second.accepted and third.accepted
    third.cancel()  # while it waits
    assert third.result().reason == "cancelled" and third.status == GoalStatus.STATUS_CANCELED and not first.done
    with camera(cell, good):
        results = [first.result(), second.result()]
    assert [(r.part_id, r.verdict) for r in results] == [("a", PASS), ("b", PASS)]
    ends, begins = results[0].views[-1].inspection.header.stamp, results[1].views[0].inspection.header.stamp
    assert (ends.sec, ends.nanosec) < (begins.sec, begins.nanosec)


def test_a_goal_can_time_out_in_the_queue(cell: Cell, client: PartClient) -> None:
    first, second = client.send(timeout=60.0), client.send(timeout=0.5)
    assert second.result().reason == "timeout" and not first.done
    first.cancel()
    assert first.result().reason == "cancelled"


def test_concurrent_goals_are_refused_or_preempt_by_parameter(cell: Cell, client: PartClient) -> None:
    try:
        assert cell.set_parameter("inspect_part.concurrent", "refuse").successful
        first = client.send(timeout=60.0)
        assert first.accepted and not client.send().accepted
        assert cell.set_parameter("inspect_part.concurrent", "preempt").successful
        second = client.send(part_id="new", timeout=60.0)
        assert (first.result().reason, first.status) == ("preempted", GoalStatus.STATUS_ABORTED)
        with camera(cell, good):
            assert (second.result().verdict, second.result().part_id) == (PASS, "new")
    finally:
        assert cell.set_parameter("inspect_part.concurrent", "queue").successful


@pytest.mark.parametrize("fields", [{"min_views": 3, "max_views": 2}, {"view_ids": ["a", "b"], "max_views": 1},
                                    {"view_ids": ["a", "a"]}, {"max_views": 101}])
def test_a_goal_that_contradicts_itself_is_refused(client: PartClient, fields: dict[str, Any]) -> None:
    assert not client.send(**fields).accepted


@pytest.mark.parametrize("fields", [{"part_id": "x" * 2**20}, {"view_ids": ["front\n[ERROR] forged"]}, {"part_id": "\x1b[2J"}])
def test_a_goal_whose_names_are_no_names_is_refused(client: PartClient, fields: dict[str, Any]) -> None:
    """They would come back in results, logs and reports."""
    assert not client.send(**fields).accepted


def test_an_inspector_that_is_paused_or_inactive_says_so(cell: Cell, client: PartClient) -> None:
    goal = client.send(timeout=60.0)
    assert cell.call("enable", SetBool, data=False).success
    try:
        result = goal.result()
        assert (result.verdict, result.reason, goal.status) == (UNCERTAIN, "inspector_inactive", GoalStatus.STATUS_ABORTED)
        assert "paused" in result.detail
    finally:
        assert cell.call("enable", SetBool, data=True).success
    assert cell.transition("deactivate")
    try:
        assert "inactive" in client.send().result().detail
    finally:
        assert cell.transition("activate")
    with camera(cell, good):
        assert client.send().result().verdict == PASS


def test_the_last_verdict_of_a_part_is_latched(cell: Cell, client: PartClient) -> None:
    with camera(cell, good):
        result = client.send(part_id="latched").result()
    late: list[PartVerdict] = []
    profile = QoSProfile(depth=32, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = cell.node.create_subscription(PartVerdict, f"{cell.name}/part_verdict", late.append, profile)
    wait_for(lambda: [m for m in late if m.part_id == "latched"], "the latched verdict")
    message = [m for m in late if m.part_id == "latched"][-1]
    assert message.verdict == PASS and message.header == result.views[0].inspection.header
    assert (message.model_id, message.p_value, len(message.views)) == (result.model_id, result.p_value, 1)
    cell.node.destroy_subscription(subscription)


def test_services_answer_while_a_goal_waits_for_the_network(cell: Cell, client: PartClient) -> None:
    with slow_network(cell) as begun, camera(cell, good):
        goal = client.send(timeout=60.0)
        assert begun.wait(20) and cell.state() == "active" and not goal.done
    with camera(cell, good):
        assert goal.result().verdict == PASS


def test_a_recipe_gives_each_view_its_region_and_model(start_inspector: Callable[..., Cell], tiny_model: Path,
                                                       tmp_path: Path) -> None:
    mask = np.full((96, 128), 255, np.uint8)
    mask[:, 64:] = 0
    cv2.imwrite(str(tmp_path / "left.png"), mask)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"""
views:
  left: {{mask: left.png}}
  right: {{polygon: [[64, 0], [127, 0], [127, 95], [64, 95]], model: {tiny_model}}}
""")
    cell = start_inspector(model=str(tiny_model), device="cpu", recipe=str(recipe), autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    with camera(cell, ruined):
        result = PartClient(cell).send(view_ids=["left", "right"]).result()
    left, right = (view.inspection for view in result.views)
    assert not [d for d in left.defects if d.centroid.x > 66] and right.verdict == Inspection.REJECT
    assert left.region_source == right.region_source == "recipe" and "recipe" in left.detail
    assert (left.roi.x_offset, left.roi.width) == (0, 64) and (right.roi.x_offset, right.roi.width) == (64, 64)
    assert [(p.x, p.y) for p in right.region.points] == [(64, 0), (127, 0), (127, 95), (64, 95)]
    assert left.inspected_share == pytest.approx(0.5, abs=0.02) and right.inspected_share == pytest.approx(0.5, abs=0.02)
    assert result.verdict == REJECT and result.deciding_view == 1


def test_a_frozen_camera_is_noticed(start_inspector: Callable[..., Cell], tiny_model: Path) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu", frozen_after=2, autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    assert cell.inspect(cell.image(good(0))).verdict == Inspection.PASS
    frozen = cell.inspect(cell.image(good(0)))
    assert (frozen.verdict, frozen.reason) == (Inspection.UNCERTAIN, "frozen_camera")
    cell.diagnosis("input", lambda s: s.level == s.ERROR and "repeats its picture" in s.message, "the report")
    assert cell.inspect(cell.image(good(1))).verdict == Inspection.PASS
    with camera(cell, lambda _: good(3)):
        result = PartClient(cell).send(view_ids=["a", "b"]).result()
    assert result.verdict == UNCERTAIN and result.reason == "frozen_camera"
