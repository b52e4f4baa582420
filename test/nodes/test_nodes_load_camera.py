"""The camera of measurements: no two of its pictures are alike, so that no rule on frozen cameras speaks into a measurement."""

from __future__ import annotations

import os

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="the camera is a ROS node")

from hetnet_ros.gpu_check.aims import FOUR_CAMERAS  # noqa: E402
from hetnet_ros.gpu_check.pictures import disc  # noqa: E402
from hetnet_ros.gpu_check.plan import Settings  # noqa: E402
from hetnet_ros.nodes.load_camera import draw_number  # noqa: E402
from hetnet_ros.nodes.node_rates import _only_card, loads_for  # noqa: E402


def test_every_picture_differs_from_all_before():
    picture = disc(320, 240, 0)
    below = picture[8:].copy()
    seen = set()
    for number in range(1, 2001):  # more than any history of pictures that an inspector keeps
        draw_number(picture, number)
        seen.add(picture.tobytes())
    assert len(seen) == 2000
    np.testing.assert_array_equal(picture[8:], below)  # the part itself is as it was


@pytest.mark.parametrize("device, visible, word, seen", [
    ("cpu", None, "cpu", None), ("cuda:0", None, "cuda", None), ("cuda:0", "4,6", "cuda", "4,6"), ("cuda:1", None, "cuda", "1"),
    ("cuda:1", "4,6", "cuda", "6")])
def test_the_node_sees_the_card_that_was_asked_for(monkeypatch, device, visible, word, seen):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert _only_card(device) == word
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == seen


def test_the_load_of_the_aim_is_among_those_of_a_card():
    names = [load.name for load in loads_for(Settings("cuda:0", False, "", False, "", ""))]
    assert FOUR_CAMERAS in names and len(names) == len(set(names)) == 4  # one and four cameras, two sizes
