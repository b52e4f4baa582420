"""The managed node: transitions and their failures, services, parameters, health, and how a camera is found."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hetnet_ros.msg import Inspection
from hetnet_ros.srv import LoadModel
from inspection_cell import Cell, slow_network, values, wait_for
from rcl_interfaces.srv import DescribeParameters
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from hetnet_ros.errors import InputError
from hetnet_ros.nodes.inspector import Inspector
from hetnet_ros.nodes.parameters import DECLARATIONS

Start = Callable[..., Cell]


@pytest.fixture(scope="module")
def other_model(
    tiny_model: Path, tiny_data: Path, tiny_preset: Path, weights_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A second model, of a part called ``plate``."""
    import dataclasses

    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach

    preset = load_preset(str(tiny_preset))
    preset = dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=2))
    path = tmp_path_factory.mktemp("other") / "plate.safetensors"
    teach(tiny_data, path, preset, device="cpu", part_name="plate", progress=False)
    return path


def test_a_full_life(start_inspector: Start, tiny_model: Path) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu")
    assert cell.state() == "unconfigured"
    assert cell.transition("configure") and cell.state() == "inactive"
    inspections = cell.listen("inspection", Inspection)
    wait_for(lambda: cell.image_publisher().get_subscription_count(), "the subscription, which an inactive node has")
    cell.image_publisher().publish(cell.image())
    cell.diagnosis("input", lambda status: int(values(status)["ignored"]) == 1, "the ignored image")
    assert cell.transition("activate") and cell.inspect().verdict == Inspection.PASS
    assert cell.transition("deactivate") and cell.state() == "inactive"
    inspections.clear()
    cell.image_publisher().publish(cell.image())
    cell.diagnosis("input", lambda status: int(values(status)["ignored"]) == 2, "the second ignored image")
    assert not inspections
    assert cell.transition("activate") and cell.inspect().verdict == Inspection.PASS
    assert cell.transition("deactivate") and cell.transition("cleanup") and cell.state() == "unconfigured"
    assert (
        values(cell.diagnosis("model", lambda status: status.message == "no model loaded", "no model"))["model_id"]
        == "none"
    )
    assert cell.transition("configure") and cell.transition("activate") and cell.inspect().verdict == Inspection.PASS
    assert cell.transition("shutdown") and cell.state() == "finalized"


def test_configure_fails_with_its_reason_and_can_be_retried(
    start_inspector: Start, tiny_model: Path, tmp_path: Path
) -> None:
    cell = start_inspector(device="cpu")
    assert not cell.transition("configure") and cell.state() == "unconfigured"
    status = cell.diagnosis("inspection", lambda status: status.level == status.ERROR, "the failure")
    assert "no model is given" in status.message and "\n" not in status.message
    for content, words in ((None, "does not exist"), (b"not a model", "junk.safetensors")):
        path = tmp_path / "junk.safetensors"
        if content is not None:
            path.write_bytes(content)
        assert cell.set_parameter("model", str(path)).successful
        assert not cell.transition("configure") and cell.state() == "unconfigured"
        cell.diagnosis(
            "inspection", lambda status: status.level == status.ERROR and words in status.message, f"{words!r}"
        )
    assert cell.set_parameter("model", str(tiny_model)).successful
    assert cell.transition("configure") and cell.transition("activate")
    assert cell.inspect().verdict == Inspection.PASS
    cell.diagnosis("inspection", lambda status: status.level == status.OK, "health after the retry")


def test_enable_pauses_without_a_transition(cell: Cell) -> None:
    inspections = cell.listen("inspection", Inspection)
    cell.inspect()
    response = cell.call("enable", SetBool, data=False)
    assert response.success and "paused" in response.message
    inspections.clear()
    ignored = int(values(cell.diagnosis("input", lambda status: True, "a diagnostic"))["ignored"])
    cell.image_publisher().publish(cell.image())
    cell.diagnosis("input", lambda status: int(values(status)["ignored"]) > ignored, "the ignored image")
    status = cell.diagnosis("inspection", lambda status: "paused" in status.message, "the pause")
    assert status.level == status.WARN and cell.state() == "active" and not inspections
    assert cell.call("enable", SetBool, data=True).success
    assert cell.inspect().verdict == Inspection.PASS


