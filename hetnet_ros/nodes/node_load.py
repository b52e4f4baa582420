"""The inspector under a load, from outside: its process, the cameras' processes, and a listener that times what comes back.

Latency is the time from an image's stamp, taken just before it is published, to the arrival of the Inspection with that stamp here:
both transports and every wait in between are in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.stamp_rule import stamp_ns
from hetnet_ros.nodes.parameter_arguments import parameter_arguments

START_SECONDS = 120.0
"""Longest wait for the node to load its model and to be discovered."""
_SOURCES = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Arrival:
    """One verdict: stamp_ns of its image, latency_ms from there to here, inspection_ms of it in the node's own stages; fault: the
    reason where there was no score."""

    camera: str
    stamp_ns: int
    latency_ms: float
    inspection_ms: float
    fault: str


def isolate() -> None:
    """A ROS domain of this run's own, on this machine only, unless the environment says otherwise."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ.setdefault("ROS_LOCALHOST_ONLY" if os.environ.get("ROS_DISTRO") == "humble" else "ROS_AUTOMATIC_DISCOVERY_RANGE",
                          "1" if os.environ.get("ROS_DISTRO") == "humble" else "LOCALHOST")


def start(name: str, command: list[str]) -> subprocess.Popen:
    """Start a process of this package; its log goes where this one's goes.  Raises InputError where that fails."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(_SOURCES), os.environ.get("PYTHONPATH"))))}
    try:
        return subprocess.Popen(command, env=environment)
    except OSError as error:
        raise InputError(f"the {name} could not be started: {error}") from error


def start_inspector(model: Path, device: str, threads: int, backend: str, namespace: str,
                    cameras: tuple[str, ...] = ()) -> subprocess.Popen:
    """The node as a process of its own, active as soon as its model is loaded."""
    values = {"model": model, "device": device, "autostart": True, "threads": threads, "backend": backend,
              "frozen_after": 0,  # the camera shows few pictures in turn
              **({"cameras": list(cameras)} if cameras else {})}
    return start("inspector", [sys.executable, "-m", "hetnet_ros.cli.main", "run", "inspector", "--ros-args", "-r",
                               f"__ns:={namespace}", *parameter_arguments(values)])


def stop(process: subprocess.Popen) -> None:
    """End a process that :func:`start` started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Listener:
    """Hears the inspector's verdicts while its ``with`` block runs; ``arrivals`` grows.  node: for further clients."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self.arrivals: list[Arrival] = []

    def __enter__(self) -> Listener:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.qos import QoSProfile

        from hetnet_ros.msg import Inspection
        from hetnet_ros.nodes.process import prepare_environment

        prepare_environment()
        rclpy.init()
        self.node = Node("listener", namespace=self._namespace)
        self.node.create_subscription(Inspection, "inspector/inspection", self._note, QoSProfile(depth=200))
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._spinner = threading.Thread(target=self._executor.spin)
        self._spinner.start()
        return self

    def __exit__(self, *_: object) -> None:
        import rclpy

        self._executor.shutdown()
        self._spinner.join(5)
        rclpy.try_shutdown()

    def wait(self, enough: Callable[[], bool], processes: Mapping[str, subprocess.Popen], seconds: float = START_SECONDS) -> None:
        """Until ``enough()``; raises InputError where a process ends before, or the time is over."""
        deadline = time.monotonic() + seconds
        while not enough():
            for name, process in processes.items():
                if process.poll() is not None:
                    raise InputError(f"the {name} ended before it was asked to, with code {process.returncode}")
            if time.monotonic() > deadline:
                raise InputError(f"no verdict within {seconds:g} s")
            time.sleep(0.05)

    def _note(self, message) -> None:  # noqa: ANN001 - Inspection, imported late
        now = self.node.get_clock().now().nanoseconds
        stamp = stamp_ns(message.header.stamp)
        timings = message.timings
        fault = "" if np.isfinite(message.score) else f"{message.reason}: {message.detail}"
        self.arrivals.append(Arrival(message.camera, stamp, (now - stamp) / 1e6,
                                     timings.preprocess + timings.inference + timings.postprocess, fault))
