"""The interface every backend serves, and the names by which backends are chosen.

A backend takes 8-bit images and gives raw maps, so that scaling, resizing for the teachers, normalisation, smoothing and the
score lie inside it and two backends cannot disagree about them.  This file imports no runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hetnet_ros.errors import InputError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class NetworkOutput:
    """All float32: ``maps`` (B, S, S) and ``scores`` (B,), both raw; ``descriptors`` (B, D), unit length."""

    maps: np.ndarray
    scores: np.ndarray
    descriptors: np.ndarray


@dataclass(frozen=True, repr=False)
class Graph:
    """An exported graph in memory: ``model``, an ONNX model or OpenVINO's ``.xml``, and of the latter the ``weights``, its ``.bin``.

    path: where it came from, for messages.  Runtimes get these bytes and open no file: what was checked is what runs, and a file that
    somebody copies over meanwhile does no harm.
    """

    path: Path
    model: bytes
    weights: bytes = b""

    @classmethod
    def read(cls, path: Path) -> Graph:
        """A graph that this process wrote itself, a moment ago."""
        return cls(path, path.read_bytes(), path.with_suffix(".bin").read_bytes() if path.suffix == ".xml" else b"")

    @property
    def megabytes(self) -> float:
        return (len(self.model) + len(self.weights)) / 2**20


class Backend(Protocol):
    """Runs one model.  Not re-entrant: one thread at a time.

    name: one of :data:`BACKENDS`.  device: where it runs, as ``cpu`` or ``cuda:0``.
    """

    name: str
    device: str

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """uint8 (B, S, S, 3) RGB at the network's image size -> its outputs for each image."""


@dataclass(frozen=True)
class BackendKind:
    """runtime: ``torch``, ``onnx`` or ``openvino``.  precision: ``fp32``, ``fp16``, ``bf16`` or ``int8``.
    suffix: of the file it runs.  compiled: torch.compile, or TensorRT in the case of onnx.  recorded: as a CUDA graph."""

    name: str
    runtime: str
    precision: str
    suffix: str
    compiled: bool = False
    recorded: bool = False

    @property
    def exact(self) -> bool:
        """Whether only rounding in float32 separates it from torch on the CPU."""
        return self.precision == "fp32"


BACKENDS: dict[str, BackendKind] = {kind.name: kind for kind in (
    BackendKind("torch", "torch", "fp32", ".safetensors"),
    BackendKind("torch-bf16", "torch", "bf16", ".safetensors"),
    BackendKind("torch-fp16", "torch", "fp16", ".safetensors"),
    BackendKind("torch-compiled", "torch", "fp32", ".safetensors", compiled=True),
    BackendKind("torch-graph", "torch", "fp16", ".safetensors", recorded=True),
    BackendKind("onnx", "onnx", "fp32", ".onnx"),
    BackendKind("onnx-tensorrt", "onnx", "fp16", ".onnx", compiled=True),
    BackendKind("openvino", "openvino", "fp32", ".xml"),
    BackendKind("openvino-bf16", "openvino", "bf16", ".xml"),
    BackendKind("openvino-int8", "openvino", "int8", ".xml"),
)}
"""Every backend by name."""

FILE = "file"
"""The backend the model file is made for: torch for a ``.safetensors``, else the one it was exported for."""
AUTO = "auto"
"""The fastest on this machine that gives torch's answers."""
CHOICES = (FILE, AUTO, *BACKENDS)


def backend_kind(name: str) -> BackendKind:
    """The backend called ``name``; raises InputError for any other word."""
    if name not in BACKENDS:
        raise InputError(f"backend is {name!r}: use {', '.join(CHOICES)}")
    return BACKENDS[name]


def missing_runtime(kind: BackendKind, error: ImportError) -> InputError:
    """What to say when a backend's runtime is not installed."""
    package = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}[kind.runtime]
    return InputError(f"backend {kind.name} needs {package}, which does not import here ({error}): pip install {package}")
