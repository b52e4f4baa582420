"""How long an image takes: compared things take turns, so that ratios hold on a machine that does other work too.

Memory and the first inference belong to a process of their own: each backend is also loaded once in a fresh one.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError


@dataclass(frozen=True)
class Latency:
    """Percentiles in ms over ``runs``; ``rate`` is images per second when one follows the other."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    rate: float
    runs: int


@dataclass(frozen=True)
class ColdStart:
    """A backend in a fresh process: load_ms until it is ready, first_ms for the first image, peak_mb of resident memory."""

    load_ms: float
    first_ms: float
    peak_mb: float


def take_turns(subjects: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3) -> dict[str, Latency]:
    """Call each subject once per round, in an order that rotates, and time it."""
    for call in subjects.values():
        for _ in range(warm_up):
            call()
    names, times = list(subjects), {name: [] for name in subjects}
    for turn in range(rounds):
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            begun = time.perf_counter()
            subjects[name]()
            times[name].append(1e3 * (time.perf_counter() - begun))
    return {name: _latency(np.array(values)) for name, values in times.items()}


def sample_image(size: tuple[int, int] = (480, 640)) -> np.ndarray:
    """uint8 (H, W, 3): a textured image; how long a network takes does not depend on what it shows."""
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def cold_start(model: Path, backend: str, device: str = "auto", threads: int = 0) -> ColdStart:
    """Load ``model`` in a fresh process and inspect one image.  Raises InputError where that fails."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    command = [sys.executable, "-m", "hetnet_ros.inspection.benchmark", str(model), backend, device, str(threads)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{backend} does not start: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    return ColdStart(**json.loads(done.stdout.splitlines()[-1]))


def _latency(values: np.ndarray) -> Latency:
    p50, p95, p99 = (round(float(value), 3) for value in np.percentile(values, (50, 95, 99)))
    return Latency(p50, p95, p99, round(1e3 / float(values.mean()), 2), len(values))


def _peak_mb() -> float:
    """Largest resident memory of this process, MB.  Linux says it without what the process had before its exec."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _main() -> None:
    from hetnet_ros.inspection.part_inspector import PartInspector

    model, backend, device, threads = sys.argv[1:]
    begun = time.perf_counter()
    inspector = PartInspector.load(model, device, backend=backend, threads=int(threads))
    loaded = time.perf_counter()
    inspector.inspect(sample_image())
    first = time.perf_counter()
    print(json.dumps({"load_ms": round(1e3 * (loaded - begun), 1), "first_ms": round(1e3 * (first - loaded), 1),
                      "peak_mb": round(_peak_mb(), 1)}))


if __name__ == "__main__":
    _main()
