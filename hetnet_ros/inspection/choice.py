"""``auto``: the fastest backend on this machine that gives torch's answers, measured once and remembered.

Each candidate is exported, which puts it through the parity gate, then all take turns on one image.  What was chosen, and why,
lies in the cache under a name that changes with model, machine, device, threads and versions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from hetnet_ros import __version__, plain_json
from hetnet_ros.configuration import from_mapping
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.artifact import load_artifact
from hetnet_ros.inspection.backends.interface import backend_kind
from hetnet_ros.inspection.backends.openvino_backend import supports_bf16
from hetnet_ros.inspection.benchmark import sample_image, take_turns
from hetnet_ros.inspection.export_cache import CachedExports
from hetnet_ros.inspection.private_cache import is_own, make_way, private_folder
from hetnet_ros.user_files import MB, read_text
from hetnet_ros.whole_files import write_file

ROUNDS = 15


@dataclass(frozen=True)
class Choice:
    """backend: the fastest.  reason: one line with what each took, and why others were left out."""

    backend: str
    reason: str


def choose_backend(model: Path, device: str = "auto", threads: int = 0) -> Choice:
    """The backend for ``model`` on this machine, from the cache or measured now (a minute or two).

    Raises InputError for a model or device that cannot be used.
    """
    key = _key(load_artifact(model).model_id, device, threads)
    try:
        remembered = private_folder("choices") / f"{key}.json"
    except InputError:
        return _measure(model, device, threads)  # no safe place to remember it
    choice = _remembered(remembered, device)
    if choice is not None:
        return choice
    choice = _measure(model, device, threads)
    make_way(remembered)
    with contextlib.suppress(InputError):  # a read-only home or a full disk: it is measured again next time
        write_file(remembered, json.dumps(dataclasses.asdict(choice)))
    return choice


def _remembered(path: Path, device: str) -> Choice | None:
    """The choice in a file, where nobody else can have written it and it is one of those there are."""
    if not is_own(path):
        return None
    try:
        choice = from_mapping(Choice, plain_json.parse(read_text(path, "remembered choice", MB)), "choice")
    except ValueError:
        return None
    return Choice(choice.backend, shown(choice.reason, 2000)) if choice.backend in candidates(device) else None


def candidates(device: str = "auto") -> tuple[str, ...]:
    """Backends that may suit this machine.  int8, which takes minutes to quantise, only where bfloat16 is not to be had."""
    import torch

    if device.startswith("cuda") or (device == "auto" and torch.cuda.is_available()):
        return "torch", "torch-graph", "onnx", "onnx-tensorrt"
    return "torch", "onnx", "openvino", "openvino-bf16" if supports_bf16() else "openvino-int8"


def _measure(model: Path, device: str, threads: int) -> Choice:
    from hetnet_ros.inspection.part_inspector import PartInspector

    inspectors, refused, exports = {}, [], CachedExports(model)
    for name in candidates(device):
        try:
            if backend_kind(name).runtime != "torch":
                exports[backend_kind(name)]  # now, with what the others have computed; load finds it in the cache
            inspectors[name] = PartInspector.load(model, device, backend=name, threads=threads)
        except InputError as error:
            if name == "torch":
                raise
            refused.append(f"{name} left out ({error})")
    image = sample_image()
    taken = take_turns({name: lambda one=one: one.inspect(image) for name, one in inspectors.items()}, ROUNDS)
    order = sorted(taken, key=lambda name: taken[name].p50_ms)
    figures = ", ".join(f"{name} {taken[name].p50_ms:.1f} ms" for name in order)
    return Choice(order[0], "; ".join([f"{order[0]} is the fastest here: {figures}", *refused]))


def _key(model_id: str, device: str, threads: int) -> str:
    versions = [f"{name} {_version(name)}" for name in ("torch", "onnxruntime", "openvino")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = (__version__, model_id, device, threads, _processor(), cores, *versions)
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
