"""Which backends a device can have here, and why not the others; how a model is opened on one."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from hetnet_ros.gpu_check.reporter import why
from hetnet_ros.inspection.backends.interface import BACKENDS

ON_CARD = ("torch", "torch-bf16", "torch-fp16", "torch-graph", "onnx")
ON_CPU = ("torch", "torch-bf16", "onnx", "openvino", "openvino-bf16")
QUICK = ("torch", "torch-bf16", "onnx")
SLOW_STARTERS = ("torch-compiled", "onnx-tensorrt")
"""They compile for a minute or more, and have parts of their own."""


def candidates(device: str, quick: bool) -> tuple[str, ...]:
    """The backends to try on a device, but for the slow starters."""
    chosen = ON_CPU if device == "cpu" else ON_CARD
    return tuple(name for name in chosen if name in QUICK) if quick else chosen


def absence(name: str, device: str) -> str:
    """Why this machine cannot have the backend on the device; empty where nothing speaks against it."""
    kind = BACKENDS[name]
    if kind.runtime == "torch":
        return _torch_absence(name, device)
    if importlib.util.find_spec("onnx") is None:
        return "exporting needs the Python package onnx, which is not installed"
    if kind.runtime == "openvino":
        return _openvino_absence(name)
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed"
    provider = "TensorrtExecutionProvider" if kind.compiled else "CUDAExecutionProvider" if device != "cpu" else "CPUExecutionProvider"
    try:
        from hetnet_ros.inspection.backends.quiet_import import quiet_import

        onnxruntime = quiet_import("onnxruntime")
        available = onnxruntime.get_available_providers()
    except Exception as error:  # there but broken
        return f"onnxruntime does not import ({why(error)})"
    return "" if provider in available else f"this onnxruntime has no {provider} (it has {', '.join(available)})"


def open_backend(model: Path, name: str, device: str):  # noqa: ANN201 - PartInspector, imported late
    """The model on a backend, warmed up."""
    from hetnet_ros.inspection.part_inspector import PartInspector

    inspector = PartInspector.load(model, device, backend=name)
    inspector.warm_up(3)
    return inspector


def _torch_absence(name: str, device: str) -> str:
    import torch

    from hetnet_ros.network.precision import multiplies_bfloat16

    if device == "cpu" and name in ("torch-fp16", "torch-graph"):
        return "needs a card"
    if name == "torch-compiled" and not any(map(shutil.which, ("c++", "g++", "gcc", "clang"))):
        return "torch.compile needs a C++ compiler, and there is none on PATH"
    if name == "torch-bf16" and not multiplies_bfloat16(torch.device(device)):
        return f"{'this CPU' if device == 'cpu' else 'this card'} has no instructions for bfloat16"
    return ""


def _openvino_absence(name: str) -> str:
    if importlib.util.find_spec("openvino") is None:
        return "openvino is not installed"
    from hetnet_ros.inspection.backends.openvino_backend import supports_bf16

    return "" if name != "openvino-bf16" or supports_bf16() else "this CPU has no instructions for bfloat16"
