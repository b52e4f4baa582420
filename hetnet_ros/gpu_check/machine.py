"""What the figures are of: card, driver, versions, processor; and whether torch can use the card at all."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from hetnet_ros import __version__
from hetnet_ros.errors import InputError
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import Reporter, why
from hetnet_ros.inspection.this_machine import nvidia_driver, processor, usable_cores

_OPTIONAL = {"onnx": "ONNX exports", "onnxruntime": "backend onnx", "openvino": "backends openvino", "rosbags": "replay", "mcap": "replay",
             "zstandard": "replay"}
"""Python packages that a machine may lack, with what then falls away."""


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """The rows of the table's head; the part fails where the device cannot be used."""
    import torch

    def tell(name: str, value: object) -> None:
        report.row("machine", name, value=str(value))

    if settings.device != "cpu":
        try:
            _try_card(settings.device)
        except Exception as error:  # torch raises many kinds; its words are what the user needs
            raise InputError(f"torch {torch.__version__} cannot use {settings.device}: {why(error)}") from error
        card = torch.cuda.get_device_properties(torch.device(settings.device))
        tell("card", f"{card.name}, {card.total_memory / 2**30:.0f} GiB, compute capability {card.major}.{card.minor}")
        tell("driver", f"{nvidia_driver()}; CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}")
    else:
        tell("card", "none: this run is on the CPU")
    tell("torch", f"{torch.__version__}, timm {_version('timm')}")
    tell("ONNX Runtime", _onnxruntime())
    tell("TensorRT", _version("tensorrt", "tensorrt-cu12", "tensorrt-cu13"))
    tell("processor", f"{processor()}, {usable_cores()} cores usable, load {os.getloadavg()[0]:.1f}")
    tell("system", f"Python {platform.python_version()}, {platform.platform(terse=True)}, numpy {_version('numpy')}, "
                   f"OpenCV {_version('opencv-python', 'opencv-python-headless')}")
    tell("ROS", _ros())
    tell("hetnet", f"{__version__}{_commit()}, {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC")
    missing = [f"{name} ({use})" for name, use in _OPTIONAL.items() if importlib.util.find_spec(name) is None]
    if missing:
        tell("not installed", ", ".join(missing))


def _try_card(device: str) -> None:
    """Compute something on it: a card that is listed may still be busy, too old for this torch, or without its driver."""
    import torch

    where = torch.device(device)
    product = torch.ones(64, 64, device=where) @ torch.ones(64, 64, device=where)
    if float(product[0, 0]) != 64.0:
        raise RuntimeError(f"the product of two matrices of ones came out as {float(product[0, 0])}, not 64")


def _onnxruntime() -> str:
    if importlib.util.find_spec("onnxruntime") is None:
        return "not installed"
    try:
        from hetnet_ros.inspection.backends.quiet_import import quiet_import

        onnxruntime = quiet_import("onnxruntime")
        names = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
        return f"{onnxruntime.__version__} for {', '.join(names)}"
    except Exception as error:  # there but broken; the parts that need it will say so again
        return f"does not work: {why(error)}"


def _ros() -> str:
    if importlib.util.find_spec("rclpy") is None:
        return "not here"
    distribution = os.environ.get("ROS_DISTRO") or f"rclpy {_version('ros-rclpy', 'rclpy')}"
    return f"{distribution}; messages of hetnet_ros {'built' if importlib.util.find_spec('hetnet_ros.msg') else 'not built'}"


def _commit() -> str:
    """Of the checkout that this package runs from, with a word where files differ from it; empty for an installed package."""
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(Path(__file__).parent), *words], capture_output=True, text=True, timeout=5)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        if not git("ls-files", Path(__file__).name):  # another project's repository, in which this one is installed
            return ""
        return f" at {git('rev-parse', '--short', 'HEAD')}{' and changes' if git('status', '--porcelain', '-uno', ':/') else ''}"
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _version(*distributions: str) -> str:
    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "not installed"
