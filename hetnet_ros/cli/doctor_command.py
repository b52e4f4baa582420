"""``hetnet doctor``: show what this machine has and what is missing.

It only looks: nothing is downloaded, no model is loaded and no ROS context is opened, so it answers on a broken
installation too, where it is needed most.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hetnet_ros import __version__
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.this_machine import nvidia_driver, processor, usable_cores

SUMMARY = "show what this machine has and what is missing"

EPILOG = "'note' marks what only some uses need, 'MISSING' what all need; the exit code is 0 whatever is found."

OK, NOTE, MISSING = "ok", "note", "MISSING"

_LIBRARIES = ("torch", "torchvision", "timm", "numpy", "cv2", "safetensors", "PIL", "simplejpeg", "sklearn", "yaml", "tqdm")
_DISTRIBUTION = {"PIL": "Pillow", "sklearn": "scikit-learn", "yaml": "PyYAML", "cv2": "opencv-python"}


@dataclass(frozen=True)
class Finding:
    """One row: state (OK, NOTE or MISSING), what was looked for, what was found, and what to do if it is wanted."""

    state: str
    subject: str
    found: str
    hint: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # it has none


def run(args: argparse.Namespace) -> int:
    del args
    findings = [_python(), *map(_library, _LIBRARIES), _processor(), _gpu(), *_backends(), *_ros(), *_teachers(), _cache()]
    width = max(len(finding.subject) for finding in findings)
    print(f"hetnet {__version__} in {Path(__file__).resolve().parent.parent}\n")
    for finding in findings:
        print(f"{finding.state:7}  {finding.subject:{width}}  {finding.found}")
    hints = list(dict.fromkeys(f"{finding.subject}: {finding.hint}" for finding in findings if finding.hint))
    if hints:
        print("\n" + "\n".join(hints))
    missing = sum(finding.state == MISSING for finding in findings)
    things = f"{missing} needed thing{'s are' if missing > 1 else ' is'}" if missing else "Nothing needed is"
    print(f"\n{things} missing.")
    return 0


def _python() -> Finding:
    return Finding(OK, "python", f"{platform.python_version()} ({sys.executable}) on {platform.platform(terse=True)}")


def _library(module: str) -> Finding:
    name = _DISTRIBUTION.get(module, module)
    try:
        version = getattr(importlib.import_module(module), "__version__", None) or importlib.metadata.version(name)
    except ModuleNotFoundError:
        return Finding(MISSING, name, "not installed", f"pip install {name}")
    except Exception as error:  # a library that is there but broken, such as torchvision beside a foreign torch
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Finding(MISSING, name, f"does not import: {reason}", f"pip install --force-reinstall {name}")
    return Finding(OK, name, str(version))


def _processor() -> Finding:
    return Finding(OK, "CPU", f"{processor()}, {usable_cores()} cores usable")


def _gpu() -> Finding:
    try:
        import torch

        if torch.cuda.is_available():
            devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
            names = ", ".join(f"{d.name} ({d.total_memory / 2**30:.0f} GiB)" for d in devices)
            return Finding(OK, "GPU", f"{names}, driver {nvidia_driver()}, torch for CUDA {torch.version.cuda}")
        built = f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "torch is built without CUDA"
    except Exception:  # reported with the library
        built = "torch does not import"
    return Finding(NOTE, "GPU", f"none that torch can use ({built}); everything runs on the CPU")


def _backends() -> list[Finding]:
    """Runtimes beside torch, and what they offer on this machine."""
    found = [_runtime("onnxruntime", "backend onnx", _onnx_providers), _runtime("openvino", "backends openvino", _openvino_precisions)]
    if not _installed("nncf"):
        found.append(Finding(NOTE, "nncf", "not installed: no export to openvino-int8", "pip install nncf"))
    return found


def _runtime(module: str, use: str, describe: Callable[[], str]) -> Finding:
    if not _installed(module):
        return Finding(NOTE, module, f"not installed: no {use}", f"pip install {module}")
    try:
        return Finding(OK, module, describe())
    except Exception as error:  # a library that is there but broken must not end the report
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Finding(NOTE, module, f"does not work: {reason}", f"pip install --force-reinstall {module}")


def _onnx_providers() -> str:
    from hetnet_ros.inspection.backends.quiet_import import quiet_import

    onnxruntime = quiet_import("onnxruntime")

    names = [name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers()]
    return f"{onnxruntime.__version__} for {', '.join(names)}"


def _openvino_precisions() -> str:
    from hetnet_ros.inspection.backends.quiet_import import quiet_import

    openvino = quiet_import("openvino")
    abilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    precisions = [name for name in ("FP32", "BF16", "FP16", "INT8") if name in abilities]
    return f"{openvino.__version__.split('-')[0]}, the CPU computes {', '.join(precisions)}"


def _ros() -> list[Finding]:
    if not _installed("rclpy"):
        hint = "source the setup.bash of a ROS 2 installation; teaching, evaluation and prediction work without it"
        return [Finding(NOTE, "ROS 2", "rclpy not found: the nodes cannot run here", hint)]
    distribution = os.environ.get("ROS_DISTRO", "distribution not named")
    settings = [
        f"{name}={os.environ[name]}"
        for name in ("RMW_IMPLEMENTATION", "ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY")
        if os.environ.get(name)
    ]
    found = [Finding(OK, "ROS 2", "; ".join([f"{distribution}, rclpy in {_folder('rclpy')}", *settings]))]
    if _installed("hetnet_ros.msg"):
        found.append(Finding(OK, "messages", f"hetnet_ros interfaces in {_folder('hetnet_ros.msg')}"))
    else:
        hint = "colcon build and source install/setup.bash, or pip install --no-build-isolation ."
        found.append(Finding(NOTE, "messages", "hetnet_ros interfaces are not built", hint))
    for module, use in (("launch_ros", "ros2 launch"), ("cv_bridge", "our own converter is used instead")):
        if _installed(module):
            found.append(Finding(OK, module, str(_folder(module))))
        elif module == "launch_ros":
            found.append(Finding(NOTE, module, f"not found: no {use}; start nodes with 'hetnet run'"))
        else:
            found.append(Finding(NOTE, module, f"not found: {use}"))
    return found


def _teachers() -> list[Finding]:
    """Where each shipped preset's teachers would come from; nothing is read but the file system."""
    try:
        from hetnet_ros.learning.preset import load_preset, preset_names

        presets = [load_preset(name) for name in preset_names()]
    except InputError as error:
        return [Finding(MISSING, "presets", str(error), "install the package again")]
    except Exception as error:  # a library that is missing was reported above
        return [Finding(NOTE, "teachers", f"cannot be looked up ({type(error).__name__}: {error})")]
    used: dict[str, list[str]] = {}
    for preset in presets:
        for config in (preset.network.cnn, preset.network.transformer):
            used.setdefault(config.model, []).append(preset.name)
    return [_teacher(model, names) for model, names in used.items()]


