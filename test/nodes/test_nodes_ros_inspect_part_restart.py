"""An inspector that is killed in the middle of a goal, and one that is told to end: what the planner is left with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from hetnet_ros.action import InspectPart
from inspection_cell import Cell, values, wait_for
from model_fixtures import made_up_part
from part_client import PartClient, camera
from rclpy.node import Node


def start(namespace: str, model: Path) -> subprocess.Popen:
    settings = {"model": model, "device": "cpu", "autostart": "true", "max_age": 30.0}
    options = [word for name, value in settings.items() for word in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", "hetnet_ros.cli.main", "run", "inspector", "--ros-args", "-r", f"__ns:={namespace}"]
    return subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ))


@pytest.fixture
def cell(executor: Any) -> Iterator[Cell]:
    node = Node("planner", namespace="/restart")
    executor.add_node(node)
    yield Cell(node, "/restart")
    executor.remove_node(node)


def wait_for_active(cell: Cell) -> None:
    """By its diagnostics: a service call might go to the dead one, which others notice only after a while."""
    arrays = cell.listen("/diagnostics", DiagnosticArray)
    arrays.clear()
    name = f"{cell.name[1:]}: inspection"
    wait_for(lambda: any(status.name == name and values(status)["state"] == "active"
                         for array in list(arrays) for status in array.status), "the restarted inspector", timeout=60)


def test_a_killed_inspector_never_leaves_a_pass_and_works_after_its_restart(cell: Cell, tiny_model: Path) -> None:
    client, publisher = PartClient(cell), cell.image_publisher()  # an inspector subscribes where there is a publisher
    first = start(cell.namespace, tiny_model)
    second = None
    try:
        wait_for(publisher.get_subscription_count, "the inspector", timeout=60)
        wait_for(lambda: cell.state() == "active", "the active state")
        goal = client.send(max_views=2, timeout=60.0)
        assert goal.accepted
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        second = start(cell.namespace, tiny_model)
        wait_for_active(cell)
        with camera(cell, lambda number: made_up_part(number % 8)):
            again = client.send(max_views=2, timeout=30.0, attempts=10)
            result = again.result(40)
        assert (result.verdict, len(result.views)) == (InspectPart.Result.PASS, 2)
        assert not goal.done  # the killed one's goal is lost, never answered by the new one's frames
        last = client.send(timeout=60.0, attempts=10)
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
        assert not last.done or last.result().verdict == InspectPart.Result.UNCERTAIN
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait(10)
