"""When what the node stands on breaks: the network, the GPU, the clock.  Never a PASS, always a reason."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, break_network, network_of, slow_network, values, wait_for
from part_client import PartClient
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

Start = Callable[..., Cell]


def test_a_failing_network_gives_uncertain_and_an_error(cell: Cell) -> None:
    broken = break_network(cell, "could not execute a primitive")
    try:
        inspection = cell.inspect()
        assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "inference_failed")
        assert "could not execute a primitive" in inspection.detail and math.isnan(inspection.score)
        cell.diagnosis(
            "inspection",
            lambda status: status.level == status.ERROR and "inference failed" in status.message,
            "the error",
        )
    finally:
        broken.remove()
    assert cell.inspect().verdict == Inspection.PASS


def test_numbers_that_are_none_never_pass(cell: Cell) -> None:
    weights = [weight for weight in network_of(cell).parameters() if weight.is_floating_point()]
    before = [weight.clone() for weight in weights]
    with torch.inference_mode():
        for weight in weights:
            weight.fill_(float("nan"))
        inspection = cell.inspect()
        for weight, old in zip(weights, before):
            weight.copy_(old)
    assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "inference_failed")
    assert cell.inspect().verdict == Inspection.PASS


@pytest.mark.parametrize("allowed", [False, True])
def test_a_cuda_error_leads_to_the_cpu_only_if_allowed(start_inspector: Start, tiny_model: Path, allowed: bool) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu", allow_cpu_fallback=allowed, autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    assert cell.inspect().verdict == Inspection.PASS
    break_network(cell, "CUDA error: an illegal memory access was encountered")
    inspection = cell.inspect()
    assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "inference_failed")
    if not allowed:
        assert cell.inspect().reason == "inference_failed"
        return
    status = cell.diagnosis("model", lambda status: status.level == status.WARN, "the report of the fallback")
    assert "running on the CPU" in status.message and "illegal memory access" in status.message
    assert values(status)["device"] == "cpu"
    assert cell.inspect().verdict == Inspection.PASS


class SimulatedTime:
    """Publishes /clock, which goes on as the machine's clock does from where it was set, until it is stopped."""

    def __init__(self, cell: Cell) -> None:
        self._cell, self._publisher = cell, cell.node.create_publisher(Clock, "/clock", 10)
        wait_for(self._publisher.get_subscription_count, "the subscription to /clock")
        self._over, self._offset = threading.Event(), 0.0
        self._thread = threading.Thread(target=self._work, daemon=True)

    @property
    def now(self) -> float:
        return time.monotonic() + self._offset

    def set(self, now: float) -> None:
        self._offset = now - time.monotonic()
        if not self._thread.ident:
            self._thread.start()
        wait_for(lambda: abs(self._cell.inspector.get_clock().now().nanoseconds / 1e9 - self.now) < 1, "simulated time")

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def inspect(self, age: float = 0.0) -> Inspection:
        message = self._cell.image()
        message.header.stamp = Time(nanoseconds=int((self.now - age) * 1e9)).to_msg()
        return self._cell.inspect(message)

    def _work(self) -> None:
        while not self._over.wait(0.02):
            self._publisher.publish(Clock(clock=Time(nanoseconds=int(self.now * 1e9)).to_msg()))


@pytest.fixture
def simulated(start_inspector: Start, tiny_model: Path) -> Iterator[SimulatedTime]:
    """An inspector that goes by /clock, and whoever publishes it.  A busy machine may hold up a step of the clock for some seconds."""
    cell = start_inspector(model=str(tiny_model), device="cpu", use_sim_time=True, autostart=True, max_age=4.0, max_clock_skew=2.0)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    message = cell.image()
    message.header.stamp = Time(seconds=100).to_msg()
    inspection = cell.inspect(message)
    assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "stamp_in_future")
    assert "/clock" in inspection.detail
    clock = SimulatedTime(cell)
    clock.set(101.0)
    yield clock
    clock.stop()


def test_simulated_time_is_followed_and_its_absence_named(simulated: SimulatedTime) -> None:
    assert simulated.inspect().verdict == Inspection.PASS
    simulated.set(150.0)
    assert simulated.inspect(age=50.0).reason == "stale"
    simulated.set(20.0)  # a bag played again: time jumps back, and so do the stamps
    assert simulated.inspect().reason == "clock_jumped"
    wait_for(lambda: simulated.inspect().verdict == Inspection.PASS, "a verdict once all images from before the jump are too old")
    assert simulated.inspect(age=-80.0).reason == "stamp_in_future"


def test_a_clock_that_has_died_gives_no_verdict(simulated: SimulatedTime) -> None:
    assert simulated.inspect().verdict == Inspection.PASS
    simulated.stop()
    died = simulated._cell.inspector.get_clock().now().nanoseconds / 1e9
    wait_for(lambda: simulated.now > died + 2.5, "more than max_clock_skew")
    for _ in range(3):  # whatever their stamps say
        inspection = simulated.inspect(age=simulated.now - died)
        assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "clock_stopped")
    simulated._cell.diagnosis("input", lambda status: status.level == status.ERROR and "clock_stopped" in status.message, "the error")


def test_a_verdict_that_became_too_old_while_another_model_ran_is_none(start_inspector: Start, tiny_model: Path, tmp_path: Path) -> None:
    """Two cameras' frames are taken together, each for a model of its own: the first one's verdict waits for the second one's."""
    other = tmp_path / "other.safetensors"
    other.write_bytes(tiny_model.read_bytes())
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"views: {{right: {{model: {other}}}}}\n")
    cell = start_inspector(model=str(tiny_model), device="cpu", recipe=str(recipe), cameras=["left", "right"], max_age=4.0,
                           autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    seen = cell.listen("inspection", Inspection)
    cameras = {name: cell.image_publisher(topic=f"{name}/image") for name in ("left", "right")}
    for name, publisher in cameras.items():
        wait_for(publisher.get_subscription_count, f"the subscription of {name}")
    wait_for(lambda: cell.node.count_publishers(f"{cell.name}/inspection"), "the inspector's publisher")
    second = cell.inspector._pipeline.views.models[str(other)].inspector.runner.network
    second.register_forward_pre_hook(lambda *_: time.sleep(4.5))  # longer than max_age
    goal = PartClient(cell).send(view_ids=["right", "left"], timeout=60.0)
    stamps = {}
    with slow_network(cell) as begun:
        cameras["left"].publish(cell.image(age=-0.4))  # occupies the worker, so that the next two wait together
        wait_for(begun.is_set, "the network at work")
        for name, publisher in cameras.items():
            message = cell.image()
            stamps[name] = message.header
            publisher.publish(message)
        mailbox = cell.inspector._pipeline._mailbox
        wait_for(lambda: len(mailbox._frames) == 2, "both frames waiting")
    found = wait_for(lambda: [i for i in list(seen) if i.header == stamps["left"]], "the first camera's inspection")[0]
    assert (found.verdict, found.reason) == (Inspection.UNCERTAIN, "stale") and "PASS" in found.detail
    goal.cancel()
