"""The OpenVINO backend: the fastest on Intel CPUs, in float32, bfloat16 (AMX, AVX-512) or 8-bit integers.

The graph is compiled for a fixed number of images, which lets OpenVINO fold every shape away; another number compiles once
more.  bfloat16 is a mode of the same file; int8 is another file, quantised when it was exported.
"""

from __future__ import annotations

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.backends.interface import BackendKind, Graph, NetworkOutput, missing_runtime
from hetnet_ros.inspection.backends.quiet_import import quiet_import


class OpenVinoBackend:
    """Runs an exported OpenVINO graph; not re-entrant.

    device: ``auto`` and ``cpu`` are the CPU.  threads: CPU threads, 0 for one per core.
    Raises InputError where openvino is missing, the graph is damaged or another device is asked for.
    """

    def __init__(self, graph: Graph, kind: BackendKind, device: str = "auto", threads: int = 0) -> None:
        if device not in ("auto", "cpu"):
            raise InputError(f"backend {kind.name} runs on the CPU, not on {device}: set device to cpu or use another backend")
        try:
            openvino = quiet_import("openvino")
        except ImportError as error:
            raise missing_runtime(kind, error) from None
        self.name, self.device = kind.name, "cpu"
        self._core = openvino.Core()
        try:
            self._model = self._core.read_model(graph.model, graph.weights)
        except RuntimeError as error:
            raise InputError(f"model {graph.path} is not a readable OpenVINO file: {shown(error)}") from None
        self._options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads,
                         "INFERENCE_PRECISION_HINT": "bf16" if kind.precision == "bf16" else "f32"}
        self._requests: dict[int, object] = {}

    def __call__(self, images: np.ndarray) -> NetworkOutput:
        """uint8 (B, S, S, 3) -> outputs for each image."""
        request = self._requests.get(len(images)) or self._compile(images.shape)
        request.infer([np.ascontiguousarray(images)], share_inputs=True)
        return NetworkOutput(*(np.array(request.get_output_tensor(index).data, np.float32) for index in range(3)))

    def _compile(self, shape: tuple[int, ...]):  # noqa: ANN202 - openvino is imported late
        self._model.reshape(list(shape))
        request = self._core.compile_model(self._model, "CPU", self._options).create_infer_request()
        self._requests[shape[0]] = request
        return request


def supports_bf16() -> bool:
    """Whether the CPU computes bfloat16 itself; elsewhere that precision is emulated and gains nothing."""
    try:
        openvino = quiet_import("openvino")
    except ImportError:
        return False
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
