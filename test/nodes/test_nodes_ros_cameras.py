"""Several cameras, one node, one model: each image keeps its stamp, frame and camera, and none is starved."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hetnet_ros.action import InspectPart
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, network_of, slow_network, wait_for
from model_fixtures import made_up_part
from part_client import PartClient, camera


@pytest.fixture(scope="module")
def rig(executor: Any, tiny_model: Path) -> Any:
    from conftest import Inspectors

    inspectors = Inspectors(executor)
    made = inspectors.start(model=str(tiny_model), device="cpu", cameras=["left", "right", "top"])
    assert made.transition("configure") and made.transition("activate")
    yield made
    inspectors.rest()


def ruined(_: int) -> np.ndarray:
    image = made_up_part(0)
    image[34:62, 70:98] = 0
    return image


def good(number: int) -> np.ndarray:
    return made_up_part(number % 8)


def test_frames_that_wait_together_are_inspected_in_one_batch(rig: Cell) -> None:
    inspections = rig.listen("inspection", Inspection)
    publishers = {name: rig.image_publisher(topic=f"{name}/image") for name in ("left", "right", "top")}
    for publisher in publishers.values():
        wait_for(publisher.get_subscription_count, "the inspector's subscription")
    wait_for(lambda: rig.node.count_publishers(f"{rig.name}/inspection"), "the inspector's publisher")
    sizes: list[int] = []
    counter = network_of(rig).register_forward_pre_hook(lambda _, images: sizes.append(images[0].shape[0]))
    received = rig.inspector._pipeline.statistics
    messages = {name: rig.image(good(index), frame_id=f"{name}_optical") for index, name in enumerate(publishers)}
    try:
        with slow_network(rig) as begun:
            first = rig.image(frame_id="left_optical")
            publishers["left"].publish(first)
            assert begun.wait(20)
            before = received.snapshot(0.0).received
            for name, publisher in publishers.items():
                publisher.publish(messages[name])
            wait_for(lambda: received.snapshot(0.0).received == before + 3, "three images")
        wait_for(lambda: len([i for i in inspections if i.header in [m.header for m in messages.values()]]) == 3,
                 "an inspection of each camera's image")
    finally:
        counter.remove()
    assert sizes == [1, 3]
    found = {inspection.camera: inspection.header for inspection in inspections if inspection.header != first.header}
    assert found == {name: message.header for name, message in messages.items()}


def test_a_fast_camera_does_not_starve_the_others(rig: Cell) -> None:
    """The fast camera sends several images for each one that the network, slowed to 10 a second, can take."""
    inspections = rig.listen("inspection", Inspection)
    held = network_of(rig).register_forward_pre_hook(lambda *_: time.sleep(0.1))

    def counts() -> dict[str, int]:
        return {name: sum(i.camera == name for i in list(inspections)) for name in ("left", "right")}

    try:
        with camera(rig, good, "left/image", period=0.02), camera(rig, good, "right/image", period=0.4) as sent:
            inspections.clear()
            try:
                wait_for(lambda: min(counts().values()) >= 5, "five images of each camera", timeout=60)
            except pytest.fail.Exception as failure:
                pytest.fail(f"{failure}: inspected {counts()}, the slow camera sent {len(sent)}")
    finally:
        held.remove()


def test_views_named_like_cameras_take_their_frames_only(rig: Cell) -> None:
    with camera(rig, good, "left/image"), camera(rig, ruined, "right/image"), camera(rig, good, "top/image"):
        result = PartClient(rig).send(view_ids=["top", "right", "left"]).result()
    assert {view.view_id: view.inspection.camera for view in result.views} == {n: n for n in ("left", "right", "top")}
    assert result.verdict == InspectPart.Result.REJECT and result.views[result.deciding_view].view_id == "right"


@pytest.mark.parametrize("names", [["a", "a"], ["two words"], ["1st"]])
def test_names_that_cannot_be_topics_are_refused(start_inspector: Callable[..., Cell], names: list[str]) -> None:
    from hetnet_ros.errors import InputError

    with pytest.raises(InputError, match="cameras is"):
        start_inspector(cameras=names)
