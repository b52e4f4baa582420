"""Regions of interest over real DDS: only when asked for, never too small, told in every verdict, and gone with the part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, wait_for
from model_fixtures import made_up_part
from part_client import PartClient, camera
from sensor_msgs.msg import RegionOfInterest

Start = Callable[..., Cell]
LEFT = RegionOfInterest(x_offset=0, y_offset=0, width=48, height=96)  # 3/8 of the image, away from the hole of a ruined part


def ruined(_: int = 0) -> np.ndarray:
    """A part with a deep hole, 28 px wide around (84, 48)."""
    image = made_up_part(0)
    image[34:62, 70:98] = 0
    return image


def active(start: Start, model: Path, **parameters: Any) -> Cell:
    cell = start(model=str(model), device="cpu", autostart=True, **parameters)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    return cell


@pytest.fixture
def open_cell(start_inspector: Start, tiny_model: Path) -> Cell:
    """An inspector that was asked to take regions."""
    return active(start_inspector, tiny_model, accept_roi=True)


def restrict(cell: Cell, region: RegionOfInterest) -> None:
    """Publish on ~/roi, and wait until it has arrived."""
    views = cell.inspector._pipeline.views
    views.topic_region = before = object()  # type: ignore[assignment]
    publisher = cell.node.create_publisher(RegionOfInterest, f"{cell.name}/roi", 1)
    wait_for(publisher.get_subscription_count, "the subscription of ~/roi")
    publisher.publish(region)
    wait_for(lambda: views.topic_region is not before, "the region")
    cell.node.destroy_publisher(publisher)


def test_nobody_can_restrict_an_inspector_that_was_not_asked_to(start_inspector: Start, tiny_model: Path) -> None:
    cell = active(start_inspector, tiny_model)
    strays = [cell.node.create_publisher(RegionOfInterest, topic, 1) for topic in (f"{cell.namespace}/roi", f"{cell.name}/roi")]
    for stray in strays:
        stray.publish(RegionOfInterest(width=4, height=4))
    for _ in range(3):
        inspection = cell.inspect(cell.image(ruined()))
        assert inspection.verdict == Inspection.REJECT and inspection.region_source == "" and inspection.inspected_share == 1
    assert not any(stray.get_subscription_count() for stray in strays)
    assert not cell.set_parameter("accept_roi", True).successful


@pytest.mark.parametrize("region, reason", [
    ((0, 0, 4, 4), "roi_too_small"), ((5, 5, 0, 40), "roi_too_small"), ((60, 40, 30, 30), "roi_too_small"),  # 7 % of the image
    ((0, 0, 500, 96), "roi_outside_image"), ((4_000_000_000, 4_000_000_000, 4_000_000_000, 4_000_000_000), "roi_outside_image")])
def test_a_region_that_is_too_small_or_outside_gives_no_verdict(open_cell: Cell, region: tuple[int, ...], reason: str) -> None:
    x, y, width, height = region
    restrict(open_cell, RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height))
    for part in (made_up_part(0), ruined()):
        inspection = open_cell.inspect(open_cell.image(part))
        assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, reason)
        assert inspection.region_source == "~/roi"
    open_cell.diagnosis("inspection", lambda status: status.level == status.ERROR and reason in status.message, "the error")


def test_a_region_is_told_and_ends_with_the_part(open_cell: Cell) -> None:
    restrict(open_cell, LEFT)
    seen = open_cell.inspect(open_cell.image(ruined()))
    assert not seen.defects and seen.region_source == "~/roi" and "~/roi" in seen.detail and "38%" in seen.detail
    assert (seen.roi.x_offset, seen.roi.y_offset, seen.roi.width, seen.roi.height) == (0, 0, 48, 96)
    assert seen.inspected_share == pytest.approx(0.375, abs=0.01) and len(seen.region.points) == 4
    with camera(open_cell, ruined):
        evidence = PartClient(open_cell).send(view_ids=["a"]).result().views[0].inspection
    assert evidence.region_source == "~/roi" and evidence.roi.width == 48
    whole = open_cell.inspect(open_cell.image(ruined()))
    assert whole.verdict == Inspection.REJECT and whole.region_source == "" and whole.roi.width == 128


def test_of_two_that_restrict_neither_is_heeded_and_nothing_is_judged(open_cell: Cell) -> None:
    """The second one makes the inspector look away from the hole."""
    topic = f"{open_cell.name}/roi"
    rightful, stray = (open_cell.node.create_publisher(RegionOfInterest, topic, 1) for _ in range(2))
    wait_for(lambda: open_cell.node.count_subscribers(topic) and stray.get_subscription_count(), "the subscription of ~/roi")
    wait_for(lambda: open_cell.inspect().reason == "two_publishers", "both to be seen")
    stray.publish(LEFT)
    for _ in range(3):
        inspection = open_cell.inspect(open_cell.image(ruined()))
        assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "two_publishers")
    open_cell.diagnosis("input", lambda status: status.level == status.ERROR and "/roi" in status.message, "the error")
    open_cell.node.destroy_publisher(stray)
    whole = wait_for(lambda: (seen := open_cell.inspect(open_cell.image(ruined()))).reason != "two_publishers" and seen, "one to be left")
    assert whole.verdict == Inspection.REJECT and whole.region_source == ""
    open_cell.node.destroy_publisher(rightful)


def test_a_region_ends_with_cleanup_and_with_all_zero(open_cell: Cell) -> None:
    restrict(open_cell, LEFT)
    assert not open_cell.inspect(open_cell.image(ruined())).defects
    restrict(open_cell, RegionOfInterest())
    assert open_cell.inspect(open_cell.image(ruined())).defects
    restrict(open_cell, LEFT)
    assert all(open_cell.transition(step) for step in ("deactivate", "cleanup", "configure", "activate"))
    assert open_cell.inspect(open_cell.image(ruined())).verdict == Inspection.REJECT


def test_the_parameter_roi_must_leave_enough_too(start_inspector: Start, tiny_model: Path) -> None:
    cell = active(start_inspector, tiny_model)
    refused = cell.set_parameter("roi", [0, 0, 15, 96])
    assert not refused.successful and "16 or more" in refused.reason
    assert cell.set_parameter("roi", [0, 0, 32, 32]).successful  # 8 % of the image
    small = cell.inspect()
    assert (small.verdict, small.reason) == (Inspection.UNCERTAIN, "roi_too_small") and "min_region_share" in small.detail
    assert cell.set_parameter("min_region_share", 0.05).successful
    assert cell.inspect().reason != "roi_too_small"


def test_a_region_beyond_what_is_inspected_gives_no_verdict(open_cell: Cell) -> None:
    assert open_cell.set_parameter("roi", [0, 0, 64, 96]).successful  # the left half, where the region wants the whole
    restrict(open_cell, RegionOfInterest(width=128, height=96))
    inspection = open_cell.inspect()
    assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "roi_outside_image")
    restrict(open_cell, RegionOfInterest(width=64, height=96))
    assert not open_cell.inspect().reason.startswith("roi")
