#!/usr/bin/env python3
"""Latency of the backends against the bare teachers, of the node, and of other detectors: all in one run, taking turns.

    benchmarks/latency.py [--model MODEL] [--json F] [--seconds 60] [--peers-python PEERS/bin/python]

One image goes from 8-bit pixels at the network's size to the calibrated map (``p50_ms``), and from there to the verdict and its
defects (``verdict_p50_ms``, the whole way).  Beside it runs the forward pass of the two teachers alone, as far as they are used,
in the same runtime and precision.  ``teachers_ms`` is that of the backend with the lowest median.  Run it on an otherwise idle
machine; the ratios also hold on a busy one.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import node_latency
import numpy as np
import torch

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import EXAMPLES, load_artifact
from hetnet_ros.inspection.backends.interface import BACKENDS, BackendKind
from hetnet_ros.inspection.backends.quiet_import import quiet_import
from hetnet_ros.inspection.benchmark import Latency, cold_start, sample_image, take_turns
from hetnet_ros.inspection.choice import candidates
from hetnet_ros.inspection.export_cache import CachedExports
from hetnet_ros.inspection.graph import write_onnx
from hetnet_ros.inspection.model_network import build_network
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.resources import cache_directory

ROOT = Path(__file__).resolve().parent


class BareTeachers(torch.nn.Module):
    """Both teachers, and nothing of HetNet."""

    def __init__(self, network: HetNet) -> None:
        super().__init__()
        self.teachers = network.teachers

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.teachers(image)
        return (*features.local, *features.global_)


class Peers:
    """Other detectors in their own Python, one call at a time."""

    def __init__(self, python: Path, threads: int) -> None:
        command = [str(python), str(ROOT / "peers.py"), str(cache_directory() / "weights"), str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.names: list[str] = json.loads(self._process.stdout.readline() or "[]")
        if not self.names:
            raise SystemExit(f"no peer runs with {python}: pip install -r benchmarks/requirements-peers.txt there")
        self.times: dict[str, list[float]] = {name: [] for name in self.names}

    def run(self, name: str) -> None:
        print(name, file=self._process.stdin, flush=True)
        self.times[name].append(float(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)


def teachers_alone(network: HetNet, kind: BackendKind, folder: Path, threads: int) -> Callable[[], object]:
    """The teachers' forward pass on one image, run as ``kind`` runs a model."""
    size = network.config.image_size
    image = torch.rand(1, 3, size, size)
    if kind.runtime == "torch":
        return lambda: _forward(network, image.contiguous(memory_format=torch.channels_last))
    graph = folder / "teachers.onnx"
    if not graph.exists():
        write_onnx(BareTeachers(network), image, graph, tuple(f"feature{index}" for index in range(6)))
    if kind.runtime == "onnx":
        onnxruntime = quiet_import("onnxruntime")

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        return lambda: session.run(None, {session.get_inputs()[0].name: image.numpy()})
    openvino = quiet_import("openvino")

    model = openvino.Core().read_model(str(graph))
    model.reshape([1, 3, size, size])
    hints = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
             "INFERENCE_PRECISION_HINT": "bf16" if kind.precision == "bf16" else "f32"}
    request = openvino.compile_model(model, "CPU", hints).create_infer_request()
    return lambda: request.infer([image.numpy()], share_inputs=True)


@torch.inference_mode()
def _forward(network: HetNet, image: torch.Tensor) -> object:
    return network.teachers(image)


def measure_backends(model: Path, names: list[str], rounds: int, threads: int,
                     peers: Peers | None) -> dict[str, dict[str, Latency]]:
    """By backend: latency to the calibrated ``map``, to the ``verdict``, and of the ``teachers`` alone."""
    artifact = load_artifact(model)
    network = build_network(model, artifact)
    size = network.config.image_size
    image = artifact.tensors[EXAMPLES][0].numpy() if EXAMPLES in artifact.tensors else sample_image((size, size))
    subjects: dict[str, Callable[[], object]] = {}
    exports = CachedExports(model)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if BACKENDS[name].runtime != "torch":
                exports[BACKENDS[name]]
            inspector = PartInspector.load(model, "cpu", backend=name, threads=threads)
            subjects[f"map {name}"] = lambda one=inspector: one.calibration.calibrated_map(one.runner(image[None]).maps[0])
            subjects[f"verdict {name}"] = lambda one=inspector: one.inspect(image)
            if BACKENDS[name].precision != "int8":  # whose teachers cannot be had apart from it
                subjects[f"teachers {name}"] = teachers_alone(network, BACKENDS[name], Path(folder), threads)
        for name in peers.names if peers else ():
            subjects[f"peer {name}"] = lambda name=name: peers.run(name)
        taken = take_turns(subjects, rounds)
    return {what: {name: taken[f"{what} {name}"] for name in names if f"{what} {name}" in taken}
            for what in ("map", "verdict", "teachers")}


