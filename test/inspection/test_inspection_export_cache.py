"""The cache is not believed: an export counts only where nobody else wrote it and where it is this very model's."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.inspection import choice
from hetnet_ros.inspection.artifact import load_artifact, save_artifact
from hetnet_ros.inspection.backends.interface import BACKENDS, Graph
from hetnet_ros.inspection.backends.onnx_backend import engine_folder
from hetnet_ros.inspection.export import export_model
from hetnet_ros.inspection.export_cache import CachedExports
from hetnet_ros.inspection.exported import Description, read_exported, write_exported
from hetnet_ros.inspection.onnx_description import taken_apart
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.inspection.private_cache import private_folder

ONNX = BACKENDS["onnx"]


@pytest.fixture
def cache(tmp_path, weights_cache, monkeypatch) -> Path:
    """A cache of its own, with the tiny model's teachers."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "weights").symlink_to(weights_cache / "weights")
    monkeypatch.setenv("HETNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def made(tiny_model, tmp_path_factory) -> Path:
    """The export of the tiny model, made once."""
    path = tmp_path_factory.mktemp("made") / "part.onnx"
    export_model(tiny_model, path, "onnx")
    return path


@pytest.fixture
def kept(cache, tiny_model, made) -> Path:
    """The export of the tiny model in the cache."""
    path = CachedExports(tiny_model).path(ONNX)
    shutil.copy(made, path)
    return path


def made_again(kept: Path, model: Path) -> bool:
    """Whether asking for the export writes it anew; what is given is the model's either way."""
    before = kept.lstat().st_ino
    exported = CachedExports(model)[ONNX]
    artifact = load_artifact(model)
    assert exported.description.model_id == artifact.model_id and exported.description.card == artifact.card
    return kept.lstat().st_ino != before


def written_again(kept: Path, change) -> None:
    """Put an export into the cache whose description was changed and whose digest is right."""
    description, graph = read_exported(kept), kept.with_name("graph.onnx")
    graph.write_bytes(taken_apart(kept.read_bytes())[0])
    write_exported(graph, kept, change(description))
    graph.unlink()


def test_what_was_kept_is_taken(kept, tiny_model):
    assert not made_again(kept, tiny_model)


def lenient(description: Description) -> Description:
    calibration = dataclasses.replace(description.card.calibration, score_accept=description.card.calibration.score_reject)
    return dataclasses.replace(description, card=dataclasses.replace(description.card, calibration=calibration))


@pytest.mark.parametrize("change", [
    lenient, lambda d: dataclasses.replace(d, made_by="0.0.1"),
    lambda d: dataclasses.replace(d, arrays={**d.arrays, "domain.references": d.arrays["domain.references"][::-1].copy()})],
    ids=["thresholds", "version", "references"])
def test_what_is_another_models_or_was_made_otherwise_is_made_again(kept, tiny_model, change):
    written_again(kept, change)
    assert made_again(kept, tiny_model) and not made_again(kept, tiny_model)


def test_another_models_export_under_this_ones_name_is_not_taken(kept, tiny_model, tmp_path):
    artifact = load_artifact(tiny_model)
    other = tmp_path / "other.safetensors"
    save_artifact(other, dataclasses.replace(artifact.card, part_name="other"), artifact.tensors)
    export_model(other, kept, "onnx")
    assert PartInspector.load(tiny_model, "cpu", backend="onnx").part_name == artifact.card.part_name


def test_a_file_that_others_can_write_to_is_made_again(kept, tiny_model):
    kept.chmod(0o664)
    assert made_again(kept, tiny_model)


def test_a_link_is_not_followed(kept, tiny_model):
    elsewhere = kept.with_name("elsewhere.onnx")
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)
    assert made_again(kept, tiny_model) and not kept.is_symlink()


def test_a_folder_that_others_can_write_to_is_closed(kept, tiny_model):
    kept.parent.chmod(0o777)
    assert not made_again(kept, tiny_model)
    assert kept.parent.stat().st_mode & 0o022 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_what_belongs_to_another_user_is_not_believed(kept, tiny_model):
    os.chown(kept, 12345, 12345)
    assert made_again(kept, tiny_model)
    os.chown(kept.parent, 12345, 12345)
    with pytest.raises(InputError, match="belongs to another user.*HETNET_CACHE"):
        CachedExports(tiny_model)[ONNX]


@pytest.mark.parametrize("text", ['{"backend": "nonsense", "reason": ""}', '{"backend": "onnx"}', '["onnx"]', "",
                                  '{"backend": "onnx", "reason": 5}', '{"backend": "torch", "backend": "onnx", "reason": ""}', "null"])
def test_a_remembered_choice_that_is_none_is_measured_again(cache, tiny_model, monkeypatch, text):
    monkeypatch.setattr(choice, "_measure", lambda *arguments: choice.Choice("torch", "measured"))
    assert choice.choose_backend(tiny_model, "cpu").reason == "measured"
    remembered = next((cache / "choices").iterdir())
    assert json.loads(remembered.read_text())["backend"] == "torch"
    remembered.write_text(text)
    assert choice.choose_backend(tiny_model, "cpu").reason == "measured"
    assert json.loads(remembered.read_text())["backend"] == "torch"
    remembered.write_text('{"backend": "onnx", "reason": "planted"}')
    remembered.chmod(0o666)
    assert choice.choose_backend(tiny_model, "cpu").reason == "measured"


def test_engines_of_two_graphs_are_kept_apart(cache):
    """TensorRT names an engine by the graph's form, which two models of one preset share."""
    folders = {engine_folder(Graph(Path("part.onnx"), data)) for data in (b"one", b"other")}
    assert len(folders) == 2 and all(folder.parent == private_folder("engines") for folder in folders)
