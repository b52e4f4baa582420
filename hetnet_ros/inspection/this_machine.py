"""What this machine is called: its processor, the cores that may be used, the driver of its GPU."""

from __future__ import annotations

import os
import platform
from pathlib import Path

MOST_THREADS = 256
"""Of a network: a thread takes megabytes before it does anything."""


def processor() -> str:
    """The CPU's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def usable_cores() -> int:
    """How many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def nvidia_driver() -> str:
    """Version of NVIDIA's kernel driver."""
    try:
        first = Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    except (OSError, IndexError):
        return "not known"
    return next((word for word in first.split() if word[0].isdigit() and "." in word), "not known")