def test_enable_before_activation_is_remembered(start_inspector: Start, tiny_model: Path) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu")
    assert cell.call("enable", SetBool, data=False).success
    assert cell.transition("configure") and cell.transition("activate")
    cell.diagnosis("inspection", lambda status: "paused" in status.message, "the pause")
    assert cell.call("enable", SetBool, data=True).success
    assert cell.inspect().verdict == Inspection.PASS


def test_load_model_swaps_and_a_bad_one_leaves_the_old(
    start_inspector: Start, tiny_model: Path, other_model: Path
) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu")
    refused = cell.call("load_model", LoadModel, model_path=str(other_model))
    assert not refused.success and refused.model_id == "" and "unconfigured" in refused.message
    assert cell.transition("configure") and cell.transition("activate")
    first = cell.inspect()
    for path, words in (("", "empty"), ("/no/such/model.safetensors", "does not exist"), (__file__, "test_nodes_ros")):
        answer = cell.call("load_model", LoadModel, model_path=path)
        assert not answer.success and words in answer.message and "\n" not in answer.message
        assert answer.model_id == first.model_id
    assert cell.inspect().model_id == first.model_id
    answer = cell.call("load_model", LoadModel, model_path=str(other_model))
    assert answer.success and answer.model_id != first.model_id
    inspection = cell.inspect()
    assert (inspection.model_id, inspection.part_id) == (answer.model_id, "plate")
    assert cell.call("load_model", LoadModel, model_path=str(tiny_model), part_id="lid 7").success
    assert cell.inspect().part_id == "lid 7"
    assert cell.transition("deactivate") and cell.transition("cleanup") and cell.transition("configure")
    model = values(cell.diagnosis("model", lambda status: "no model" not in status.message, "the model"))
    assert (model["path"], model["part_id"]) == (str(tiny_model), "lid 7")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_age", -1.0, "max_age"),
        ("max_age", "soon", "max_age is 'soon'; it must be a number"),
        ("max_age", 4000, "max_age is 4000"),
        ("allow_cpu_fallback", 1, "true or false"),
        ("roi", [1, 2, 3], "four whole numbers"),
        ("roi", [0.0, 0.0, 9.5, 9.5], "four whole numbers"),
        ("roi", "all", "four whole numbers"),
        ("roi", [0, 0, 0, 5], "width and height"),
        ("roi", [-1, 0, 5, 5], "roi"),
        ("device", "cuda", "fixed while a model is loaded"),
        ("model", "/elsewhere.safetensors", "~/load_model"),
        ("image_transport", "compressed", "image_transport"),
        ("image_qos.depth", 3, "image_qos.depth"),
        ("overlay.max_rate", 1e9, "overlay.max_rate"),
        ("no_such_parameter", 1, "undeclared"),
    ],
)
def test_a_wrong_parameter_is_refused_with_a_reason(cell: Cell, name: str, value: Any, words: str) -> None:
    result = cell.set_parameter(name, value)
    assert not result.successful and words in result.reason
    assert cell.inspect().verdict == Inspection.PASS


def test_a_whole_number_will_do_for_a_time(cell: Cell) -> None:
    assert cell.set_parameter("max_age", 100).successful
    assert cell.inspect(cell.image(age=60.0)).verdict == Inspection.PASS
    assert cell.set_parameter("max_age", 30).successful
    assert cell.inspect(cell.image(age=60.0)).reason == "stale"


def test_device_is_checked_while_it_may_change(start_inspector: Start) -> None:
    cell = start_inspector()
    result = cell.set_parameter("device", "tpu")
    assert not result.successful and "auto, cuda, cpu" in result.reason
    assert cell.set_parameter("device", "cpu").successful


def test_wrong_values_at_start_end_the_node_with_one_line(executor: Any) -> None:
    for name, value, words in (
        ("device", "tpu", "auto, cuda, cpu"),
        ("roi", [1], "four whole numbers"),
        ("image_qos.reliability", "maybe", "match, reliable, best_effort"),
    ):
        with pytest.raises(InputError, match=words):
            Inspector(namespace="/wrong", parameter_overrides=[Parameter(name, value=value)])


