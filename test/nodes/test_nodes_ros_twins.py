"""Two inspectors of one name on a domain: both are asked and the faster would win, so neither judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, wait_for
from model_fixtures import made_up_part
from part_client import PartClient, camera
from rclpy.parameter import Parameter

from hetnet_ros.nodes.inspector import Inspector


@pytest.fixture
def start_twin(executor: Any, cell: Cell, tiny_model: Path) -> Iterator[Callable[[], None]]:
    """Starts another inspector of the same name, with the same model; the fixture's end takes it away."""
    twins: list[Inspector] = []

    def start() -> None:
        given = {"model": str(tiny_model), "device": "cpu", "autostart": False}
        twins.append(Inspector(
            namespace=cell.namespace, parameter_overrides=[Parameter(name, value=value) for name, value in given.items()]
        ))
        executor.add_node(twins[0])

    def end() -> None:
        while twins:
            twin = twins.pop()
            for timer in twin.timers:
                timer.cancel()
            executor.remove_node(twin)
            twin.destroy_node()

    start.end = end
    yield start
    end()


def test_no_inspector_judges_beside_its_twin(cell: Cell, start_twin: Any) -> None:
    client = PartClient(cell)
    assert cell.inspect().verdict == Inspection.PASS
    waiting = client.send(view_ids=["top"], timeout=60.0)
    start_twin()
    result = waiting.result()
    assert (result.verdict, result.reason) == (InspectPart.Result.UNCERTAIN, "two_inspectors")
    assert f"2 nodes are named {cell.name}" in result.detail
    with camera(cell, lambda number: made_up_part(number % 8)):
        assert not client.send(view_ids=["top"]).accepted
    found = cell.inspect()
    assert (found.verdict, found.reason) == (Inspection.UNCERTAIN, "two_inspectors") and "end all but one" in found.detail
    cell.diagnosis("inspection", lambda s: s.level == s.ERROR and "2 nodes are named" in s.message, "the report")
    start_twin.end()
    wait_for(lambda: cell.inspect().verdict == Inspection.PASS, "verdicts after the twin has gone")
    with camera(cell, lambda number: made_up_part(number % 8)):
        assert client.send(view_ids=["top"]).result().verdict == InspectPart.Result.PASS


def test_an_inspector_that_ends_leaves_the_graph(executor: Any, cell: Cell, tiny_model: Path) -> None:
    """Else it would be the twin of the one that is started next, until DDS has forgotten its process."""
    context = rclpy.Context()
    rclpy.init(context=context, args=[], signal_handler_options=rclpy.SignalHandlerOptions.NO)
    given = [Parameter("model", value=str(tiny_model)), Parameter("device", value="cpu")]
    leaving = Inspector(namespace="/leaving", parameter_overrides=given, context=context)
    leaving.trigger_configure()  # from then on it offers the action
    wait_for(lambda: ("inspector", "/leaving") in cell.node.get_node_names_and_namespaces(), "the inspector")
    wait_for(lambda: cell.node.count_services("/leaving/inspector/inspect_part/_action/send_goal"), "its action")
    leaving.destroy_node()
    wait_for(lambda: ("inspector", "/leaving") not in cell.node.get_node_names_and_namespaces(), "its end")
    wait_for(lambda: not cell.node.count_services("/leaving/inspector/inspect_part/_action/send_goal"), "the action's end")
    rclpy.try_shutdown(context=context)
