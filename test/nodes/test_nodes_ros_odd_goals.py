"""Goals, images and wiring that nobody means: none of it leads to a PASS of something else than what was asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration, Time
from inspection_cell import Cell
from model_fixtures import made_up_part
from part_client import PartClient, camera
from std_srvs.srv import SetBool

from hetnet_ros.action import InspectPart
from hetnet_ros.errors import InputError
from hetnet_ros.msg import Inspection
from hetnet_ros.nodes import inspector as inspector_module
from hetnet_ros.nodes.inspector import Inspector
from hetnet_ros.srv import LoadModel

PASS, UNCERTAIN = InspectPart.Result.PASS, InspectPart.Result.UNCERTAIN
SECOND = 10**9


def good(number: int) -> Any:
    return made_up_part(number % 8)


@pytest.fixture(scope="module")
def client(cell: Cell) -> PartClient:
    return PartClient(cell)


@pytest.mark.parametrize("way", ["enable", "lifecycle"])
def test_a_pause_however_short_ends_the_goal(cell: Cell, client: PartClient, way: str) -> None:
    """Whoever pauses may exchange the part: views from before and after are not of one."""
    goal = client.send(view_ids=["a", "b"], timeout=60.0)
    if way == "enable":  # both within the time between two looks of the goal
        node = cell.inspector
        for wanted in (False, True):
            assert node._on_enable(SetBool.Request(data=wanted), SetBool.Response()).success
    else:
        assert cell.inspector.trigger_deactivate() == cell.inspector.trigger_activate()
    with camera(cell, good):
        result = goal.result()
    assert (result.verdict, result.reason, goal.status) == (UNCERTAIN, "inspector_inactive", GoalStatus.STATUS_ABORTED)
    with camera(cell, good):
        assert client.send().result().verdict == PASS


@pytest.mark.parametrize("view_ids, wanted", [(["view_2"], 2), (["a", "view_3"], 3), (["view_4", "b"], 5)])
def test_a_made_up_name_is_never_that_of_a_view_given(client: PartClient, view_ids: list[str], wanted: int) -> None:
    """One announcement would serve two views."""
    assert not client.send(view_ids=view_ids, max_views=wanted).accepted


@pytest.mark.parametrize("fields", [
    {"timeout": Duration(sec=-1)}, {"timeout": Duration(sec=5, nanosec=SECOND)}, {"timeout": Duration(sec=2**31 - 1)},
    {"not_before": Time(sec=-1)}, {"not_before": Time(sec=1, nanosec=4 * SECOND)}])
def test_a_goal_whose_times_are_none_is_refused(client: PartClient, fields: dict[str, Any]) -> None:
    assert not client.send_exactly(InspectPart.Goal(**fields)).accepted


@pytest.mark.parametrize("seconds", [2, 4])
def test_a_stamp_that_is_no_time_is_no_stamp(cell: Cell, seconds: int) -> None:
    """More than a second of nanoseconds makes an old image look new, and one image look like two."""
    message = cell.image()
    message.header.stamp = Time(sec=message.header.stamp.sec - seconds, nanosec=message.header.stamp.nanosec % 10**8 + seconds * SECOND)
    inspection = cell.inspect(message)
    assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "no_stamp")


def test_a_model_that_was_loading_over_a_new_start_is_not_taken(
    start_inspector: Callable[..., Cell], tiny_model: Path, other_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was set up anew meanwhile is what somebody wants now."""
    cell = start_inspector(model=str(tiny_model), device="cpu")
    assert cell.transition("configure") and cell.transition("activate")
    load, again = inspector_module.load_model, []

    def slowly(path: str, *given: Any) -> Any:
        model = load(path, *given)
        if path == str(other_model) and not again:
            again.append([cell.transition(label) for label in ("deactivate", "cleanup", "configure", "activate")])
        return model

    monkeypatch.setattr(inspector_module, "load_model", slowly)
    answer = cell.call("load_model", LoadModel, timeout=90.0, model_path=str(other_model))
    assert again == [[True] * 4] and not answer.success and "not taken" in answer.message
    assert cell.inspect().model_id == answer.model_id != ""
    assert cell.inspector._settings.model == str(tiny_model)


def test_one_camera_is_not_two(executor: Any) -> None:
    """Both remapped to one topic: a part would pass in two views of which it showed one."""
    words = ["--ros-args", "-r", "left/image:=/shared/image", "-r", "right/image:=/shared/image", "-p", "cameras:=[left, right]"]
    with pytest.raises(InputError, match="/shared/image"):
        Inspector(namespace="/one_camera", cli_args=words)
