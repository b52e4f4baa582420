"""Exported models: a graph for one backend, with the model's card, its own thresholds and how it compared to torch.

ONNX: one ``.onnx`` file, the description behind the graph (:mod:`onnx_description`).  OpenVINO: ``.xml`` and ``.bin``, and a
``.json`` beside them.  One digest covers the description and every byte of the graph: thresholds hold for the numbers of their own
backend only, and a file that was changed anywhere is refused before a runtime sees it.
Nothing here imports torch or a runtime.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetnet_ros import __version__, plain_json
from hetnet_ros.configuration import from_mapping
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection import onnx_description
from hetnet_ros.inspection.artifact import REFERENCES, TAUGHT, Artifact, ModelCard, card_from_values
from hetnet_ros.inspection.backends.interface import BACKENDS, BackendKind, Graph, backend_kind
from hetnet_ros.inspection.card_bounds import check_card, check_parity
from hetnet_ros.inspection.domain import MAX_REFERENCES
from hetnet_ros.inspection.parity import Parity, shifted
from hetnet_ros.inspection.signature import signature_file
from hetnet_ros.own_files import OwnFiles
from hetnet_ros.user_files import MB, read_bytes
from hetnet_ros.whole_files import write_file

FORMAT = "hetnet-export-3"
OLDER = ("hetnet-export-1", "hetnet-export-2")
"""Their digest covered the graph alone, so that their thresholds could be changed unseen."""
SUFFIXES = (".onnx", ".xml")
GRAPH_LIMIT = 2048 * MB
"""Of each file of a graph; protobuf, and so ONNX, holds no more."""
XML_LIMIT, CARD_LIMIT = 256 * MB, 32 * MB
_DTYPES = {REFERENCES: "<f2", TAUGHT: "<i8"}


@dataclass(frozen=True)
class Description:
    """What an exported graph comes with.

    card: the model's, with the thresholds of this backend.  model_id: of the model file it was exported from.  backend: the one
    it was checked on.  parity: how it compared to torch.  arrays: the model's tensors outside the network, by name.  made_by: the
    version of hetnet that exported it.  digest: SHA-256, in hex, over all of this and every byte of the graph; empty before it is written.
    """

    card: ModelCard
    model_id: str
    backend: BackendKind
    parity: Parity
    arrays: dict[str, np.ndarray]
    made_by: str = __version__
    digest: str = ""


@dataclass(frozen=True)
class Exported:
    """An exported model in memory, checked: its description and the graph to run."""

    description: Description
    graph: Graph


def is_exported(path: Path) -> bool:
    """Whether ``path`` is named like an exported model."""
    return Path(path).suffix in SUFFIXES


def graph_files(path: Path) -> tuple[Path, ...]:
    """The files that make up the graph, without the description of an OpenVINO model."""
    return (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)


def export_files(path: Path) -> tuple[Path, ...]:
    """All files of an exported model."""
    return (*graph_files(path), path.with_suffix(".json")) if path.suffix == ".xml" else (path,)


def model_files(path: Path | None) -> tuple[Path, ...]:
    """All files that inspecting with the model at ``path`` reads, whichever kind it is: its own, and its signature."""
    return () if path is None else (*export_files(path), signature_file(path))


def fitted_card(card: ModelCard, kind: BackendKind, parity: Parity) -> ModelCard:
    """The model's card with the thresholds that suit a backend whose scores and maps differ from torch's by these factors."""
    calibration = card.calibration if kind.exact else shifted(card.calibration, parity.score_shift, parity.map_shift)
    domain = dataclasses.replace(card.domain, level=card.domain.level * parity.map_shift)
    return dataclasses.replace(card, calibration=calibration, domain=domain)


def outside_arrays(artifact: Artifact) -> dict[str, np.ndarray]:
    """The tensors of a model that its graph does not hold and inspection needs."""
    return {name: artifact.tensors[name].numpy() for name in _DTYPES}


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
    parts = [file.read_bytes() for file in graph_files(graph)]
    text = _to_json(description, parts)
    if path.suffix == ".onnx":
        write_file(path, onnx_description.joined(parts[0], text))
        return
    beside = write_file if own is None else lambda target, data: own.write(target.name, data)
    xml, weights = parts
    beside(path.with_suffix(".bin"), weights)
    write_file(path, xml)
    beside(path.with_suffix(".json"), text.encode())


def read_exported(path: Path) -> Description:
    """The description of an exported model, checked as by :func:`open_exported`."""
    return open_exported(path).description


def open_exported(path: Path) -> Exported:
    """Read an exported model and check it, every byte of it.

    Raises InputError where files are absent, changed or damaged, belong to something else or to an older format.
    """
    path = Path(path)
    remedy = "check the path, or make one with hetnet export"
    if path.suffix == ".onnx":
        data = read_bytes(path, "exported model", GRAPH_LIMIT, remedy)
        try:
            graph, text = onnx_description.taken_apart(data)
        except LookupError:
            raise InputError(f"{path} is an ONNX file but no exported hetnet model (it has no card): make one with hetnet "
                             "export") from None
        except ValueError as error:
            raise InputError(f"exported model {path} is not a readable ONNX file of hetnet export ({error}): export it "
                             "again") from None
        return Exported(_described(path, _values(path, text), [graph]), Graph(path, graph))
    xml = read_bytes(path, "exported model", XML_LIMIT, remedy)
    beside = path.with_suffix(".json")
    text = read_bytes(beside, "card of the exported model,", CARD_LIMIT, "keep the .xml, .bin and .json of hetnet export together")
    values = _values(path, text)
    weights = _sized(path, path.with_suffix(".bin"), values["graph_bytes"][-1])
    return Exported(_described(path, values, [xml, weights]), Graph(path, xml, weights))


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


def _to_json(description: Description, parts: list[bytes]) -> str:
    values = {
        "format": FORMAT, "hetnet": description.made_by, "model_id": description.model_id, "backend": description.backend.name,
        "graph_bytes": [len(part) for part in parts], "parity": dataclasses.asdict(description.parity),
        "card": dataclasses.asdict(description.card),
        "arrays": {name: _to_base64(array) for name, array in description.arrays.items()}}
    return _canonical({**values, "digest": _digest(values, parts)})


def _canonical(values: dict) -> str:
    return json.dumps(values, sort_keys=True, allow_nan=False)


def _digest(values: dict, parts: list[bytes]) -> str:
    """Over the description, without its digest, and every byte of the graph's files."""
    hashes = [hashlib.sha256(data).hexdigest() for data in (_canonical(values).encode(), *parts)]
    return hashlib.sha256("|".join(hashes).encode()).hexdigest()


