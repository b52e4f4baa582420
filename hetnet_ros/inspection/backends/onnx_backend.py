"""The ONNX Runtime backend, the one that needs nothing else: CPU, CUDA or TensorRT, whichever providers are installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.backends.interface import BackendKind, NetworkOutput, missing_runtime
from hetnet_ros.resources import cache_directory


class ProviderNotLoaded(InputError):
    """An execution provider that onnxruntime lists, and whose libraries are not here."""


class OnnxBackend:
    """Runs an exported ``.onnx``; not re-entrant.

    device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.  threads: CPU threads, 0 for one per core.  TensorRT keeps
    its engines, which take minutes to build, in the cache.
    Raises InputError where onnxruntime or its provider is missing, or a provider that is listed does not load.
    """

    def __init__(self, path: Path, kind: BackendKind, device: str = "auto", threads: int = 0) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise missing_runtime(kind, error) from None
        self.name = kind.name
        providers, self.device = _providers(onnxruntime.get_available_providers(), kind, device)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only; it warns about every operator that a provider leaves to the CPU
        self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
        if wanted not in self._session.get_providers():  # it goes on with the others, and says so on stderr at most
            if kind.compiled or device != "auto":
                raise ProviderNotLoaded(
                    f"backend {kind.name} on {device}: {wanted} is listed by this onnxruntime but did not load: "
                    "install the CUDA, cuDNN and TensorRT libraries that it was built for, or use device cpu and another backend")
            self.device = "cpu"
        self._input = self._session.get_inputs()[0].name

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """uint8 (B, S, S, 3) -> outputs for each image."""
        return NetworkOutput(*self._session.run(None, {self._input: np.ascontiguousarray(images)}))


def read_metadata(path: Path, kind: BackendKind) -> dict[str, str]:
    """The file's own metadata.  Raises InputError where it is no ONNX model or onnxruntime is missing."""
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_runtime(kind, error) from None
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a class of its own for each kind of damage
        raise InputError(f"model {path} is not a readable ONNX file: {' '.join(str(error).split())[:200]}") from None
    return dict(session.get_modelmeta().custom_metadata_map)


def _providers(available: list[str], kind: BackendKind, device: str) -> tuple[list, str]:
    """Execution providers in order of preference, and the device they mean."""
    word, _, number = device.partition(":")
    if word not in ("auto", "cpu", "cuda") or (number and not number.isdigit()):
        raise InputError(f"device is {device!r}: use auto, cpu, cuda or cuda:N")
    index = int(number or 0)
    wanted = "TensorrtExecutionProvider" if kind.compiled else "CUDAExecutionProvider"
    if wanted in available and word != "cpu":
        providers: list = [("CUDAExecutionProvider", {"device_id": index})]
        if kind.compiled:
            providers.insert(0, (wanted, {
                "device_id": index, "trt_fp16_enable": kind.precision == "fp16", "trt_engine_cache_enable": True,
                "trt_engine_cache_path": str(cache_directory() / "engines")}))
        return providers + ["CPUExecutionProvider"], f"cuda:{index}"
    if kind.compiled or word == "cuda":
        raise InputError(f"backend {kind.name} on {device} needs {wanted}, which this onnxruntime does not have (it has "
                         f"{', '.join(available)}): pip install onnxruntime-gpu, or use device cpu and another backend")
    return ["CPUExecutionProvider"], "cpu"
