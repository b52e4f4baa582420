#!/usr/bin/env python3
"""Latency of the inspector node: from an image's stamp to its verdict, and of ``~/enable`` under full image load.

Three real processes on this machine talk over DDS: a camera that publishes 640x480 rgb8 images, the inspector, and this
one, which listens and calls.  Latency is the time from the stamp, taken just before publishing, to the arrival of the
Inspection with that stamp, so it contains both transports and the wait for the inference before.  Run it on an
otherwise idle machine:

    python benchmarks/node_latency.py [--model MODEL.safetensors] [--json FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.gpu_check.models import quick, write_discs
from hetnet_ros.inspection.this_machine import processor, usable_cores
from hetnet_ros.nodes import node_load
from hetnet_ros.nodes.node_load import Listener, isolate, start, stop

NAMESPACE = "/node_latency"


@dataclasses.dataclass(frozen=True)
class Load:
    """One measurement: images a second offered, and for how long, s."""

    name: str
    rate: float
    seconds: float
    call_enable: bool


def main() -> int:
    arguments = _parser().parse_args()
    isolate()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or teach_quickly(Path(folder), arguments.preset)
        loads = (
            Load("single_images", 2.0, arguments.seconds, call_enable=False),
            Load("full_load", 30.0, arguments.seconds, call_enable=True),
        )
        inspector = start_inspector(model, arguments.device, arguments.threads, arguments.backend)
        try:
            results = {load.name: measure(load, inspector, arguments) for load in loads}
        finally:
            stop(inspector)
    report = {
        "machine": machine(),
        "image": [arguments.width, arguments.height],
        "model": str(arguments.model or "quick"),
        "preset": arguments.preset,
        **results,
    }
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def measure(load: Load, inspector: subprocess.Popen, arguments: argparse.Namespace) -> dict[str, object]:
    """Run a camera at the load's rate and time what comes back; ms."""
    from std_srvs.srv import SetBool

    from hetnet_ros.nodes import load_camera

    with Listener(NAMESPACE) as listener:
        client = listener.node.create_client(SetBool, "inspector/enable")
        camera = start("camera", load_camera.command(NAMESPACE, "image", load.rate, arguments.width, arguments.height))
        try:
            listener.wait(lambda: len(listener.arrivals) >= 3 and client.service_is_ready(), {"inspector": inspector, "camera": camera})
            time.sleep(2.0)  # past the first, slower inferences
            listener.arrivals.clear()
            before = resident_mb(inspector)
            enable = _time_calls(client, SetBool.Request(data=True), load) if load.call_enable else time.sleep(load.seconds)
            growth = resident_mb(inspector) - before
            arrivals = list(listener.arrivals)
        except InputError as error:
            raise SystemExit(str(error)) from None
        finally:
            stop(camera)
    refused = [arrival.fault for arrival in arrivals if arrival.fault]
    if refused:
        raise SystemExit(f"the inspector gave no score for {len(refused)} images: {refused[-1]}")
    result: dict[str, object] = {
        "offered_hz": load.rate,
        "verdicts_hz": round(len(arrivals) / load.seconds, 2),
        "latency_ms": summary([arrival.latency_ms for arrival in arrivals]),
        "inspection_ms": summary([arrival.inspection_ms for arrival in arrivals]),
        "rss_growth_mb": round(growth, 1),
    }
    if enable:
        result["enable_ms"] = summary(enable)
    return result


def _time_calls(client: object, request: object, load: Load) -> list[float]:
    """Call the service about ten times a second for the length of the load; ms each."""
    taken = []
    end = time.monotonic() + load.seconds
    while time.monotonic() < end:
        answered = threading.Event()
        started = time.perf_counter()
        client.call_async(request).add_done_callback(lambda _: answered.set())  # type: ignore[attr-defined]
        if not answered.wait(10):
            raise SystemExit("~/enable did not answer within 10 s")
        taken.append(1e3 * (time.perf_counter() - started))
        time.sleep(0.1)
    return taken


def teach_quickly(folder: Path, preset_name: str, images: int = 12, steps: int = 2) -> Path:
    """A model of the preset's full size taught in a few steps: as fast as a good one, and good for nothing else."""
    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach

    good = folder / "good"
    write_discs(good, images)
    print(f"teaching a quick {preset_name} model for the measurement ...", flush=True)
    teach(good, folder / "quick.safetensors", quick(load_preset(preset_name), steps), device="cpu", progress=False)
    return folder / "quick.safetensors"


def resident_mb(process: subprocess.Popen) -> float:
    """Memory that a process holds, MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def start_inspector(model: Path, device: str, threads: int, backend: str) -> subprocess.Popen:
    """The node as a process of its own, active as soon as its model is loaded."""
    return node_load.start_inspector(model, device, threads, backend, NAMESPACE)


def summary(values: list[float]) -> dict[str, float]:
    """Median, 95th percentile and largest of the values, and how many there are."""
    if not values:
        raise SystemExit("nothing was measured; let it run longer with --seconds")
    return {
        "p50": round(float(np.percentile(values, 50)), 1),
        "p95": round(float(np.percentile(values, 95)), 1),
        "max": round(float(max(values)), 1),
        "n": len(values),
    }


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    import torch

    return {
        "cpu": processor(),
        "cores": usable_cores(),
        "load_average": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def print_report(report: dict) -> None:
    described = report["machine"]
    print(
        f"\n{described['cpu']}, {described['cores']} cores, load {described['load_average']}, "
        f"torch {described['torch']}, preset {report['preset']}, images {report['image'][0]}x{report['image'][1]}"
    )
    print(f"{'':34}{'median':>9}{'p95':>9}{'max':>9}{'n':>7}")
    rows = [
        (f"image to verdict, {load['offered_hz']:g} images/s", load["latency_ms"])
        for load in (report["single_images"], report["full_load"])
    ]
    rows.append(("  of it inspection, full load", report["full_load"]["inspection_ms"]))
    rows.append(("~/enable under full load", report["full_load"]["enable_ms"]))
    for name, row in rows:
        print(f"{name:34}{row['p50']:9.1f}{row['p95']:9.1f}{row['max']:9.1f}{row['n']:7d}   ms")
    print(f"verdicts under full load: {report['full_load']['verdicts_hz']:.1f} per second")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--model",
        type=lambda text: Path(text).resolve(),
        help="model to run (default: one taught in seconds)",
    )
    parser.add_argument("--preset", default="edge", help="preset of the model taught here (default: edge)")
    parser.add_argument("--device", default="cpu", choices=("auto", "cuda", "cpu"), help="default: cpu")
    parser.add_argument("--backend", default="file", help="the node's parameter backend (default: file)")
    parser.add_argument("--threads", type=int, default=0, help="the node's parameter threads (default: 0)")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="length of each of the two measurements (default: 20)"
    )
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
