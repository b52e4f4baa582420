"""The door through which runtimes are imported that report on their user: without their telemetry.

``import openvino`` alone, or making an environment of ONNX Runtime 1.29 or newer, writes a device id into the user's home folder and
reports to a third party.  An inspection cell sends nothing that nobody asked it to send, so both are told to be silent first.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType

REPORTING = ("openvino", "nncf", "onnxruntime")
"""Modules that are imported through here and nowhere else."""


def quiet_import(name: str) -> ModuleType:
    """The module ``name``, one of :data:`REPORTING`.  Raises ImportError as the import itself does.

    A user who wants ONNX Runtime's telemetry sets ``ORT_DISABLE_TELEMETRY=0``.
    """
    for variable in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):  # the latter in some releases before 1.32
        os.environ.setdefault(variable, "1")
    # OpenVINO does without its package for reports; an import of it now raises ImportError.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module(name)
