"""The torch backend: a HetNet on a device, images in, raw maps and scores out.

``auto`` takes CUDA where there is one.  On CUDA the network runs channels-last under autocast; on a CPU in float32.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hetnet_ros.errors import InputError
from hetnet_ros.network.hetnet import HetNet


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


@dataclass(frozen=True)
class NetworkOutput:
    """All float32: ``maps`` (B, S, S) and ``scores`` (B,), both raw; ``descriptors`` (B, D), unit length."""

    maps: np.ndarray
    scores: np.ndarray
    descriptors: np.ndarray


class TorchBackend:
    """Runs a network in evaluation mode; not re-entrant."""

    def __init__(self, network: HetNet, device: torch.device) -> None:
        self.device = device
        self.network = network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> NetworkOutput:
        """float32 (B, 3, S, S) in [0, 1] -> the network's outputs for each image."""
        cuda = self.device.type == "cuda"
        if cuda:
            images = images.pin_memory().to(self.device, non_blocking=True)
        images = images.contiguous(memory_format=torch.channels_last)
        precision = torch.autocast("cuda", dtype=torch.float16) if cuda else contextlib.nullcontext()
        with precision:
            outputs = self.network(images)
        return NetworkOutput(*(output.float().cpu().numpy() for output in outputs))
