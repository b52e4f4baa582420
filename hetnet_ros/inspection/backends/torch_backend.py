"""The torch backend: a HetNet on a device, the reference that all other backends are held against.

``auto`` takes CUDA where there is one.  The network runs channels-last; in float32 on a CPU, under float16 autocast on CUDA,
or in the precision asked for.  ``torch-graph`` records the whole forward pass on CUDA once for each batch size and replays it,
which saves the launches of some hundred small kernels.
"""

from __future__ import annotations

import contextlib

import numpy as np
import torch
from torch import Tensor

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.backends.interface import BackendKind, NetworkOutput, backend_kind
from hetnet_ros.inspection.graph import images_to_tensor
from hetnet_ros.network.hetnet import HetNet

_PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}


def resolve_device(device: str, allow_cpu_fallback: bool = False) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` -> torch device.

    Raises InputError for any other word, and for CUDA where there is none unless the fallback is allowed.
    """
    if device == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if device == "cpu":
        return torch.device("cpu")
    if device == "cuda" or (device.startswith("cuda:") and device[5:].isdigit()):
        index = int(device[5:] or 0) if ":" in device else 0
        if torch.cuda.is_available() and index < torch.cuda.device_count():
            return torch.device("cuda", index)
        if allow_cpu_fallback:
            return torch.device("cpu")
        raise InputError(f"device {device}: this machine has {torch.cuda.device_count()} CUDA devices that torch "
                         f"{torch.__version__} can use; set device to cpu or auto")
    raise InputError(f"device is {device!r}: use auto, cpu, cuda or cuda:N")


class TorchBackend:
    """Runs a network in evaluation mode; not re-entrant.

    kind: one of the torch backends; ``torch`` by default.
    Raises InputError for float16 on a CPU, where it is slower than float32 and loses precision.
    """

    def __init__(self, network: HetNet, device: torch.device, kind: BackendKind | None = None) -> None:
        kind = kind or backend_kind("torch")
        self.name, self.device = kind.name, str(device)
        self.network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
        self._device = device
        self._cuda = device.type == "cuda"
        if kind.precision == "fp16" and not self._cuda:
            raise InputError(f"backend {kind.name} needs a CUDA device: use torch or torch-bf16 on a CPU")
        self._precision = _PRECISIONS.get(kind.precision, torch.float16 if self._cuda else None)
        self._forward = torch.compile(network, mode="reduce-overhead" if self._cuda else None) if kind.compiled else network
        self._graphs: dict[int, _RecordedPass] | None = {} if kind.recorded else None

    @torch.inference_mode()
    def __call__(self, images: np.ndarray | Tensor) -> NetworkOutput:
        """uint8 (B, S, S, 3) RGB, or as teaching has them float32 (B, 3, S, S) in [0, 1] -> outputs for each image."""
        given = torch.from_numpy(images) if isinstance(images, np.ndarray) else images
        if self._cuda:
            given = given.pin_memory().to(self._device, non_blocking=True)
        if self._graphs is None:
            outputs = self._run(given)
        else:
            if len(given) not in self._graphs:
                self._graphs[len(given)] = _RecordedPass(self._run, given)
            outputs = self._graphs[len(given)](given)
        return NetworkOutput(*(output.float().cpu().numpy() for output in outputs))

    def _run(self, images: Tensor) -> tuple[Tensor, ...]:
        if images.dtype == torch.uint8:
            images = images_to_tensor(images)
        images = images.contiguous(memory_format=torch.channels_last)
        autocast = (torch.autocast(self._device.type, dtype=self._precision) if self._precision
                    else contextlib.nullcontext())
        with autocast:
            return self._forward(images)


class _RecordedPass:
    """One forward pass as a CUDA graph, for one batch size; outputs stay valid until the next call."""

    def __init__(self, run, example: Tensor) -> None:
        self._input = example.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # a graph must not hold the lazy set-up of libraries
            for _ in range(3):
                run(self._input)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = run(self._input)

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        self._input.copy_(images)
        self._graph.replay()
        return self._outputs
