"""The line that fire.py attacks: camera, fault proxy, inspector and reject planner as processes of their own, and an operator.

The virtual camera is the world and stays; the proxy is the camera's driver.  What ends is started again, as a service manager does,
and a planner that halts is told to go on, as a person does who has looked.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMESPACE = "/fire"
VIEWS = {"top": (0.0, 0.0, 400.0), "side": (4.0, 0.0, 400.0)}
"""Viewpoints: tilt and azimuth, degrees, and distance, mm."""
_PATIENCE = 3.0
"""s between two things that the operator does about one halt."""


@dataclass(frozen=True)
class Row:
    """The row of parts that the camera shows: everything that decides which part is defective."""

    face: str
    seed: int
    width: int
    height: int
    jitter: float = 0.5
    defect_probability: float = 0.5
    defect_scale: float = 2.0
    kinds: tuple[str, ...] = ("dent", "missing_hole", "stain")

    def part(self, index: int) -> Any:
        from hetnet_ros.cell.parts import draw_part

        return draw_part(self.face, self.seed, index, self.defect_probability, self.kinds, self.defect_scale, self.jitter)

    def picture(self, part: Any, view: str, number: int) -> Any:
        """uint8 (H, W, 3): the part as the camera shows it from a view; ``number`` changes the noise alone."""
        from dataclasses import replace

        from hetnet_ros.cell.camera import CameraPose, PinholeCamera
        from hetnet_ros.cell.parts import draw_shot, photograph

        tilt, azimuth, distance = VIEWS[view]
        shot = draw_shot(part, 0, jitter=self.jitter, viewpoint=CameraPose(tilt, azimuth, 0.0, distance))
        return photograph(part, replace(shot, number=number), PinholeCamera.of_size(self.width, self.height)).rgb


@dataclass
class Line:
    """The processes by name, their commands, and what was seen of them.

    ended: names of processes that ended though nobody ended them, with their codes.  logs: folder of what they print.
    more: further words of a command, asked for at each start.
    """

    commands: dict[str, list[str]]
    logs: Path
    running: dict[str, subprocess.Popen] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)
    more: dict[str, Callable[[], list[str]]] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.RLock)

    @property
    def names(self) -> list[str]:
        """Of the line's nodes."""
        return [command[command.index("run") + 1] for command in self.commands.values()]

    def start(self, name: str, label: str = "") -> None:
        """Start ``name``; label: a further process of the same command."""
        key, more = label or name, self.more.get(name, list)()
        with self.lock, (self.logs / f"{key}.log").open("ab") as log:
            self.running[key] = subprocess.Popen([*self.commands[name], *more], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            self.expected.discard(key)

    def signal(self, name: str, number: int) -> None:
        """Send a signal; one that ends the process is remembered as wanted."""
        with self.lock:
            if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
                self.expected.add(name)
            if self.running[name].poll() is None:
                self.running[name].send_signal(number)

    def end(self, name: str) -> None:
        """End a process for good."""
        with self.lock:
            process = self.running.pop(name, None)
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def supervise(self) -> list[str]:
        """Start again what has ended; the names."""
        again = []
        with self.lock:
            for name, process in list(self.running.items()):
                if process.poll() is not None and name in self.commands:
                    if name not in self.expected:
                        self.ended.append(f"{name} ended with {process.returncode}")
                    self.start(name)
                    again.append(name)
        return again


def node_command(node: str, remaps: dict[str, str], **parameters: object) -> list[str]:
    """``hetnet run`` of a node in the line's namespace."""
    from hetnet_ros.nodes.parameter_arguments import parameter_arguments

    renames = [word for old, new in remaps.items() for word in ("-r", f"{old}:={new}")]
    return [sys.executable, "-m", "hetnet_ros.cli.main", "run", node, "--ros-args", "-r", f"__ns:={NAMESPACE}", *renames,
            *parameter_arguments(parameters)]


def make_line(row: Row, model: Path, backend: str, folder: Path) -> Line:
    """The four processes, not yet started."""
    import yaml

    cell = folder / "cell.yaml"
    cell.write_text(yaml.safe_dump({
        "arm": {"backend": "virtual_cell"},
        "viewpoints": {name: {"named": name, "view": dict(zip(("tilt_deg", "azimuth_deg", "distance_mm"), view))}
                       for name, view in VIEWS.items()},
        "stations": {name: {"named": name} for name in ("pick", "good", "reject", "reinspect")},
        "recipes": {"part": {"viewpoints": list(VIEWS), "part_id": row.face}},
        "timing": {"motion": 6.0, "settle": 0.1, "inspect": 3.0, "available": 3.0}}))
    os.environ.setdefault("ROS_LOG_DIR", str(folder / "ros_logs"))
    camera = node_command("virtual_camera", {"image": "image_in"}, face=row.face, seed=row.seed, rate_hz=12.0, part_index=0,
                          defect_probability=row.defect_probability, defect_scale=row.defect_scale, jitter=row.jitter,
                          defect_kinds=list(row.kinds), width=row.width, height=row.height, publish_depth=False,
                          publish_truth=False)
    return Line({
        "camera": camera,
        "proxy": node_command("fault_proxy", {}, seed=row.seed),
        "inspector": node_command("inspector", {"image": "image_out"}, model=model, autostart=True, device="cpu", backend=backend,
                                  max_age=1.5, max_rate=8.0),  # and cores left for the others
        "planner": node_command("reject_planner", {}, cell_file=cell, autostart=True)}, folder)


def spin_until_shutdown(executor: Any) -> None:
    """Spin on this thread until the context ends, whatever other threads destroy meanwhile."""
    import rclpy
    from rclpy.executors import ExternalShutdownException
    from rclpy.impl.implementation_singleton import rclpy_implementation

    while rclpy.ok():
        with contextlib.suppress(ExternalShutdownException, rclpy_implementation.InvalidHandle):
            executor.spin()


class Operator:
    """Listens to the planner, tells it to go on, sets faults.  One thread of its own spins; ``close`` ends it."""

    def __init__(self) -> None:
        import rclpy
        from hetnet_ros.msg import Inspection, PartOutcome
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.qos import DurabilityPolicy, QoSProfile
        from std_msgs.msg import String

        from hetnet_ros.nodes.process import prepare_environment

        prepare_environment()
        rclpy.init()
        self.node = Node("operator", namespace=NAMESPACE)
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.outcomes: list[Any] = []
        self.states: list[str] = [""]
        self._judged = float("-inf")
        self.node.create_subscription(Inspection, "inspector/inspection", self._on_inspection, 5)
        self.node.create_subscription(PartOutcome, "reject_planner/outcome", self._on_outcome, latched)
        self.node.create_subscription(String, "reject_planner/state", self._on_state, latched)
        self._clients: dict[str, Any] = {}
        self._acted = 0.0
        self.told = 0
        self.strays: list[Any] = []
        self._known: set[tuple[int, int, int]] = set()
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=spin_until_shutdown, args=(self._executor,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        import rclpy

        self._executor.shutdown(2.0)
        rclpy.try_shutdown()

    def _on_outcome(self, message: Any) -> None:
        stamp = message.header.stamp
        key = (stamp.sec, stamp.nanosec, message.number)
        if key not in self._known:  # latched: it may come twice
            self._known.add(key)
            self.outcomes.append(message)

    def _on_inspection(self, message: Any) -> None:
        if message.reason not in ("two_inspectors", "two_publishers"):
            self._judged = time.monotonic()

    def all_back(self, since: float, names: list[str]) -> bool:
        """Whether each of the line's nodes is there once and a picture was judged after that time (monotonic, s)."""
        there = [name for name, namespace in self.node.get_node_names_and_namespaces() if namespace == NAMESPACE]
        return self._judged > since and all(there.count(name) == 1 for name in names)

    def _on_state(self, message: Any) -> None:
        self.states.append(message.data)

    @property
    def state(self) -> str:
        """The planner's, as far as it has been told."""
        return self.states[-1]

    def call(self, kind: type, name: str, **fields: Any) -> Any:
        """A future, or None where nobody offers the service."""
        if name not in self._clients:
            self._clients[name] = self.node.create_client(kind, name)
        client = self._clients[name]
        return client.call_async(kind.Request(**fields)) if client.service_is_ready() else None

    def set(self, node: str, name: str, value: object) -> bool:
        """Set a parameter of another node; whether it could be asked for."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        return self.call(SetParameters, f"{node}/set_parameters", parameters=[Parameter(name, value=value).to_parameter_msg()]) is not None

    def look_after(self) -> None:
        """What a person does about a planner that stands: says that a part may be in hand, then lets it go on."""
        from std_srvs.srv import SetBool, Trigger

        if self.state != "halted" and self.state != "idle" or time.monotonic() - self._acted < _PATIENCE:
            return
        self._acted = time.monotonic()
        self.told += self.state == "halted"
        if self.state == "halted":
            self.call(SetBool, "reject_planner/resume", data=True)
        self.call(Trigger, "reject_planner/start")


def wait_for(condition: Callable[[], Any], seconds: float, meanwhile: Callable[[], None] = lambda: None) -> bool:
    """Poll until the condition is true; False once the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        meanwhile()
        time.sleep(0.02)
    return True
