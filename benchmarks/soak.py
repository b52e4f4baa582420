#!/usr/bin/env python3
"""Hours of an inspector's ordinary life, and whether it grows.

    benchmarks/soak.py --hours 2 [--model MODEL] [--json F]

A camera at 10 Hz; goals, pictures, subscribers that come and go and model switches at random times.  Every ten seconds memory, threads and
descriptors of the node and the median latency are noted.  What is reported is the slope of the second half, with its 95 % interval:
of least squares over means of five minutes, which are far less alike one after the other than single readings.

Exit code 1 where the interval of memory lies above 5 MB an hour, threads or descriptors grow, or the node ends.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fire import teach_line
from fire_line import NAMESPACE, Line, Row, node_command, spin_until_shutdown, wait_for
from node_latency import isolate

PERIOD = 10.0
MOST_MB_AN_HOUR = 5.0
_BLOCK = 30  # readings of five minutes


@dataclass(frozen=True)
class Reading:
    """hours since the start; memory, MB; latency: median from stamp to verdict since the reading before, ms, NaN without any."""

    hours: float
    memory: float
    threads: int
    descriptors: int
    latency: float


@dataclass(frozen=True)
class Slope:
    """A change an hour, and the 95 % interval of it."""

    an_hour: float
    low: float
    high: float


def slope(hours: np.ndarray, values: np.ndarray) -> Slope:
    """Of least squares over means of five minutes; NaN where there are fewer than three."""
    from scipy import stats

    blocks = len(values) // _BLOCK
    if blocks < 3:
        return Slope(float("nan"), float("nan"), float("nan"))
    x, y = (np.nanmean(v[:blocks * _BLOCK].reshape(blocks, _BLOCK), 1) for v in (hours, values))
    found = stats.linregress(x, y)
    half = stats.t.ppf(0.975, blocks - 2) * found.stderr
    return Slope(*(round(float(v), 3) for v in (found.slope, found.slope - half, found.slope + half)))


def read_process(pid: int) -> tuple[float, int, int]:
    """Resident memory, MB, threads and open descriptors of a process."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024, int(lines["Threads"]), len(os.listdir(f"/proc/{pid}/fd"))


class Visitor:
    """Comes and goes: subscribes, asks for verdicts on parts, switches the model."""

    def __init__(self, models: tuple[Path, Path], seed: int) -> None:
        import threading

        import rclpy
        from hetnet_ros.action import InspectPart
        from hetnet_ros.msg import Inspection
        from hetnet_ros.srv import LoadModel
        from rclpy.action import ActionClient
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        from hetnet_ros.nodes.process import prepare_environment

        prepare_environment()
        rclpy.init()
        self.node, self._models, self._rng = Node("visitor", namespace=NAMESPACE), models, np.random.default_rng(seed)
        self.latencies: list[float] = []
        self.done: dict[str, int] = {"goals": 0, "switches": 0, "subscriptions": 0}
        self._looking: list[Any] = []
        self.node.create_subscription(Inspection, "inspector/inspection", self._note, 20)
        self._goals = ActionClient(self.node, InspectPart, "inspector/inspect_part")
        self._switch, self._kind = self.node.create_client(LoadModel, "inspector/load_model"), LoadModel
        self.node.create_timer(1.0, self._act)  # on the thread that spins: what it destroys is not waited for then
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=spin_until_shutdown, args=(self._executor,), daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def close(self) -> None:
        import rclpy

        self._executor.shutdown(2.0)
        rclpy.try_shutdown()
        self._thread.join(5.0)

    def _note(self, message: Any) -> None:
        stamp = message.header.stamp
        self.latencies.append((self.node.get_clock().now().nanoseconds - stamp.sec * 10**9 - stamp.nanosec) / 1e6)

    def _act(self) -> None:
        """One thing, or none, drawn by chance."""
        from hetnet_ros.action import InspectPart
        from sensor_msgs.msg import Image

        what = self._rng.random()
        if what > 0.9:
            return
        if what < 0.5 and self._goals.server_is_ready():
            goal = InspectPart.Goal(min_views=1, max_views=2)
            goal.timeout.sec = 10
            self._goals.send_goal_async(goal)
            self.done["goals"] += 1
        elif what < 0.55 and self._switch.service_is_ready():
            self._switch.call_async(self._kind.Request(model_path=str(self._models[self.done["switches"] % 2])))
            self.done["switches"] += 1
        elif what < 0.75 and len(self._looking) < 3:
            topic = ("overlay", "mask", "anomaly_map")[int(self._rng.integers(3))]
            self._looking.append(self.node.create_subscription(Image, f"inspector/{topic}", lambda message: None, 1))
            self.done["subscriptions"] += 1
        elif self._looking:
            self.node.destroy_subscription(self._looking.pop())


