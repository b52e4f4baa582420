"""From a model file to one graph for one backend, checked against torch before it is kept.

The order of the work is the order of this file: read the model, trace it, quantise it where int8 is asked for, run both on the
good images that the model file carries, and write graph, card and parity figures together.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import EXAMPLES, Artifact, load_artifact
from hetnet_ros.inspection.backends.interface import BackendKind, Graph, backend_kind, missing_runtime
from hetnet_ros.inspection.backends.opening import open_graph
from hetnet_ros.inspection.backends.quiet_import import quiet_import
from hetnet_ros.inspection.exported import Description, fitted_card, outside_arrays, write_exported
from hetnet_ros.inspection.parity import Parity, compare, run_in_batches, trial_images
from hetnet_ros.network.hetnet import HetNet

MIN_IMAGES = 4


def export_model(model: Path, output: Path, backend: str, images: np.ndarray | None = None) -> Parity:
    """Export ``model`` for ``backend`` to ``output`` (``.onnx`` or ``.xml``, as the backend wants it).

    images: good images uint8 (N, S, S, 3) at the network's size, in place of those in the model file; four or more.
    Raises InputError for files, a backend or images that cannot be used, and where the result does not give torch's answers;
    ``output`` is then untouched.
    """
    kind = backend_kind(backend)
    if kind.runtime == "torch":
        raise InputError(f"backend {backend} runs the model file itself: nothing is to be exported")
    if output.suffix != kind.suffix:
        raise InputError(f"exported model {output} must end in {kind.suffix} for backend {backend}")
    return Exporter(model, images).export(kind, output)


class Exporter:
    """A model ready to be exported for several backends: torch's answers are computed once."""

    def __init__(self, model: Path, images: np.ndarray | None = None) -> None:
        """Raises InputError as :func:`export_model` does."""
        from hetnet_ros.inspection.backends.torch_backend import TorchBackend, resolve_device
        from hetnet_ros.inspection.model_network import build_network

        self._artifact = load_artifact(Path(model))
        self._trial = trial_images(_good_images(model, self._artifact, images))
        self._network = build_network(Path(model), self._artifact)
        self._reference = run_in_batches(TorchBackend(self._network, resolve_device("cpu")), self._trial.images, batch=8)

    def export(self, kind: BackendKind, output: Path, cache: bool = False) -> Parity:
        """Write the graph for ``kind`` where it gives torch's answers, else raise InputError.  cache: ``output`` is in hetnet's own
        cache, where nothing is a user's."""
        artifact, trial = self._artifact, self._trial
        with tempfile.TemporaryDirectory() as folder:
            graph = _write_graph(self._network, kind, trial.images[trial.good], Path(folder))
            other = run_in_batches(open_graph(Graph.read(graph), kind), trial.images)
            parity, _ = compare(kind, trial, self._reference, other, artifact.card.calibration)
            card = fitted_card(artifact.card, kind, parity)
            write_exported(graph, output, Description(card, artifact.model_id, kind, parity, outside_arrays(artifact)), cache)
        return parity


def _good_images(model: Path, artifact: Artifact, images: np.ndarray | None) -> np.ndarray:
    if images is None and EXAMPLES in artifact.tensors:
        images = artifact.tensors[EXAMPLES].numpy()
    if images is None or len(images) < MIN_IMAGES:
        found = "no" if images is None else f"only {len(images)}"
        raise InputError(f"there are {found} good images to check the export of {model} with, and it needs {MIN_IMAGES}: give a "
                         "folder of them with --images, or teach the part again with more images")
    return images


def _write_graph(network: HetNet, kind: BackendKind, good: np.ndarray, folder: Path) -> Path:
    from hetnet_ros.inspection.graph import export_onnx

    try:
        import onnx  # noqa: F401 - torch writes the graph with it
    except ImportError as error:
        raise InputError(f"exporting needs the package onnx, which does not import here ({error}): pip install onnx") from None
    graph = folder / "graph.onnx"
    export_onnx(network, graph)
    if kind.runtime == "onnx":
        return graph
    try:
        openvino = quiet_import("openvino")
    except ImportError as error:
        raise missing_runtime(kind, error) from None
    model = openvino.Core().read_model(str(graph))
    if kind.precision == "int8":
        model = _quantised(model, good)
    openvino.save_model(model, str(folder / "graph.xml"), compress_to_fp16=False)
    return folder / "graph.xml"


def _quantised(model, good: np.ndarray):  # noqa: ANN001, ANN202 - openvino.Model
    """Post-training quantisation of the teachers, where the time goes.  What compares features stays in float: it measures
    differences that 8 bits would round away."""
    try:
        import logging

        nncf = quiet_import("nncf")
    except ImportError as error:
        raise InputError(f"int8 needs nncf, which does not import here ({error}): pip install nncf") from None
    logging.getLogger("nncf").setLevel(logging.ERROR)
    return nncf.quantize(model, nncf.Dataset(good, lambda image: image[None]), preset=nncf.QuantizationPreset.MIXED,
                         model_type=nncf.ModelType.TRANSFORMER, subset_size=len(good),
                         ignored_scope=nncf.IgnoredScope(patterns=[r"^(?!.*/teachers/).*$"]))