def measure_node(model: Path, backend: str, arguments: argparse.Namespace) -> dict[str, float]:
    """The inspector as a process under 30 images a second: rate, stamp to verdict, growth of memory."""
    inspector = node_latency.start_inspector(model, "cpu", arguments.threads, backend)
    try:
        load = node_latency.Load("node", 30.0, arguments.seconds, call_enable=False)
        result = node_latency.measure(load, inspector, arguments)
    finally:
        node_latency.stop(inspector)
    return {"rate_hz": result["verdicts_hz"], "p50_ms": result["latency_ms"]["p50"], "p95_ms": result["latency_ms"]["p95"],
            "rss_growth_mb": result["rss_growth_mb"]}


def main() -> int:
    arguments = _parser().parse_args()
    node_latency.isolate()
    with tempfile.TemporaryDirectory() as folder:
        model = arguments.model or node_latency.teach_quickly(Path(folder), arguments.preset, images=40, steps=80)
        names = arguments.backend or list(candidates("cpu"))
        peers = Peers(arguments.peers_python, arguments.threads or torch.get_num_threads()) if arguments.peers_python else None
        try:
            found = measure_backends(model, names, arguments.rounds, arguments.threads, peers)
        except InputError as error:
            raise SystemExit(f"latency: {error}") from None
        finally:
            if peers:
                peers.close()
        cold = {name: cold_start(model, name, "cpu", arguments.threads) for name in names}
        taken, teachers = found["map"], found["teachers"]
        best = min(taken, key=lambda name: taken[name].p50_ms)
        report = {
            "machine": node_latency.machine(), "best": best, "teachers_ms": teachers[best].p50_ms if best in teachers else None,
            "backends": {name: {**dataclasses.asdict(taken[name]), "verdict_p50_ms": found["verdict"][name].p50_ms,
                                "first_ms": cold[name].first_ms, "peak_mb": cold[name].peak_mb} for name in names},
            "teachers": {name: {"p50_ms": latency.p50_ms} for name, latency in teachers.items()},
            "node": measure_node(model, best, arguments) if arguments.seconds else {},
            "peers": {name: {"p50_ms": round(float(np.median(values[3:])), 3)} for name, values in peers.times.items()} if peers
            else {},
        }
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")
    return 0


def print_report(report: dict) -> None:
    described = report["machine"]
    print(f"\n{described['cpu']}, {described['cores']} cores, load {described['load_average']}, torch {described['torch']}")
    print(f"{'backend':16}{'p50':>9}{'p95':>9}{'p99':>9}{'teachers':>10}{'ratio':>7}{'verdict':>9}{'first':>9}{'memory':>10}")
    for name, row in sorted(report["backends"].items(), key=lambda entry: entry[1]["p50_ms"]):
        alone = report["teachers"].get(name, {}).get("p50_ms")
        ratio = f"{alone:10.1f}{row['p50_ms'] / alone:7.2f}" if alone else f"{'':17}"
        print(f"{name:16}{row['p50_ms']:9.1f}{row['p95_ms']:9.1f}{row['p99_ms']:9.1f}{ratio}{row['verdict_p50_ms']:9.1f}"
              f"{row['first_ms']:9.1f}{row['peak_mb']:7.0f} MB")
    for name, row in report["peers"].items():
        print(f"{name:16}{row['p50_ms']:9.1f}   (anomalib, torch, the same teachers' weights)")
    if report["node"]:
        node = report["node"]
        print(f"node with {report['best']}: {node['rate_hz']:.1f} verdicts a second of 30 images, stamp to verdict p50 "
              f"{node['p50_ms']:.0f} ms, p95 {node['p95_ms']:.0f} ms, memory grew by {node['rss_growth_mb']:.1f} MB")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=lambda text: Path(text).resolve(), help="model file (default: one taught in seconds)")
    parser.add_argument("--preset", default="edge", help="preset of the model taught here (default: edge)")
    parser.add_argument("--backend", action="append", choices=tuple(BACKENDS), help="may be repeated (default: those that suit)")
    parser.add_argument("--rounds", type=int, default=40, help="images per backend (default: 40)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: one per core)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the node's measurement, 0 for none (default: 60)")
    parser.add_argument("--width", type=int, default=640, help="of the node's images (default: 640)")
    parser.add_argument("--height", type=int, default=480, help="likewise (default: 480)")
    parser.add_argument("--peers-python", type=Path, help="a Python with anomalib: see benchmarks/requirements-peers.txt")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
