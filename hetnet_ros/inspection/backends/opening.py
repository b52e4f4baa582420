"""A graph and the name of a backend in, the backend out; its runtime is imported here and not before."""

from __future__ import annotations

from hetnet_ros.inspection.backends.interface import Backend, BackendKind, Graph


def open_graph(graph: Graph, kind: BackendKind, device: str = "auto", threads: int = 0) -> Backend:
    """A backend on a graph; device is ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, threads 0 the library's choice.

    Raises InputError where the runtime is missing, the graph cannot be read or the device is not there.
    """
    if kind.runtime == "onnx":
        from hetnet_ros.inspection.backends.onnx_backend import OnnxBackend

        return OnnxBackend(graph, kind, device, threads)
    from hetnet_ros.inspection.backends.openvino_backend import OpenVinoBackend

    return OpenVinoBackend(graph, kind, device, threads)
