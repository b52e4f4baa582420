"""Two publishers on a camera's topics, over real DDS: nobody knows which shows the part, so there is no verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, wait_for
from model_fixtures import made_up_part
from part_client import PartClient, camera
from rclpy.node import Node
from sensor_msgs.msg import Image

from hetnet_ros.nodes import sole_publisher

Start = Callable[..., Cell]


def ruined() -> np.ndarray:
    image = made_up_part(0)
    image[34:62, 70:98] = 0
    return image


@pytest.fixture
def other(executor: Any, cell: Cell) -> Iterator[Node]:
    """Another program in the cell's namespace, say a recording that is played."""
    node = Node("player", namespace=cell.namespace)
    executor.add_node(node)
    yield node
    executor.remove_node(node)
    node.destroy_node()


def second_publisher(cell: Cell, other: Node) -> Any:
    publisher = other.create_publisher(Image, f"{cell.namespace}/image", 5)
    for each in (publisher, cell.image_publisher()):
        wait_for(each.get_subscription_count, "the inspector's subscription")
    wait_for(lambda: cell.node.count_publishers(f"{cell.namespace}/image") == 2, "both publishers in the graph")
    return publisher


def inspection_of(cell: Cell, publisher: Any, message: Any) -> Inspection:
    inspections = cell.listen("inspection", Inspection)
    publisher.publish(message)
    return wait_for(lambda: [i for i in inspections if i.header == message.header], "the inspection of an image")[0]


def test_while_two_publish_neither_is_judged(cell: Cell, other: Node) -> None:
    """The camera shows a ruined part and the other program a good one; whoever of them came first is not the right one."""
    assert cell.inspect(cell.image(ruined())).verdict == Inspection.REJECT
    player = second_publisher(cell, other)
    for publisher, picture in ((player, made_up_part(0)), (cell.image_publisher(), ruined())) * 2:
        found = inspection_of(cell, publisher, cell.image(picture))
        assert (found.verdict, found.reason) == (Inspection.UNCERTAIN, "two_publishers")
        assert f"{cell.namespace}/player" in found.detail and f"{cell.namespace}/cell" in found.detail
    status = cell.diagnosis("input", lambda s: s.level == s.ERROR and "2 publishers" in s.message, "the report")
    assert f"{cell.namespace}/image" in status.message
    other.destroy_publisher(player)
    wait_for(lambda: cell.inspect(cell.image(ruined())).verdict == Inspection.REJECT, "verdicts on the camera's images")


def test_a_goal_gets_no_verdict_from_two_publishers(cell: Cell, other: Node) -> None:
    client = PartClient(cell)
    player = second_publisher(cell, other)
    with camera(cell, lambda number: made_up_part(number % 8)):
        result = client.send(view_ids=["top"]).result()
    assert (result.verdict, result.reason) == (InspectPart.Result.UNCERTAIN, "two_publishers")
    other.destroy_publisher(player)
    wait_for(lambda: cell.inspect().verdict == Inspection.PASS, "verdicts on the camera's images")


def test_a_camera_that_was_started_again_is_taken_again(cell: Cell, other: Node) -> None:
    """Its node is another one, with another GID, and the one before is gone."""
    assert cell.inspect().verdict == Inspection.PASS
    cell.stop_publishing()
    wait_for(lambda: cell.node.count_publishers(f"{cell.namespace}/image") == 0, "the camera to be gone")
    again = other.create_publisher(Image, f"{cell.namespace}/image", 5)
    wait_for(again.get_subscription_count, "the inspector's subscription")
    found = inspection_of(cell, again, cell.image(ruined()))
    assert (found.verdict, found.reason) == (Inspection.REJECT, "anomaly")
    cell.diagnosis("input", lambda s: "2 publishers" not in s.message, "the end of the report")


def test_an_inspector_that_finds_two_at_its_start_judges_neither(start_inspector: Start, tiny_model: Path) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu", autostart=True)
    first, second = (cell.node.create_publisher(Image, f"{cell.namespace}/image", 5) for _ in range(2))
    for publisher in (first, second):
        wait_for(publisher.get_subscription_count, "the inspector's subscription")
        wait_for(lambda: cell.state() == "active", "the node to start by itself")
        assert inspection_of(cell, publisher, cell.image()).reason == "two_publishers"


def test_where_messages_do_not_name_their_publisher_the_graph_counts(
    start_inspector: Start, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Humble and Jazzy, whose messages carry no GID."""
    monkeypatch.setattr(sole_publisher, "MessageInfo", None)
    cell = start_inspector(model=str(tiny_model), device="cpu", autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    assert cell.inspect().verdict == Inspection.PASS
    second = cell.node.create_publisher(Image, f"{cell.namespace}/image", 5)
    wait_for(second.get_subscription_count, "the inspector's subscription")
    wait_for(lambda: cell.node.count_publishers(f"{cell.namespace}/image") == 2, "both publishers in the graph")
    assert inspection_of(cell, second, cell.image()).reason == "two_publishers"
    assert cell.inspect().reason == "two_publishers"
    cell.node.destroy_publisher(second)
    wait_for(lambda: cell.inspect().verdict == Inspection.PASS, "verdicts again")
