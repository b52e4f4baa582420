"""Exports cannot be forged: whatever is changed, appended or mixed is refused before a runtime sees it."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import load_artifact
from hetnet_ros.inspection.export import export_model
from hetnet_ros.inspection.exported import FORMAT, read_exported
from hetnet_ros.inspection.part_inspector import PartInspector


@pytest.fixture(scope="module")
def originals(tiny_model, tmp_path_factory) -> Path:
    """A folder with the tiny model exported as part.onnx and part.xml."""
    folder = tmp_path_factory.mktemp("originals")
    export_model(tiny_model, folder / "part.onnx", "onnx")
    export_model(tiny_model, folder / "part.xml", "openvino")
    return folder


@pytest.fixture
def exported(originals, tmp_path) -> Path:
    """A copy to forge."""
    shutil.copytree(originals, tmp_path / "copy")
    return tmp_path / "copy"


def refused(path: Path, said: str = ".") -> None:
    with pytest.raises(InputError, match=said) as error:
        PartInspector.load(path, "cpu")
    assert "\n" not in str(error.value) and str(path.with_suffix("")) in str(error.value) and len(str(error.value)) < 1000


def described(folder: Path, opened: str) -> Path:
    """The file that holds the description of an export."""
    return folder / ("part.onnx" if opened == "part.onnx" else "part.json")


OPENED = ("part.onnx", "part.xml")


@pytest.mark.parametrize("opened", OPENED)
@pytest.mark.parametrize("name", ["score_accept", "score_reject", "familiar", "darkest", "score_shift", "smoothing_sigma", "x"])
def test_a_number_edited_in_place_is_refused(exported, opened, name):
    """Of the same length, so that nothing else of the file moves."""
    path = described(exported, opened)
    data = path.read_bytes()
    found = re.search(rb'"%s": -?\d*(\d)\.' % name.encode(), data)
    place = found.start(1)
    path.write_bytes(data[:place] + (b"8" if data[place:place + 1] != b"8" else b"7") + data[place + 1:])
    refused(exported / opened)


@pytest.mark.parametrize("opened", OPENED)
def test_references_edited_in_place_are_refused(exported, opened):
    path = described(exported, opened)
    data = path.read_bytes()
    place = data.index(b'"domain.references"') + 100
    path.write_bytes(data[:place] + (b"A" if data[place:place + 1] != b"A" else b"B") + data[place + 1:])
    refused(exported / opened)


@pytest.mark.parametrize("opened", OPENED)
def test_another_models_id_is_refused(exported, tiny_model, opened):
    path, model_id = described(exported, opened), load_artifact(tiny_model).model_id.encode()
    path.write_bytes(path.read_bytes().replace(model_id, bytes(reversed(model_id))))
    refused(exported / opened, "not the one its card describes")


def test_two_of_a_name_are_refused(exported):
    """Appended, they would win in Python's reader; a length of the same digits keeps the ONNX file readable."""
    path = exported / "part.json"
    path.write_bytes(path.read_bytes().replace(b'"parity": {', b'"parity": {"images": 99, '))
    refused(exported / "part.xml", "'images' is given twice")


@pytest.mark.parametrize("opened", OPENED)
@pytest.mark.parametrize("tail", [b"\0", b" ", b"{}"])
def test_nothing_may_follow(exported, opened, tail):
    for file in exported.glob("part.*"):
        before = file.read_bytes()
        file.write_bytes(before + tail)
        if file.suffix == ".onnx" or opened == "part.xml":
            refused(file.with_name("part.onnx" if file.suffix == ".onnx" else "part.xml"))
        file.write_bytes(before)
    assert PartInspector.load(exported / opened, "cpu").backend in ("onnx", "openvino")


@pytest.mark.parametrize("where", ["behind", "between", "before"])
def test_a_weight_appended_to_an_onnx_file_is_refused(exported, where):
    """A message may be written in pieces: an initializer of a name that is there replaces it, for every reader of ONNX."""
    onnx = pytest.importorskip("onnx")
    path = exported / "part.onnx"
    data = path.read_bytes()
    whole = onnx.load(path)
    weight = max(whole.graph.initializer, key=lambda one: len(one.raw_data))
    piece = onnx.ModelProto()
    piece.graph.initializer.add().CopyFrom(weight)
    piece.graph.initializer[0].raw_data = bytes(len(weight.raw_data))
    more = piece.SerializeToString()
    graph = data.rindex(b"r" + _varint(len(_last_entry(whole))) + b"\n\x06hetnet")
    forged = {"behind": data + more, "between": data[:graph] + more + data[graph:], "before": more + data}[where]
    path.write_bytes(forged)
    assert onnx.load(path).metadata_props[-1].key  # an ONNX file still
    refused(path)


