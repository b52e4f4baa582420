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
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = "/node_latency"
START_SECONDS = 120.0
"""Longest wait for the node to load its model and to be discovered."""


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
    if arguments.publish:
        return publish_images(arguments.publish, arguments.width, arguments.height)
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


def isolate() -> None:
    """A ROS domain of this run's own, on this machine only, unless the environment says otherwise."""
    os.environ.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def measure(load: Load, inspector: subprocess.Popen, arguments: argparse.Namespace) -> dict[str, object]:
    """Run a camera at the load's rate and time what comes back; ms."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.node import Node
    from std_srvs.srv import SetBool

    from hetnet_ros.msg import Inspection

    rclpy.init()
    node = Node("listener", namespace=NAMESPACE)
    latencies: list[float] = []
    inference: list[float] = []
    refused: list[str] = []

    def note(message: Inspection) -> None:
        now = node.get_clock().now().nanoseconds
        latencies.append((now - message.header.stamp.sec * 1e9 - message.header.stamp.nanosec) / 1e6)
        inference.append(message.timings.preprocess + message.timings.inference + message.timings.postprocess)
        if not np.isfinite(message.score):
            refused.append(f"{message.reason}: {message.detail}")

    node.create_subscription(Inspection, "inspector/inspection", note, 50)
    client = node.create_client(SetBool, "inspector/enable")
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spinner = threading.Thread(target=executor.spin)
    spinner.start()
    camera = start(
        "camera",
        [
            sys.executable,
            str(Path(__file__).resolve()),
            "--publish",
            str(load.rate),
            "--width",
            str(arguments.width),
            "--height",
            str(arguments.height),
        ],
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while len(latencies) < 3 or not client.service_is_ready():
            for name, process in (("inspector", inspector), ("camera", camera)):
                if process.poll() is not None:
                    raise SystemExit(f"the {name} ended with code {process.returncode}")
            if time.monotonic() > deadline:
                raise SystemExit(f"no verdict within {START_SECONDS:g} s")
            time.sleep(0.05)
        time.sleep(2.0)  # past the first, slower inferences
        latencies.clear()
        inference.clear()
        before = resident_mb(inspector)
        enable = _time_calls(client, SetBool.Request(data=True), load) if load.call_enable else time.sleep(load.seconds)
        growth = resident_mb(inspector) - before
        if refused:
            raise SystemExit(f"the inspector gave no score for {len(refused)} images: {refused[-1]}")
        result: dict[str, object] = {
            "offered_hz": load.rate,
            "verdicts_hz": round(len(latencies) / load.seconds, 2),
            "latency_ms": summary(latencies),
            "inspection_ms": summary(inference),
            "rss_growth_mb": round(growth, 1),
        }
        if enable:
            result["enable_ms"] = summary(enable)
        return result
    finally:
        stop(camera)
        executor.shutdown()
        spinner.join(5)
        rclpy.try_shutdown()


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


def publish_images(rate: float, width: int, height: int) -> int:
    """The camera's process: a noisy disc on a plate, another one each time, stamped just before it is published."""
    from rclpy.node import Node
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    from hetnet_ros.inspection.image_conversion import fill_image
    from hetnet_ros.nodes.process import run_node

    def make_node() -> Node:
        node = Node("camera", namespace=NAMESPACE)
        publisher = node.create_publisher(Image, "image", QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))
        messages = []
        for index in range(8):
            message = Image()
            message.header.frame_id = "camera_optical_frame"
            fill_image(message, disc(width, height, index), "rgb8")
            messages.append(message)
        count = iter(range(sys.maxsize))

        def publish() -> None:
            message = messages[next(count) % len(messages)]
            message.header.stamp = node.get_clock().now().to_msg()
            publisher.publish(message)

        node.create_timer(1.0 / rate, publish)
        return node

    return run_node(make_node, [], threads=2)


def disc(width: int, height: int, seed: int) -> np.ndarray:
    """uint8 (height, width, 3): a bright disc with sensor noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (0.35 * height) ** 2
    image = np.where(inside[:, :, None], (185, 175, 165), (90, 90, 90)) + rng.normal(0, 4, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def teach_quickly(folder: Path, preset_name: str, images: int = 12, steps: int = 2) -> Path:
    """A model of the preset's full size taught in a few steps: as fast as a good one, and good for nothing else."""
    from PIL import Image

    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach

    good = folder / "good"
    good.mkdir()
    for seed in range(images):
        Image.fromarray(disc(320, 240, 100 + seed)).save(good / f"{seed}.png")
    preset = load_preset(preset_name)
    preset = dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=steps, epochs=0, views=1))
    print(f"teaching a quick {preset_name} model for the measurement ...", flush=True)
    teach(good, folder / "quick.safetensors", preset, device="cpu", progress=False)
    return folder / "quick.safetensors"


def start(name: str, command: list[str]) -> subprocess.Popen:
    """Start a process of this package; its log goes to stderr."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    try:
        return subprocess.Popen(command, env=environment)
    except OSError as error:
        raise SystemExit(f"the {name} could not be started: {error}") from error


def resident_mb(process: subprocess.Popen) -> float:
    """Memory that a process holds, MB."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def start_inspector(model: Path, device: str, threads: int, backend: str) -> subprocess.Popen:
    """The node as a process of its own, active as soon as its model is loaded."""
    values = {"model": model, "device": device, "autostart": "true", "threads": threads, "backend": backend,
              "frozen_after": 0}  # the camera shows few pictures in turn, and dropped ones may bring the same twice in a row
    parameters = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", "hetnet_ros.cli.main", "run", "inspector", "--ros-args", "-r", f"__ns:={NAMESPACE}"]
    return start("inspector", command + parameters)


def stop(process: subprocess.Popen) -> None:
    """End a process that :func:`start` started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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

    names = (
        [
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ]
        if Path("/proc/cpuinfo").exists()
        else []
    )
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
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
    parser.add_argument("--publish", type=float, help=argparse.SUPPRESS)  # this file is also the camera's process
    return parser


if __name__ == "__main__":
    sys.exit(main())