def run(arguments: argparse.Namespace, line: Line, visitor: Visitor) -> tuple[list[Reading], bool]:
    """Readings until the time is over, and whether the node lived that long."""
    inspector = line.running["inspector"]
    if not wait_for(lambda: len(visitor.latencies) > 5, 180.0):
        raise SystemExit(f"no verdict came; see {line.logs}")
    begun, readings = time.monotonic(), []
    while (hours := (time.monotonic() - begun) / 3600) < arguments.hours:
        time.sleep(PERIOD)
        if inspector.poll() is not None:
            return readings, False
        if not visitor.alive:
            raise SystemExit("the visitor has ended, and what was measured would be a quiet node")
        latencies, visitor.latencies = visitor.latencies, []
        readings.append(Reading(round(hours, 4), *read_process(inspector.pid), float(np.median(latencies)) if latencies else float("nan")))
        if len(readings) % (6 * _BLOCK // 5) == 0:
            last = readings[-1]
            print(f"{last.hours:.2f} h: {last.memory:.0f} MB, {last.threads} threads, {last.descriptors} descriptors, "
                  f"latency {last.latency:.0f} ms; {visitor.done}", flush=True)
    return readings, True


def main() -> int:
    arguments = _parser().parse_args()
    isolate()
    row = Row("front", arguments.seed, 640, 480)
    with tempfile.TemporaryDirectory(prefix="hetnet_soak_") as temporary:
        folder = Path(temporary)
        first = arguments.model or teach_line(row, folder, "edge", 20, 20)
        second = folder / "second.safetensors"
        shutil.copyfile(first, second)
        line = Line({
            "camera": node_command("virtual_camera", {}, rate_hz=10.0, seed=arguments.seed, width=640, height=480),
            "inspector": node_command("inspector", {}, model=first, autostart=True, device="cpu", backend=arguments.backend)}, folder)
        visitor = Visitor((first, second), arguments.seed)
        try:
            for name in line.commands:
                line.start(name)
            readings, lived = run(arguments, line, visitor)
        finally:
            for name in list(line.running):
                line.signal(name, signal.SIGINT)
                line.end(name)
            visitor.close()
    return _report(readings, lived, visitor.done, arguments.json)


def _report(readings: list[Reading], lived: bool, done: dict[str, int], target: Path | None) -> int:
    half = readings[len(readings) // 2:]
    hours = np.array([reading.hours for reading in half])
    slopes = {name: slope(hours, np.array([getattr(reading, name) for reading in half], float))
              for name in ("memory", "threads", "descriptors", "latency")}
    units = {"memory": "MB", "threads": "", "descriptors": "", "latency": "ms"}
    for name, found in slopes.items():
        print(f"{name}: {found.an_hour:+.2f} {units[name]} an hour in the second half, 95 % interval {found.low:+.2f} to {found.high:+.2f}")
    wrong = [] if lived else ["the node ended"]
    wrong += [f"memory grows by {slopes['memory'].low:.1f} MB an hour at least"] if slopes["memory"].low > MOST_MB_AN_HOUR else []
    wrong += [f"{name} grow" for name in ("threads", "descriptors") if slopes[name].low > 0]
    print("; ".join(wrong) or f"no growth; {done}")
    if target:
        target.write_text(json.dumps({"slopes": {k: asdict(v) for k, v in slopes.items()}, "done": done, "wrong": wrong,
                                      "readings": [asdict(reading) for reading in readings]}, indent=1) + "\n")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0, help="length (default: 2)")
    parser.add_argument("--model", type=Path, help="model of the virtual cell's front face (default: one taught in seconds)")
    parser.add_argument("--backend", default="file", help="the inspector's parameter backend (default: file)")
    parser.add_argument("--seed", type=int, default=1, help="of what happens when (default: 1)")
    parser.add_argument("--json", type=Path, help="also write readings and slopes to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