def _last_entry(model) -> bytes:  # noqa: ANN001 - onnx.ModelProto
    return model.metadata_props[-1].SerializeToString()


def _varint(value: int) -> bytes:
    groups = []
    while value >= 0x80:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])


def test_a_second_description_is_refused(exported):
    onnx = pytest.importorskip("onnx")
    path = exported / "part.onnx"
    first = onnx.load(path).metadata_props[-1].value
    for value in ("{}", first, first.replace('"x": 0.0', '"x": 0.1')):
        for key in ("hetnet", "graph_bytes", "other"):
            piece = onnx.ModelProto()
            piece.metadata_props.add(key=key, value=value)
            forged = exported / "forged.onnx"
            forged.write_bytes(path.read_bytes() + piece.SerializeToString())
            refused(forged, "beside or behind")


def test_halves_of_two_exports_are_refused(exported, originals, tiny_model):
    """The same graph for another precision: only the digest tells them apart."""
    export_model(tiny_model, exported / "other.xml", "openvino-bf16")
    shutil.copy(exported / "other.json", exported / "part.json")
    (exported / "part.bin").write_bytes((exported / "part.bin").read_bytes()[:-1] + b"\x01")
    refused(exported / "part.xml", "not the one its card describes")


@pytest.mark.parametrize("old", ["hetnet-export-1", "hetnet-export-2"])
def test_an_older_format_is_refused_with_the_command_that_renews_it(exported, old):
    """As those versions wrote it: a digest of the graph alone, in an ONNX file with the graph's length as one more entry."""
    onnx = pytest.importorskip("onnx")
    values = json.loads((exported / "part.json").read_text())
    values = {**{name: value for name, value in values.items() if name not in ("digest", "graph_bytes", "hetnet")}, "format": old,
              "graph_sha256": "0" * 64}
    (exported / "part.json").write_text(json.dumps(values, sort_keys=True))
    again = re.escape(f"hetnet export MODEL.safetensors --format openvino --precision fp32 -o {exported / 'part.xml'}")
    refused(exported / "part.xml", again)
    data = (exported / "part.onnx").read_bytes()
    whole = onnx.load(exported / "part.onnx")
    graph = data[:-len(_piece(onnx, hetnet=whole.metadata_props[-1].value))]
    text = json.dumps({**values, "backend": "onnx-tensorrt"}, sort_keys=True)
    (exported / "part.onnx").write_bytes(graph + _piece(onnx, hetnet=text, graph_bytes=str(len(graph))))
    again = re.escape(f"hetnet export MODEL.safetensors --format onnx --precision fp16 -o {exported / 'part.onnx'}")
    refused(exported / "part.onnx", again)


def _piece(onnx, **entries: str) -> bytes:  # noqa: ANN001
    message = onnx.ModelProto()
    for key, value in entries.items():
        message.metadata_props.add(key=key, value=value)
    return message.SerializeToString()


@pytest.mark.parametrize("suffix, size", [(".bin", 8 * 2**30), (".json", 3 * 2**30), (".xml", 3 * 2**30), (".onnx", 8 * 2**30)])
def test_a_file_of_gigabytes_is_not_read(exported, suffix, size):
    """Sparse, so that it takes no room on the disk; read, it would take as much memory."""
    os.truncate(exported / f"part{suffix}", size)
    refused(exported / ("part.onnx" if suffix == ".onnx" else "part.xml"))


@pytest.mark.parametrize("suffix", [".bin", ".json", ".xml", ".onnx"])
def test_a_pipe_hangs_nobody(exported, suffix):
    (exported / f"part{suffix}").unlink()
    os.mkfifo(exported / f"part{suffix}")
    refused(exported / ("part.onnx" if suffix == ".onnx" else "part.xml"), "named pipe")


def test_the_description_names_its_format_and_model(exported, tiny_model):
    values = json.loads((exported / "part.json").read_text())
    assert values["format"] == FORMAT and values["model_id"] == load_artifact(tiny_model).model_id
    assert values["graph_bytes"] == [(exported / f"part{suffix}").stat().st_size for suffix in (".xml", ".bin")]
    assert read_exported(exported / "part.xml").card == load_artifact(tiny_model).card