def test_every_parameter_describes_itself(cell: Cell) -> None:
    names = [entry.name for entry in DECLARATIONS]
    described = cell.call("describe_parameters", DescribeParameters, names=names).descriptors
    for descriptor in described:
        assert descriptor.description, f"{descriptor.name} has no description"
    ranged = {d.name for d in described if d.floating_point_range or d.integer_range}
    assert {"max_age", "input_timeout", "image_qos.depth", "diagnostics_period"} <= ranged
    assert {d.name for d in described if d.read_only} == {
        "image_transport",
        "image_qos.reliability",
        "image_qos.depth",
        "accept_roi",
        "autostart",
        "public_key",
        "cameras",
    }


def test_every_parameter_has_a_row_in_the_documentation(source_root: Path) -> None:
    """With a meaning in it; the shipped configuration has a test of its own below."""
    section = (source_root / "docs" / "interface.md").read_text().partition("\n## Parameters\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([^`]+)` \|(.*)$", section, re.MULTILINE))
    assert set(rows) == {entry.name for entry in DECLARATIONS}
    assert [name for name, row in rows.items() if not row.split("|")[4].strip()] == []


def test_the_shipped_configuration_holds_the_defaults(source_root: Path) -> None:
    import yaml

    shipped = yaml.safe_load((source_root / "config" / "inspect.yaml").read_text())["/**"]["ros__parameters"]
    flat = {}
    for name, value in shipped.items():
        flat.update(
            {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
        )
    assert flat == {entry.name: entry.default for entry in DECLARATIONS}


def test_silence_of_the_camera_is_an_error(start_inspector: Start, tiny_model: Path) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu", input_timeout=0.3, autostart=True)
    status = cell.diagnosis("input", lambda status: status.level == status.ERROR, "the alarm of a missing camera")
    assert "no image on" in status.message and "0 publishers" in status.message
    assert cell.inspect().verdict == Inspection.PASS
    status = cell.diagnosis("input", lambda status: status.level == status.ERROR, "the alarm of a silent camera")
    assert "1 publisher" in status.message
    assert cell.transition("deactivate")
    cell.diagnosis("input", lambda status: status.level == status.OK, "peace while inactive")


def test_incompatible_quality_of_service_is_reported(start_inspector: Start, tiny_model: Path) -> None:
    cell = start_inspector(
        model=str(tiny_model), device="cpu", image_qos__reliability="reliable", input_timeout=3600.0, autostart=True
    )
    cell.image_publisher(reliable=False)
    status = cell.diagnosis("input", lambda status: status.level >= status.WARN, "the warning")
    assert "incompatible reliability" in status.message and "image_qos.reliability" in status.message
    assert status.level == status.WARN


@pytest.mark.parametrize("first", [True, False])
def test_the_subscription_follows_the_camera(start_inspector: Start, tiny_model: Path, first: bool) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu", autostart=True)
    names = {True: "reliable", False: "best_effort"}
    for reliable in (first, not first):
        publisher = cell.image_publisher(reliable=reliable)
        cell.diagnosis(
            "input",
            lambda status: values(status)["reliability"] == names[reliable],
            f"a {names[reliable]} subscription",
        )
        wait_for(publisher.get_subscription_count, "the match")
        inspections = cell.listen("inspection", Inspection)
        wait_for(lambda: cell.node.count_publishers(f"{cell.name}/inspection"), "the inspector's publisher")
        seen = len(inspections)

        def publish_until_answered() -> bool:
            publisher.publish(cell.image())
            time.sleep(0.05)
            return len(inspections) > seen

        wait_for(publish_until_answered, "an inspection")
        cell.stop_publishing(reliable=reliable)


def test_services_answer_while_the_network_runs(start_inspector: Start, tiny_model: Path, other_model: Path) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu")
    assert cell.transition("configure") and cell.transition("activate")
    cell.inspect()
    inspections = cell.listen("inspection", Inspection)
    with slow_network(cell) as begun:
        inspections.clear()
        cell.image_publisher().publish(cell.image())
        assert begun.wait(20)
        assert cell.state() == "active"
        assert cell.set_parameter("part_id", "bolt").successful
        assert cell.call("load_model", LoadModel, model_path=str(other_model), part_id="bolt").success
        assert cell.call("enable", SetBool, data=False).success
        assert cell.transition("deactivate") and cell.transition("activate")
        assert cell.call("enable", SetBool, data=True).success
    inspection = cell.inspect()
    assert inspection.part_id == "bolt"
    assert inspections[0].header == inspection.header, "the frame from before the pause gives no verdict any more"
