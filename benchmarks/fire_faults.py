"""The faults that fire.py strikes the line with, and how each ends."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from fire_line import VIEWS, Line, Operator


@dataclass(frozen=True)
class Fault:
    """strike: begins it.  relieve: ends it.  seconds: how long it holds; 0: over one whole part.  process: a process of the line's ends,
    and the fault is not over before all are back and pictures are judged.
    """

    kind: str
    name: str
    strike: Callable[[Line, Operator], object]
    relieve: Callable[[Line, Operator], object] = lambda line, operator: None
    seconds: float = 0.0
    process: bool = False


def proxy_fault(text: str) -> Fault:
    """A fault of the proxy's, by its parameter."""
    kind = "corrupt" if text.startswith("truncate") else text.partition(":")[0]
    return Fault(kind, text, lambda line, operator: operator.set("fault_proxy", "fault", text),
                 lambda line, operator: operator.set("fault_proxy", "fault", "none"))


def killed(name: str) -> Fault:
    return Fault("kill", f"kill {name}", lambda line, operator: line.signal(name, signal.SIGKILL), process=True)


def stopped(name: str, seconds: float) -> Fault:
    return Fault("stop", f"stop {name} {seconds:g} s", lambda line, operator: line.signal(name, signal.SIGSTOP),
                 lambda line, operator: line.signal(name, signal.SIGCONT), seconds)


def restarted(name: str) -> Fault:
    return Fault("restart", f"restart {name}", lambda line, operator: line.signal(name, signal.SIGINT), process=True)


def _stray_region(line: Line, operator: Operator) -> None:
    from sensor_msgs.msg import RegionOfInterest

    for topic in ("roi", "inspector/roi"):
        operator.node.create_publisher(RegionOfInterest, topic, 1).publish(RegionOfInterest(width=4, height=4))


def _stray_announcement(line: Line, operator: Operator) -> None:
    from std_msgs.msg import Header

    publisher = operator.node.create_publisher(Header, "inspector/view", 5)
    stamp = operator.node.get_clock().now().to_msg()
    for view in VIEWS:
        publisher.publish(Header(stamp=stamp, frame_id=view))
    operator.strays.append(publisher)


def _end_strays(line: Line, operator: Operator) -> None:
    while operator.strays:
        operator.node.destroy_publisher(operator.strays.pop())


FAULTS: tuple[Fault, ...] = (
    *map(proxy_fault, ("delay:1", "delay:3", "drop:1", "drop:0.7", "corrupt:0.02", "corrupt:0.5", "truncate:0.3", "repeat", "freeze",
                       "ring:2", "ring:3", "ring:4", "ring:20", "touched_ring:3", "swap", "second", "jump:-5", "jump:5")),
    *map(killed, ("proxy", "inspector", "planner")),
    *(stopped(name, 3.0) for name in ("proxy", "inspector", "camera", "planner")),
    *map(restarted, ("proxy", "inspector", "planner")),
    Fault("stray region", "stray region", _stray_region),
    Fault("stray announcement", "stray announcement", _stray_announcement, _end_strays, 3.0),
    Fault("stray parameter", "stray parameter roi", lambda line, operator: operator.set("inspector", "roi", [0, 0, 64, 64]),
          lambda line, operator: operator.set("inspector", "roi", [0, 0, 0, 0]), 3.0),
    Fault("stray parameter", "stray parameter max_age", lambda line, operator: operator.set("inspector", "max_age", 3600.0),
          lambda line, operator: operator.set("inspector", "max_age", 1.5), 3.0),
    Fault("twin inspector", "twin inspector", lambda line, operator: line.start("inspector", label="twin"),
          lambda line, operator: line.end("twin"), 12.0),
)


def a_round(rng: np.random.Generator) -> list[Fault]:
    """One fault of each kind, in an order of chance."""
    kinds: dict[str, list[Fault]] = {}
    for fault in FAULTS:
        kinds.setdefault(fault.kind, []).append(fault)
    return [choices[int(rng.integers(len(choices)))] for choices in (list(kinds.values())[i] for i in rng.permutation(len(kinds)))]
