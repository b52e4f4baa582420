"""When what the node stands on breaks: the network, the GPU, the clock.  Never a PASS, always a reason."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Callable

import pytest
import torch
from inspection_cell import Cell, break_network, network_of, values, wait_for
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from hetnet_ros.msg import Inspection

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


def test_simulated_time_is_followed_and_its_absence_named(start_inspector: Start, tiny_model: Path) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu", use_sim_time=True, autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    message = cell.image()
    message.header.stamp = Time(seconds=100).to_msg()
    inspection = cell.inspect(message)
    assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "stamp_in_future")
    assert "/clock" in inspection.detail
    clock = cell.node.create_publisher(Clock, "/clock", 1)
    wait_for(clock.get_subscription_count, "the subscription to /clock")

    def verdict_at(now: float, stamp: float) -> Inspection:
        clock.publish(Clock(clock=Time(nanoseconds=int(now * 1e9)).to_msg()))
        wait_for(lambda: cell.inspector.get_clock().now().nanoseconds == int(now * 1e9), "simulated time")
        message = cell.image()
        message.header.stamp = Time(nanoseconds=int(stamp * 1e9)).to_msg()
        return cell.inspect(message)

    assert verdict_at(101.0, 100.9).verdict == Inspection.PASS
    assert verdict_at(150.0, 101.0).reason == "stale"
    assert (
        verdict_at(20.0, 19.9).verdict == Inspection.PASS
    )  # a bag played again: time jumps back, and so do the stamps
    assert verdict_at(20.5, 101.5).reason == "stamp_in_future"
