"""The ONNX Runtime backend, the one that needs nothing else: CPU, CUDA or TensorRT, whichever providers are installed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.backends.interface import BackendKind, Graph, NetworkOutput, missing_runtime
from hetnet_ros.inspection.backends.quiet_import import quiet_import
from hetnet_ros.inspection.private_cache import private_folder


class ProviderNotLoaded(InputError):
    """An execution provider that onnxruntime lists, and whose libraries are not here."""


class OnnxBackend:
    """Runs an exported ONNX graph; not re-entrant.

    device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.  threads: CPU threads, 0 for one per core.  TensorRT keeps
    its engines, which take minutes to build, in the cache.
    Raises InputError where onnxruntime or its provider is missing, a provider that is listed does not load, or the graph is damaged.
    """

    def __init__(self, graph: Graph, kind: BackendKind, device: str = "auto", threads: int = 0) -> None:
        try:
            onnxruntime = quiet_import("onnxruntime")
        except ImportError as error:
            raise missing_runtime(kind, error) from None
        self.name = kind.name
        providers, self.device = _providers(onnxruntime.get_available_providers(), kind, device, graph)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors only; it warns about every operator that a provider leaves to the CPU
        try:
            self._session = onnxruntime.InferenceSession(graph.model, options, providers=providers)
        except Exception as error:  # onnxruntime raises a class of its own for each kind of fault
            if self.device != "cpu":
                raise  # of the GPU, after which whoever asked may go on with the CPU
            raise InputError(f"model {graph.path} cannot be run by onnxruntime: {shown(error)}") from None
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


def engine_folder(graph: Graph) -> Path:
    """Where TensorRT keeps the engines of this graph and of no other: it names them by the graph's form, which models share."""
    return private_folder("engines", hashlib.sha256(graph.model).hexdigest()[:16])


def _providers(available: list[str], kind: BackendKind, device: str, graph: Graph) -> tuple[list, str]:
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
                "trt_engine_cache_path": str(engine_folder(graph))}))
        return providers + ["CPUExecutionProvider"], f"cuda:{index}"
    if kind.compiled or word == "cuda":
        raise InputError(f"backend {kind.name} on {device} needs {wanted}, which this onnxruntime does not have (it has "
                         f"{', '.join(available)}): pip install onnxruntime-gpu, or use device cpu and another backend")
    return ["CPUExecutionProvider"], "cpu"
