"""~/view with ~/inspect_part over real DDS: an announcement counts for the goal that it was made for, and for no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hetnet_ros.action import InspectPart
from inspection_cell import Cell, wait_for
from model_fixtures import made_up_part
from part_client import PartClient, camera
from rclpy.duration import Duration
from std_msgs.msg import Header

PASS, REJECT, UNCERTAIN = InspectPart.Result.PASS, InspectPart.Result.REJECT, InspectPart.Result.UNCERTAIN
SHORT = 1.2
"""s: at 20 pictures a second some twenty come in this time, of which one would do."""


def good(number: int) -> np.ndarray:
    return made_up_part(number % 8)


def ruined(_: int = 0) -> np.ndarray:
    image = made_up_part(0)
    image[34:62, 70:98] = 0
    return image


class Announcer:
    """The one that moves the camera: tells on ~/view where it is."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.publisher = cell.node.create_publisher(Header, f"{cell.name}/view", 10)
        wait_for(self.publisher.get_subscription_count, "the subscription of ~/view")

    def tell(self, view: str, ahead: float = 0.0) -> None:
        """The camera is at ``view`` from now on, or from ``ahead`` s later."""
        stamp = self.cell.node.get_clock().now() + Duration(seconds=ahead)
        self.publisher.publish(Header(stamp=stamp.to_msg(), frame_id=view))


@pytest.fixture(scope="module")
def client(cell: Cell) -> PartClient:
    return PartClient(cell)


@pytest.fixture
def announcer(cell: Cell) -> Iterator[Announcer]:
    made = Announcer(cell)
    yield made
    cell.node.destroy_publisher(made.publisher)


def taken(result: Any) -> list[str]:
    return [view.view_id for view in result.views]


@pytest.mark.parametrize("picture", [good, ruined], ids=["PASS", "REJECT"])
def test_a_goal_takes_no_view_that_was_announced_to_the_one_before(
    cell: Cell, client: PartClient, announcer: Announcer, picture: Any
) -> None:
    """The part before was seen from the top; nobody has shown the top of this one, so there is no verdict on it."""
    with camera(cell, picture):
        first = client.send(view_ids=["top"], wait_for_view=True)
        announcer.tell("top")
        assert taken(first.result()) == ["top"]
        result = client.send(view_ids=["top"], wait_for_view=True, timeout=SHORT).result()
        assert (result.verdict, result.reason, taken(result)) == (UNCERTAIN, "timeout", [])
        assert "top" in result.detail
        third = client.send(view_ids=["top"], wait_for_view=True)
        announcer.tell("top")
        assert third.result().verdict == (PASS if picture is good else REJECT)


def test_an_announcement_that_lies_ahead_does_not_outlive_its_goal(
    cell: Cell, client: PartClient, announcer: Announcer
) -> None:
    """The goal is cancelled before the moment from which its view was to count; the next goal begins before it too."""
    first = client.send(view_ids=["top"], wait_for_view=True)
    announcer.tell("top", ahead=0.6)
    wait_for(lambda: cell.inspector._pipeline.views.shown, "the announcement")
    first.cancel()
    first.result()
    with camera(cell, good):
        result = client.send(view_ids=["top"], wait_for_view=True, timeout=0.6 + SHORT).result()
    assert (result.verdict, result.reason, taken(result)) == (UNCERTAIN, "timeout", [])


def test_a_goal_that_waited_its_turn_takes_no_view_of_the_one_before(
    cell: Cell, client: PartClient, announcer: Announcer
) -> None:
    """The announcement is younger than both goals, and meant for the first."""
    first = client.send(view_ids=["top"], wait_for_view=True, timeout=30.0)
    second = client.send(view_ids=["top"], wait_for_view=True, timeout=30.0)
    with camera(cell, good) as sent:
        announcer.tell("top")
        assert first.result().verdict == PASS
        seen = len(sent)
        wait_for(lambda: len(sent) > seen + 10, "pictures that nobody announced")
        announced = cell.node.get_clock().now()
        announcer.tell("top")
        result = second.result()
    stamp = result.views[0].inspection.header.stamp
    assert result.verdict == PASS and stamp.sec * 10**9 + stamp.nanosec >= announced.nanoseconds


def test_an_announcement_from_before_not_before_does_not_count(
    cell: Cell, client: PartClient, announcer: Announcer
) -> None:
    due = cell.node.get_clock().now() + Duration(seconds=0.5)
    with camera(cell, good):
        goal = client.send(view_ids=["top"], wait_for_view=True, not_before=due.to_msg(), timeout=0.5 + SHORT)
        announcer.tell("top")
        assert (goal.result().reason, taken(goal.result())) == ("timeout", [])


def test_two_that_announce_views_show_none(cell: Cell, client: PartClient, announcer: Announcer) -> None:
    """Two planners on one inspector: where the camera is cannot be known."""
    other = Announcer(cell)
    try:
        with camera(cell, good):
            goal = client.send(view_ids=["top"], wait_for_view=True, timeout=SHORT)
            announcer.tell("top")
            other.tell("top")
            result = goal.result()
        assert (result.verdict, result.reason, taken(result)) == (UNCERTAIN, "timeout", [])
        assert "2 publishers" in result.detail and "/view" in result.detail
    finally:
        cell.node.destroy_publisher(other.publisher)
    wait_for(lambda: cell.node.count_publishers(f"{cell.name}/view") == 1, "the other one to be gone")
    with camera(cell, good):
        goal = client.send(view_ids=["top"], wait_for_view=True)
        announcer.tell("top")
        assert goal.result().verdict == PASS
