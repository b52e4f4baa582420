"""Goals, images and wiring that nobody means: none of it leads to a PASS of something else than what was asked for."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration, Time
from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Inspection
from hetnet_ros.srv import LoadModel
from inspection_cell import Cell
from model_fixtures import made_up_part
from part_client import PartClient, camera
from rclpy.lifecycle import TransitionCallbackReturn
from std_srvs.srv import SetBool

from hetnet_ros.errors import InputError
from hetnet_ros.nodes import inspector as inspector_module
from hetnet_ros.nodes.inspector import Inspector
from hetnet_ros.nodes.loaded_model import LoadedModel

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


def test_a_model_that_was_loading_while_another_came_is_not_taken(cell: Cell, plate_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set up anew meanwhile is what somebody wants now."""
    pipeline, load, before = cell.inspector._pipeline, inspector_module.load_model, cell.inspector._pipeline.model
    anew = dataclasses.replace(before)

    def slowly(*given: Any) -> Any:
        model = load(*given)
        pipeline.use_model(anew)
        return model

    monkeypatch.setattr(inspector_module, "load_model", slowly)
    answer = cell.inspector._on_load_model(LoadModel.Request(model_path=str(plate_model)), LoadModel.Response())
    assert not answer.success and "not taken" in answer.message
    assert pipeline.model is anew and answer.model_id == before.inspector.model_id


def test_a_defect_in_a_transition_fails_it_and_is_told(start_inspector: Callable[..., Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    node = start_inspector(model="any.safetensors").inspector

    def broken(*_: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(inspector_module, "load_model", broken)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node._state == "unconfigured" and node._failure == "configure failed: RuntimeError: a defect"


def test_a_file_that_was_replaced_does_not_come_in_by_the_way_to_the_cpu(cell: Cell, tiny_model: Path, plate_model: Path, tmp_path: Path) -> None:
    """Nobody has asked for that model, and a goal in hand would be judged by two."""
    pipeline, path = cell.inspector._pipeline, tmp_path / "part.safetensors"
    shutil.copy(plate_model, path)
    before = pipeline.model
    failed = LoadedModel(str(path), before.inspector, before.seconds)
    parameters = dataclasses.replace(cell.inspector._settings, allow_cpu_fallback=True)
    pipeline.use_model(failed)
    try:
        pipeline._leave_cuda(failed, parameters, RuntimeError("CUDA error"))
        assert pipeline.model is failed
        path.unlink()
        pipeline._leave_cuda(failed, parameters, RuntimeError("CUDA error"))  # one line, no traceback
        assert pipeline.model is failed
        shutil.copy(tiny_model, path)
        pipeline._leave_cuda(failed, parameters, RuntimeError("CUDA error"))
        assert pipeline.model is not failed and pipeline.model.fell_back
    finally:
        pipeline.use_model(before)


def test_one_camera_is_not_two(executor: Any) -> None:
    """Both remapped to one topic: a part would pass in two views of which it showed one."""
    words = ["--ros-args", "-r", "left/image:=/shared/image", "-r", "right/image:=/shared/image", "-p", "cameras:=[left, right]"]
    with pytest.raises(InputError, match="/shared/image"):
        Inspector(namespace="/one_camera", cli_args=words)
