"""A reject planner in a test: its cell file, its services, and one part at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hetnet_ros.msg import PartOutcome
from inspection_cell import wait_for
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from hetnet_ros.nodes.reject_planner import RejectPlanner

NAMES = {
    getattr(PartOutcome, name): name for name in ("NOT_PLACED", "GOOD", "REJECT", "REINSPECT")
}


def write_cell(path: Path, backend: str = "virtual_cell", **changes: Any) -> Path:
    """A cell of two viewpoints with times short enough for tests."""
    values = {
        "arm": {"backend": backend},
        "viewpoints": {
            "top": {"named": "view_top", "view": {"tilt_deg": 0.0}},
            "side": {"named": "view_side", "view": {"tilt_deg": 15.0, "azimuth_deg": 90.0, "distance_mm": 380.0}},
        },
        "stations": {name: {"named": name} for name in ("pick", "good", "reject", "reinspect")},
        "recipes": {"lid": {"viewpoints": ["top", "side"], "part_id": "lid"}},
        "timing": {"motion": 10.0, "settle": 0.0, "inspect": 2.0, "available": 5.0},
    }
    for key, value in changes.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(values))
    return path


class PlannerCell:
    """A planner in this process and its client, both in ``namespace``."""

    def __init__(self, executor: Any, namespace: str, cell_file: Path, **parameters: Any) -> None:
        given = {"cell_file": str(cell_file), **parameters}
        self.planner = RejectPlanner(
            namespace=namespace, parameter_overrides=[Parameter(name, value=value) for name, value in given.items()]
        )
        self.node = Node("operator", namespace=namespace)
        latched = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.outcomes: list[Any] = []
        self.states: list[str] = []
        self.node.create_subscription(PartOutcome, "reject_planner/outcome", self.outcomes.append, latched)
        self.node.create_subscription(String, "reject_planner/state", lambda m: self.states.append(m.data), latched)
        for node in (self.planner, self.node):
            executor.add_node(node)

    def call(self, service: str) -> Any:
        client = self.node.create_client(Trigger, f"reject_planner/{service}")
        assert client.wait_for_service(20.0)
        future = client.call_async(Trigger.Request())
        wait_for(future.done, f"an answer of {service}")
        return future.result()

    def resume(self, held: bool) -> Any:
        """Tell the planner whether a part is in hand."""
        client = self.node.create_client(SetBool, "reject_planner/resume")
        assert client.wait_for_service(20.0)
        future = client.call_async(SetBool.Request(data=held))
        wait_for(future.done, "an answer of resume")
        return future.result()

    def take_part(self) -> Any:
        """Take one part through the cell; its outcome."""
        wait_for(lambda: self.states, "the planner's state")
        seen, told = len(self.outcomes), len(self.states)
        assert self.call("start").success
        wait_for(lambda: len(self.states) > told, "the planner to begin")
        assert self.call("stop").success
        wait_for(lambda: len(self.outcomes) > seen, "the outcome of a part", 60.0)
        wait_for(lambda: self.states[-1] in ("idle", "halted"), "the planner to rest")
        return self.outcomes[seen]

    def rest(self, executor: Any) -> None:
        self.planner._caller.stop()
        for node in (self.planner, self.node):
            for timer in node.timers:
                timer.cancel()
            executor.remove_node(node)


def destination(outcome: Any) -> str:
    return NAMES[outcome.destination]