def _values(path: Path, text: bytes) -> dict:
    """The values of a description of this format, as they were written; InputError for any other text."""
    try:
        if len(text) > CARD_LIMIT:
            raise ValueError(f"it has {len(text) / MB:,.0f} MB")
        values = plain_json.parse(text.decode())
        found = values["format"]
        if found in OLDER:
            raise InputError(_renewal(path, found, values.get("backend")))
        if found != FORMAT:
            raise ValueError(f"format {shown(found, 40)!r}, this hetnet reads {FORMAT}")
        sizes = values["graph_bytes"]
        if len(sizes) != len(graph_files(path)) or not all(type(size) is int and 0 < size <= GRAPH_LIMIT for size in sizes):
            raise ValueError("it does not say how large the graph is")
        if _canonical(values).encode() != text:
            raise ValueError("it is not as hetnet export writes it")
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the card of exported model {path} is not valid ({shown(error)}): export it again") from None
    return values


def _renewal(path: Path, found: str, backend: object) -> str:
    kind = BACKENDS.get(backend if isinstance(backend, str) else "")
    how = f"--format {kind.runtime} --precision {kind.precision}" if kind else "--format onnx"
    return (f"exported model {path} is of the older format {found}, whose digest does not cover its thresholds: export it again from "
            f"its model file, hetnet export MODEL.safetensors {how} -o {path}")


def _sized(path: Path, file: Path, size: int) -> bytes:
    """A file of the graph, which has so many bytes."""
    if file.is_file() and file.stat().st_size != size:  # what else may be wrong with it is told by reading it
        raise InputError(_mixed(path))
    return read_bytes(file, "exported model", size, "keep the .xml, .bin and .json of hetnet export together")


def _mixed(path: Path) -> str:
    return (f"the graph of exported model {path} is not the one its card describes: graph or card was changed, damaged or "
            "mixed with another; export it again")


def _described(path: Path, values: dict, parts: list[bytes]) -> Description:
    """The description, checked against the graph; InputError where they are no pair or its content is none."""
    values = dict(values)
    digest = values.pop("digest", None)
    if digest != _digest(values, parts):
        raise InputError(_mixed(path))
    try:
        kind, model_id, made_by = BACKENDS[values["backend"]], values["model_id"], values["hetnet"]
        if kind.suffix != path.suffix or [len(part) for part in parts] != values["graph_bytes"]:
            raise ValueError("it is of another kind of file")
        if type(model_id) is not str or not re.fullmatch("[0-9a-f]{16}", model_id) or type(made_by) is not str:
            raise ValueError("it does not name its model")
        card, parity = card_from_values(values["card"]), from_mapping(Parity, values["parity"], "parity")
        check_card(card)
        check_parity(parity)
        if kind.exact and (parity.score_shift, parity.map_shift) != (1, 1):
            raise ValueError("thresholds of an exact backend do not shift")
        if set(values["arrays"]) != set(_DTYPES):
            raise ValueError("it holds other arrays than those of a model")
        arrays = {name: _from_base64(name, entry) for name, entry in values["arrays"].items()}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"the card of exported model {path} is not valid ({shown(error)}): export it again") from None
    return Description(card, model_id, kind, parity, arrays, made_by, digest)


def _to_base64(array: np.ndarray) -> dict[str, object]:
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "base64": data}


def _from_base64(name: str, entry: dict) -> np.ndarray:
    """One of a model's arrays; raises ValueError, KeyError or TypeError where it is none."""
    if set(entry) != {"dtype", "shape", "base64"} or entry["dtype"] != _DTYPES[name]:
        raise ValueError(f"{name} is of another type")
    array = np.frombuffer(base64.b64decode(entry["base64"], validate=True), np.dtype(_DTYPES[name]))
    if name == REFERENCES:
        rows, width = entry["shape"]
        if not 1 <= rows <= MAX_REFERENCES or not np.isfinite(array).all():
            raise ValueError(f"{name} are not finite, or too many")
        return array.reshape(rows, width)
    if entry["shape"] != [len(array)]:
        raise ValueError(f"{name} has another shape")
    return array

