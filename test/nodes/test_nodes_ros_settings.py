"""Settings that change while a part is inspected end its goal: its views would not have been judged alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from hetnet_ros.action import InspectPart
from hetnet_ros.srv import LoadModel
from inspection_cell import Cell, slow_network
from model_fixtures import made_up_part
from part_client import PartClient, camera

PASS, UNCERTAIN = InspectPart.Result.PASS, InspectPart.Result.UNCERTAIN


def good(number: int) -> Any:
    return made_up_part(number % 8)


@pytest.fixture(scope="module")
def client(cell: Cell) -> PartClient:
    return PartClient(cell)


@pytest.mark.parametrize("name, value, usual", [
    ("roi", [0, 0, 96, 96], [0, 0, 0, 0]), ("max_age", 3000.0, 30.0), ("max_clock_skew", 50.0, 0.5), ("frozen_after", 900, 0),
    ("min_region_share", 0.001, 0.1), ("part_id", "another", "")])
def test_a_parameter_that_bears_on_verdicts_ends_the_goal(cell: Cell, client: PartClient, name: str, value: Any, usual: Any) -> None:
    goal = client.send(view_ids=["a", "b"], timeout=60.0)
    try:
        assert cell.set_parameter(name, value).successful
        result = goal.result()
    finally:
        assert cell.set_parameter(name, usual).successful
    assert (result.verdict, result.reason, goal.status) == (UNCERTAIN, "settings_changed", GoalStatus.STATUS_ABORTED)
    assert name in result.detail
    with camera(cell, good):
        assert client.send().result().verdict == PASS


def test_another_model_ends_the_goal(cell: Cell, client: PartClient, tiny_model: Path) -> None:
    goal = client.send(view_ids=["a", "b"], timeout=60.0)
    assert cell.call("load_model", LoadModel, timeout=60.0, model_path=str(tiny_model)).success
    result = goal.result()
    assert (result.verdict, result.reason) == (UNCERTAIN, "settings_changed") and "load_model" in result.detail


def test_what_is_in_the_network_when_settings_change_serves_no_view(cell: Cell, client: PartClient) -> None:
    with slow_network(cell) as begun, camera(cell, good):
        goal = client.send(timeout=60.0)
        assert begun.wait(20)
        assert cell.set_parameter("max_age", 3000.0).successful
    try:
        result = goal.result()
        assert (result.verdict, result.reason, list(result.views)) == (UNCERTAIN, "settings_changed", [])
    finally:
        assert cell.set_parameter("max_age", 30.0).successful


def test_what_bears_on_no_verdict_or_changes_nothing_lets_the_goal_go_on(cell: Cell, client: PartClient) -> None:
    goal = client.send(view_ids=["a", "b"], timeout=60.0)
    for name, value in (("max_age", 30.0), ("overlay.max_rate", 4.0), ("overlay.max_rate", 5.0), ("inspect_part.tries", 3)):
        assert cell.set_parameter(name, value).successful
    assert not cell.set_parameter("max_age", -1.0).successful
    with camera(cell, good):
        assert goal.result().verdict == PASS
