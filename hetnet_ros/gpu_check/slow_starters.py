"""The backends that compile for a minute or more (torch.compile, TensorRT): all presets and sizes, for as long as there is time."""

from __future__ import annotations

from hetnet_ros.gpu_check.backends import absence
from hetnet_ros.gpu_check.models import model_for
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import NotHere, Reporter
from hetnet_ros.gpu_check.speed import LATENCY, measure_backend
from hetnet_ros.inspection.backends.onnx_backend import ProviderNotLoaded

_MODELS = (("edge", 384), ("edge", 512), ("paper", 384), ("paper", 512))


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """Two rows for each model."""
    backend = str(part.arguments["backend"])
    missing = absence(backend, settings.device)
    if missing:
        raise NotHere(missing)
    named = {f"{preset}, {size} px": (preset, size) for preset, size in _MODELS}
    for row in report.remaining(list(named)):
        with report.unit(LATENCY, row):
            try:
                measure_backend(model_for(settings, *named[row], report), backend, settings, report, row)
            except ProviderNotLoaded as error:  # every onnxruntime-gpu lists TensorRT; few machines have it
                raise NotHere(str(error)) from None
