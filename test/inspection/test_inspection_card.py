"""A model's card is checked before anything is done for it: nothing is fetched, built or overwritten, and no limit is switched off."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import resource
import socket
from pathlib import Path

import pytest
import timm
from safetensors.torch import save_file

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import Artifact, load_artifact
from hetnet_ros.inspection.part_inspector import PartInspector
from hetnet_ros.network.weights import hash_tensors


class Raw(str):
    """A text that goes into the card as it is, to write what JSON has no name for."""


@pytest.fixture(scope="module")
def artifact(tiny_model) -> Artifact:
    return load_artifact(tiny_model)


def forged(folder: Path, artifact: Artifact, changes: dict[str, object], tensors: dict | None = None) -> Path:
    """A model file with another card, by ``place.of.value``, and the digest that belongs to it."""
    values = json.loads(json.dumps(dataclasses.asdict(artifact.card)))
    raw = {}
    for place, value in changes.items():
        *outer, name = place.split(".")
        there = values
        for key in outer:
            there = there[int(key) if isinstance(there, list) else key]
        if isinstance(value, Raw):
            raw[json.dumps(f"@{place}")], value = value, f"@{place}"
        there[int(name) if isinstance(there, list) else name] = value
    text = json.dumps(values, sort_keys=True)
    for mark, value in raw.items():
        text = text.replace(mark, value)
    tensors = artifact.tensors if tensors is None else tensors
    digest = hashlib.sha256(f"{text}|{hash_tensors(tensors)}".encode()).hexdigest()
    path = folder / "forged.safetensors"
    save_file(tensors, path, {"hetnet": json.dumps({"card": text, "digest": digest})})
    return path


def refused(path: Path, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        PartInspector.load(path, "cpu")
    assert "\n" not in str(error.value) and str(path) in str(error.value) and len(str(error.value)) < 1000


def test_a_card_that_was_not_changed_is_read(artifact, tmp_path):
    assert load_artifact(forged(tmp_path, artifact, {})).model_id == artifact.model_id


@pytest.mark.parametrize("name", [
    "hf-hub:somebody/model", "hf_hub:somebody/model", "local-dir:/tmp/x/../..", "../../escape", "/etc/passwd", "a/b", "a.b.c", "",
    "a" * 101, "timm/resnet18", "resnet18\n", "http://127.0.0.1/x"])
@pytest.mark.parametrize("which", ["cnn", "transformer"])
def test_no_teacher_is_named_that_could_lead_to_a_hub_or_a_folder(artifact, tmp_path, monkeypatch, name, which):
    monkeypatch.setattr(socket.socket, "connect", lambda *arguments: pytest.fail("a connection was opened"))
    number = ("cnn", "transformer").index(which)
    before = sorted(tmp_path.rglob("*"))
    path = forged(tmp_path, artifact, {f"network.{which}.model": name, f"teachers.{number}.model": name})
    refused(path, "no plain timm name")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, path])


def test_loading_a_model_asks_no_hub(artifact, tmp_path, monkeypatch):
    """A teacher that timm knows and this machine lacks: its shapes fit, its weights are nowhere."""
    create, asked = timm.create_model, []
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(timm, "create_model", lambda *a, pretrained=False, **k: asked.append(a) if pretrained else create(*a, **k))
    name = "vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    path = forged(tmp_path, artifact, {"network.transformer.model": name, "teachers.1.model": name})
    with pytest.raises(InputError, match=f"asks no hub: copy {name}.safetensors from the weights cache"):
        PartInspector.load(path, "cpu")
    assert not asked


NUMBERS = ["calibration.score_accept", "calibration.score_reject", "calibration.pixel", "calibration.score_steepness",
           "calibration.pixel_steepness", "calibration.good_scores.0", "calibration.false_reject", "calibration.doubt",
           "domain.familiar", "domain.foreign", "domain.level", "domain.statistics.darkest", "domain.statistics.brightest",
           "domain.statistics.dark", "domain.statistics.saturated", "domain.statistics.sharpness", "training.loss", "crop.width",
           "network.smoothing_sigma", "network.cnn.mean.0", "network.transformer.std.2", "network.place_level", "network.dropout"]


@pytest.mark.parametrize("place", NUMBERS)
@pytest.mark.parametrize("value", [Raw("NaN"), Raw("1e999"), Raw("-1e40"), "0.5", None], ids=str)
def test_a_number_that_is_none_is_refused(artifact, tmp_path, place, value):
    path = forged(tmp_path, artifact, {place: value})
    with pytest.raises(InputError, match="card of model .* is (damaged|not valid)") as error:
        load_artifact(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize("changes, said", [
    ({"teachers": []}, "expected 2 values"), ({"teachers.0.sha256": "0" * 63}, "no SHA-256"),
    ({"teachers.0.model": "resnet18"}, "names the weights of resnet18"),
    ({"network.image_size": 8192}, "image_size"), ({"network.depth": 100_000}, "depth"), ({"network.embedding": 10**6}, "embedding"),
    ({"network.fusion_widths": [8, 16, 10**6]}, "fusion_widths"), ({"network.cnn.input_size": 10**5}, "input_size"),
    ({"network.transformer.input_size": 2048, "network.transformer.patch_size": 4}, "patches"),
    ({"network.cnn.indices": [0] * 10**4}, "indices"), ({"network.cnn.indices": [-1, 2, 3]}, "indices"),
    ({"network.place_memory": 10**6}, "place_memory"), ({"network.map_student": "x" * 10**5}, "map_student"),
    ({"domain.statistics.darkest": -1e6}, "darkest"), ({"domain.statistics.brightest": 1e6}, "brightest"),
    ({"domain.statistics.dark": 100.0}, "dark"), ({"domain.statistics.sharpness": -1e6}, "sharpness"),
    ({"domain.familiar": 7.0, "domain.foreign": 7.0}, "familiar"), ({"domain.familiar": 1.0, "domain.foreign": 0.5}, "wrong order"),
    ({"calibration.score_accept": 1e9}, "ordered"), ({"calibration.good_scores": [2.0, 1.0]}, "ascend"),
    ({"calibration.good_scores": []}, "at least one"), ({"training.images": -1}, "images"), ({"surprise": 1}, "unknown key"),
    ({"calibration.surprise": 1}, "unknown key"), ({"format_version": 3.0}, "format version"), ({"format_version": True}, "format version"),
])
def test_a_card_that_no_teaching_gives_is_refused(artifact, tmp_path, changes, said):
    refused(forged(tmp_path, artifact, changes), said)


def test_two_values_of_one_name_are_refused(artifact, tmp_path):
    text = json.dumps(artifact.card.calibration.score_accept)
    refused(forged(tmp_path, artifact, {"calibration.score_accept": Raw(f'{text}, "score_accept": 1e9')}), "is damaged")


def test_a_huge_network_is_refused_before_it_takes_memory(artifact, tmp_path):
    """Each setting is within its bounds; together they would take some 30 GB, and the file does not hold them."""
    path = forged(tmp_path, artifact, {"network.image_size": 2048, "network.embedding": 4096, "network.depth": 64})
    load_artifact(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, "does not fit the network in its own card")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024  # KiB


@pytest.mark.parametrize("name, change", [
    ("domain.references", lambda t: t.float()), ("domain.references", lambda t: t[:, :-1]), ("domain.taught", lambda t: t[None]),
    ("export.images", lambda t: t[:, 1:]), ("memory.kept", lambda t: t.float()), ("anomaly_map.places", lambda t: t[:, :-1])])
def test_a_tensor_of_another_type_or_shape_is_refused(artifact, tmp_path, name, change):
    tensors = {**artifact.tensors, name: change(artifact.tensors[name]).contiguous()}
    refused(forged(tmp_path, artifact, {}, tensors), f"does not fit the network in its own card .{name}")


def test_a_file_with_more_than_its_card_is_refused(artifact, tmp_path, tiny_model):
    from safetensors import safe_open

    with safe_open(str(tiny_model), "pt") as file:
        metadata = dict(file.metadata())
    save_file(artifact.tensors, tmp_path / "more.safetensors", {**metadata, "other": "text"})
    refused(tmp_path / "more.safetensors", "is damaged")
    (tmp_path / "longer.safetensors").write_bytes(tiny_model.read_bytes() + b"\0")
    refused(tmp_path / "longer.safetensors", "not a readable safetensors file")


def test_a_name_that_drives_a_terminal_is_shown_as_text(artifact, tmp_path):
    path = forged(tmp_path, artifact, {"part_name": "lid\x1b[2J\n" + "x" * 10**5, "preset": "edge\x07"})
    card = load_artifact(path).card
    assert card.part_name.startswith("lid\\x1b[2J\\nxx") and len(card.part_name) < 300 and card.preset.isprintable()
    card.preset.encode()  # a message can carry it


def test_a_card_that_nobody_could_read_is_not_written(artifact, tmp_path):
    from hetnet_ros.inspection.artifact import save_artifact

    domain = dataclasses.replace(artifact.card.domain, familiar=float("inf"), foreign=float("inf"))
    with pytest.raises(InputError, match="domain.familiar is inf"):
        save_artifact(tmp_path / "m.safetensors", dataclasses.replace(artifact.card, domain=domain), artifact.tensors)
    assert not list(tmp_path.iterdir())
