"""Exported models: a graph for one backend, with the model's card, its own thresholds and how it compared to torch.

ONNX: one ``.onnx`` file that holds all of it in ``metadata_props``, appended to the graph, since a protobuf message may be
written in pieces.  OpenVINO: ``.xml`` and ``.bin``, and a ``.json`` beside them.  Either names the hash of the graph, and a
graph that is not the one described is refused: thresholds hold for the numbers of their own backend only.
Nothing here imports torch or a runtime.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import ModelCard, card_from_values
from hetnet_ros.inspection.backends.interface import BACKENDS, BackendKind, backend_kind
from hetnet_ros.inspection.parity import Parity
from hetnet_ros.own_files import OwnFiles

FORMAT = "hetnet-export-2"
_READ = ("hetnet-export-1", FORMAT)  # 1 knew no crop
SUFFIXES = (".onnx", ".xml")
_KEY = "hetnet"


@dataclass(frozen=True)
class Description:
    """What an exported graph comes with.

    card: the model's, with the thresholds of this backend.  model_id: of the model file it was exported from.  backend: the one
    it was checked on.  parity: how it compared to torch.  arrays: the model's tensors outside the network, by name.
    """

    card: ModelCard
    model_id: str
    backend: BackendKind
    parity: Parity
    arrays: dict[str, np.ndarray]


def is_exported(path: Path) -> bool:
    """Whether ``path`` is named like an exported model."""
    return Path(path).suffix in SUFFIXES


def graph_files(path: Path) -> tuple[Path, ...]:
    """The files that make up the graph, without the description of an OpenVINO model."""
    return (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)


def check_exported_place(path: Path) -> OwnFiles | None:
    """Raise InputError where one of the files that an OpenVINO export puts beside ``path`` would replace a file that no export
    wrote.  An export that is whole describes itself, so it may be replaced whoever made it."""
    if path.suffix != ".xml":
        return None
    own = OwnFiles(path.parent, f"give {path.name} another name")
    beside = [path.with_suffix(suffix).name for suffix in (".bin", ".json")]
    try:
        read_exported(path)
    except InputError:
        own.check(beside)
    else:
        for name in beside:
            own.adopt(name)
    return own


def write_exported(graph: Path, path: Path, description: Description, cache: bool = False) -> None:
    """Move a graph (``.onnx``, or ``.xml`` with its ``.bin``) that was written to a temporary place to ``path``, described.

    cache: it goes to hetnet's own cache, where whatever lies at its place is replaced.  Raises InputError where it cannot be
    written, or a user's file is in its way.
    """
    own = None if cache else check_exported_place(path)
    text = _to_json(description, _hash(graph_files(graph)))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".onnx":
            data = graph.read_bytes()
            _replace(path, data + _metadata_props({_KEY: text, "graph_bytes": str(len(data))}))
        else:
            beside = _replace if own is None else lambda target, data: own.write(target.name, data)
            beside(path.with_suffix(".bin"), graph.with_suffix(".bin").read_bytes())
            _replace(path, graph.read_bytes())
            beside(path.with_suffix(".json"), text.encode())
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def read_exported(path: Path) -> Description:
    """The description of an exported model, checked against the graph.

    Raises InputError where files are absent or damaged, belong to something else, or graph and description are no pair.
    """
    path = Path(path)
    for file in graph_files(path):
        if not file.is_file():
            raise InputError(f"exported model {file} does not exist or is no file: check the path, or make one with hetnet "
                             "export")
    if path.suffix == ".onnx":
        text, digest = _read_onnx(path)
    else:
        beside = path.with_suffix(".json")
        if not beside.is_file():
            raise InputError(f"{path} has no card beside it ({beside.name}): keep the .xml, .bin and .json of hetnet export "
                             "together")
        text, digest = beside.read_text(errors="replace"), _hash(graph_files(path))
    try:
        values = json.loads(text)
        if values["format"] not in _READ:
            raise ValueError(f"format {values['format']!r}, this hetnet reads {' and '.join(_READ)}")
        description = Description(
            card=card_from_values(values["card"]), model_id=str(values["model_id"]), backend=BACKENDS[values["backend"]],
            parity=Parity(**values["parity"]), arrays={name: _from_base64(entry) for name, entry in values["arrays"].items()})
    except (ValueError, KeyError, TypeError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"the card of exported model {path} is not valid ({said}): export it again") from None
    if values["graph_sha256"] != digest:
        raise InputError(f"the graph of exported model {path} is not the one its card describes: it was changed, damaged or "
                         "mixed with another; export it again")
    return description


def check_backend(path: Path, description: Description, wanted: str | None) -> BackendKind:
    """The backend to run ``path`` with; ``wanted`` None leaves it to the file.

    Raises InputError where another is wanted than the one whose numbers the thresholds belong to.
    """
    if wanted is None:
        return description.backend
    kind = backend_kind(wanted)
    if kind != description.backend:
        raise InputError(f"exported model {path} was made and calibrated for backend {description.backend.name}, not {wanted}: "
                         f"use that one, or export the model for {wanted}")
    return kind


def _to_json(description: Description, digest: str) -> str:
    return json.dumps({
        "format": FORMAT, "model_id": description.model_id, "backend": description.backend.name, "graph_sha256": digest,
        "parity": dataclasses.asdict(description.parity), "card": dataclasses.asdict(description.card),
        "arrays": {name: _to_base64(array) for name, array in sorted(description.arrays.items())}}, sort_keys=True)


def _to_base64(array: np.ndarray) -> dict[str, object]:
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "base64": data}


def _from_base64(entry: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(entry["base64"]), np.dtype(entry["dtype"])).reshape(entry["shape"])


def _read_onnx(path: Path) -> tuple[str, str]:
    """The description's text and the hash of the graph before it."""
    from hetnet_ros.inspection.backends.onnx_backend import read_metadata

    metadata = read_metadata(path, BACKENDS["onnx"])
    if _KEY not in metadata or not metadata.get("graph_bytes", "").isdigit():
        raise InputError(f"{path} is an ONNX file but no exported hetnet model (it has no card): make one with hetnet export")
    with path.open("rb") as file:
        return metadata[_KEY], hashlib.sha256(file.read(int(metadata["graph_bytes"]))).hexdigest()


def _hash(files: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _metadata_props(values: dict[str, str]) -> bytes:
    """A serialised ModelProto with nothing but metadata_props."""
    try:
        import onnx
    except ImportError as error:
        raise InputError(f"exporting to ONNX needs the package onnx ({error}): pip install onnx") from None
    message = onnx.ModelProto()
    for key, value in values.items():
        message.metadata_props.add(key=key, value=value)
    return message.SerializeToString()


def _replace(path: Path, data: bytes) -> None:
    """Write ``path`` so that it is either the old file or the whole new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False) as part:
        try:
            part.write(data)
            part.close()
            os.chmod(part.name, 0o644)  # temporary files are private; a node may run as another user
            os.replace(part.name, path)
        finally:
            if os.path.exists(part.name):
                os.unlink(part.name)
