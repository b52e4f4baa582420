"""Drivers that show old pictures under new stamps, over real DDS: no part passes on a picture from before it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, slow_network, wait_for
from model_fixtures import made_up_part
from part_client import PartClient, camera
from std_srvs.srv import SetBool

Start = Callable[..., Cell]


@pytest.fixture
def watching(start_inspector: Start, tiny_model: Path) -> Cell:
    """An inspector that watches for repeated pictures, as by default."""
    cell = start_inspector(model=str(tiny_model), device="cpu", frozen_after=2, autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    return cell


def outcome(cell: Cell, rgb: np.ndarray) -> tuple[int, str]:
    inspection = cell.inspect(cell.image(rgb))
    return inspection.verdict, inspection.reason


@pytest.mark.parametrize("length", [2, 3, 4])
def test_a_driver_that_goes_round_old_pictures_passes_nothing(watching: Cell, length: int) -> None:
    old = [made_up_part(number) for number in range(length)]
    assert [outcome(watching, rgb) for rgb in old] == length * [(Inspection.PASS, "")]
    for rgb in itertools.islice(itertools.cycle(old), 15):
        assert outcome(watching, rgb) == (Inspection.UNCERTAIN, "frozen_camera")
    assert outcome(watching, made_up_part(50)) == (Inspection.PASS, "")
    result = PartClient(watching)
    with camera(watching, lambda number: old[number % length]):
        verdict = result.send(view_ids=["a"]).result()
    assert (verdict.verdict, verdict.reason) == (Inspection.UNCERTAIN, "frozen_camera")


def test_a_picture_that_came_while_paused_is_old(watching: Cell) -> None:
    assert outcome(watching, made_up_part(0)) == (Inspection.PASS, "")
    assert watching.call("enable", SetBool, data=False).success
    ignored = watching.inspector._pipeline.statistics
    before = ignored.snapshot(time.monotonic()).ignored
    watching.image_publisher().publish(watching.image(made_up_part(1)))
    wait_for(lambda: ignored.snapshot(time.monotonic()).ignored > before, "the frame that comes during the pause")
    assert watching.call("enable", SetBool, data=True).success
    assert outcome(watching, made_up_part(1)) == (Inspection.UNCERTAIN, "frozen_camera")
    assert outcome(watching, made_up_part(2)) == (Inspection.PASS, "")


def test_a_picture_that_was_dropped_for_a_newer_one_is_old(watching: Cell) -> None:
    assert outcome(watching, made_up_part(0)) == (Inspection.PASS, "")

    def counts() -> Any:
        return watching.inspector._pipeline.statistics.snapshot(time.monotonic())

    before = counts().received
    with slow_network(watching) as begun:
        for number in (1, 2, 3):  # the first is inspected, the second dropped for the third
            watching.image_publisher().publish(watching.image(made_up_part(number)))
            wait_for(lambda number=number: counts().received == before + number, "the frame's arrival")
            wait_for(begun.is_set, "the network at work")
        assert counts().dropped == 1
    passed_over, live = watching.inspector._pipeline._passed_over, itertools.count(4)
    wait_for(lambda: outcome(watching, made_up_part(next(live)))[0] == Inspection.PASS and not any(passed_over._frames.values()),
             "the time to look at what was dropped, a fiftieth of the inspections'")
    assert outcome(watching, made_up_part(2)) == (Inspection.UNCERTAIN, "frozen_camera")


def test_a_part_is_not_passed_on_a_picture_from_before_it_however_often_pictures_may_repeat(start_inspector: Start,
                                                                                          tiny_model: Path) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu", frozen_after=1000, autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    assert [outcome(cell, made_up_part(0)) for _ in range(3)] == 3 * [(Inspection.PASS, "")]
    with camera(cell, lambda _: made_up_part(0)):
        result = PartClient(cell).send(view_ids=["a"]).result()
    assert (result.verdict, result.reason) == (Inspection.UNCERTAIN, "frozen_camera")
    with camera(cell, lambda number: made_up_part(100 + number)):
        assert PartClient(cell).send(view_ids=["a"]).result().verdict == Inspection.PASS


def test_what_one_camera_sees_is_no_view_of_another(start_inspector: Start, tiny_model: Path) -> None:
    """A relay of one camera's topic under another one's name would show the part once and count twice."""
    cell = start_inspector(model=str(tiny_model), device="cpu", frozen_after=2, cameras=["left", "right"], autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    inspections = cell.listen("inspection", Inspection)
    publishers = {name: cell.image_publisher(topic=f"{name}/image") for name in ("left", "right")}
    for publisher in publishers.values():
        wait_for(publisher.get_subscription_count, "the inspector's subscription")

    def show(name: str, number: int) -> str:
        message = cell.image(made_up_part(number), frame_id=name)
        publishers[name].publish(message)
        return wait_for(lambda: [i for i in inspections if i.header == message.header], "its inspection")[0].reason

    goal = PartClient(cell).send(view_ids=["left", "right"], timeout=60.0)
    assert [show(name, number) for number in range(3) for name in ("left", "right")] == 3 * ["", "frozen_camera"]
    result = goal.result()
    assert (result.verdict, result.reason) == (Inspection.UNCERTAIN, "frozen_camera")
    goal = PartClient(cell).send(view_ids=["left", "right"], timeout=60.0)
    assert [show("left", 10), show("right", 11)] == ["", ""]
    assert goal.result().verdict == Inspection.PASS
