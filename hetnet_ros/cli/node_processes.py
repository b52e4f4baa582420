"""Node processes that a command starts: apart from the terminal, logged to files, and ended whatever happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from hetnet_ros.cli import interrupts
from hetnet_ros.errors import InputError

_GRACE_SECONDS = 8.0


def ros_environment(domain: int) -> dict[str, str]:
    """This process's environment with a ROS graph of its own: local to this machine, in ``domain``."""
    local = (
        {"ROS_LOCALHOST_ONLY": "1"}
        if os.environ.get("ROS_DISTRO") in ("foxy", "galactic", "humble")
        else {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    )
    return {**os.environ, "ROS_DOMAIN_ID": str(domain), "PYTHONUNBUFFERED": "1", **local}


class NodeProcesses:
    """Starts nodes as ``hetnet run`` does and ends all of them on leaving the ``with`` block."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self._logs, self._environment = logs, environment
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> NodeProcesses:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def start(self, node: str, ros_arguments: Sequence[str]) -> None:
        """Start a node; its output goes to ``<logs>/<node>.log``."""
        with (self._logs / f"{node}.log").open("wb") as log, interrupts.held():  # else a node might be left behind
            self._running[node] = subprocess.Popen(
                [sys.executable, "-m", "hetnet_ros.cli.main", "run", node, "--ros-args", *ros_arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def check(self) -> None:
        """InputError with the last line of its log if a node has ended; Interrupted if this command is to end."""
        interrupts.check()
        for node, process in self._running.items():
            if process.poll() is not None:
                raise InputError(f"the node {node} ended with code {process.returncode}: {self.last_line(node)}")

    def last_line(self, node: str) -> str:
        """The last line that a node has logged, and where the rest is."""
        path = self._logs / f"{node}.log"
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
        last = re.sub(r"^\[\w+\] \[[\d.]+\] \[[^]]*\]: ", "", lines[-1]) if lines else "it said nothing"
        return f"{last} (log: {path})"

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with interrupts.held():
            self._end()

    def _end(self) -> None:
        deadline = time.monotonic() + _GRACE_SECONDS
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for process in self._running.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