def _teacher(model: str, presets: list[str]) -> Finding:
    from hetnet_ros.network import teacher_packages
    from hetnet_ros.network.weights import reduction
    from hetnet_ros.resources import cache_directory, installed_weights

    name = f"{model} ({', '.join(presets)})"
    installed = installed_weights(model)
    if installed is not None:
        try:
            reduced = reduction(installed)
        except InputError as error:
            return Finding(MISSING, "teacher", f"{name} in the installation is damaged", f"{error}; install the bundle again")
        if reduced:
            hint = "reduced weights: models taught with the full ones are refused here and the other way round, so teach here"
            return Finding(OK, "teacher", f"{name}, {reduced}, in {installed}", hint)
        return Finding(OK, "teacher", f"{name} in {installed}")
    cached = cache_directory() / "weights" / f"{model}.safetensors"
    if cached.is_file():
        return Finding(OK, "teacher", f"{name} in {cached}")
    packaged = {
        "tf_efficientnet_lite0": teacher_packages.efficientnet_lite0_file,
        "vit_small_patch14_dinov2": teacher_packages.dinov2_vits14_file,
    }
    if model in packaged:
        try:
            return Finding(OK, "teacher", f"{name} in {packaged[model]()}")
        except ImportError as error:
            return Finding(MISSING, "teacher", f"{name} not found", str(error))
    hint = "weights that are not here are downloaded at first use, or given with 'hetnet train --weights NAME=FILE'"
    return Finding(NOTE, "teacher", f"{name} not on this machine", hint)


def _cache() -> Finding:
    try:
        from hetnet_ros.resources import cache_directory
    except Exception:  # a missing library was reported above
        return Finding(NOTE, "cache", "not known while libraries are missing")
    folder = cache_directory()
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(existing, os.W_OK):
        return Finding(NOTE, "cache", f"{folder} is not writable", "set HETNET_CACHE to a folder that is")
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
    return Finding(OK, "cache", f"{folder}, {size / 2**20:.0f} MiB")


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _folder(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent if spec and spec.origin else Path(".")
