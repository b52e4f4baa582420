"""The model file: what is written is read back, and what was changed, damaged or foreign is refused in one line."""

import dataclasses
import json

import pytest
import safetensors
import torch
from model_fixtures import made_up_part
from safetensors.torch import save_file

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import load_artifact, save_artifact
from hetnet_ros.inspection.part_inspector import PartInspector


def parts(path):
    with safetensors.safe_open(str(path), "pt") as file:
        return dict(file.metadata()), {k: file.get_tensor(k) for k in file.keys()}


def refused(path, said):
    with pytest.raises(InputError, match=said) as error:
        PartInspector.load(path, "cpu")
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_round_trip_keeps_card_tensors_and_verdicts(tiny_model, tmp_path):
    artifact = load_artifact(tiny_model)
    copy = tmp_path / "copy.safetensors"
    assert save_artifact(copy, artifact.card, artifact.tensors) == artifact.model_id
    again = load_artifact(copy)
    assert again.card == artifact.card
    assert all(torch.equal(again.tensors[k], v) for k, v in artifact.tensors.items())
    image = made_up_part(1, defect=True)
    first, second = (PartInspector.load(p, "cpu").inspect(image) for p in (tiny_model, copy))
    assert first.raw_score == second.raw_score and first.verdict == second.verdict


def test_the_file_holds_no_teacher_and_no_pickle(tiny_model):
    metadata, tensors = parts(tiny_model)
    assert list(metadata) == ["hetnet"] and not any(name.startswith("teachers.") for name in tensors)


def test_a_changed_weight_is_refused(tiny_model, tmp_path):
    metadata, tensors = parts(tiny_model)
    name = next(k for k, v in tensors.items() if v.is_floating_point())
    tensors[name].view(-1)[0] += 1e-3
    save_file(tensors, tmp_path / "m.safetensors", metadata)
    refused(tmp_path / "m.safetensors", "does not match its digest")


def test_a_changed_threshold_is_refused(tiny_model, tmp_path):
    metadata, tensors = parts(tiny_model)
    wrapper = json.loads(metadata["hetnet"])
    card = json.loads(wrapper["card"])
    card["calibration"]["score_reject"] *= 10
    wrapper["card"] = json.dumps(card, sort_keys=True)
    save_file(tensors, tmp_path / "m.safetensors", {"hetnet": json.dumps(wrapper)})
    refused(tmp_path / "m.safetensors", "does not match its digest")


def test_a_truncated_file_and_one_flipped_byte_are_refused(tiny_model, tmp_path):
    data = bytearray(tiny_model.read_bytes())
    short, flipped = tmp_path / "short.safetensors", tmp_path / "flipped.safetensors"
    short.write_bytes(data[:len(data) // 2])
    refused(short, "not a readable safetensors file")
    data[-100] ^= 0x10
    flipped.write_bytes(data)
    refused(flipped, "does not match its digest")


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.safetensors").write_text("hello")
    refused(tmp_path / "text.safetensors", "not a readable safetensors file")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    refused(tmp_path / "foreign.safetensors", "no hetnet model")
    refused(tmp_path / "absent.safetensors", "does not exist")
    refused(tmp_path, "is a folder")


def test_another_format_version_is_refused(tiny_model, tmp_path):
    artifact = load_artifact(tiny_model)
    save_artifact(tmp_path / "m.safetensors", dataclasses.replace(artifact.card, format_version=99), artifact.tensors)
    refused(tmp_path / "m.safetensors", "format version 99")


def test_other_teacher_weights_are_refused(tiny_model, tmp_path):
    artifact = load_artifact(tiny_model)
    other = tuple(dataclasses.replace(t, sha256="0" * 64) for t in artifact.card.teachers)
    save_artifact(tmp_path / "m.safetensors", dataclasses.replace(artifact.card, teachers=other), artifact.tensors)
    refused(tmp_path / "m.safetensors", "taught with other weights")


def test_missing_tensors_and_values_that_are_not_finite_are_refused(tiny_model, tmp_path):
    artifact = load_artifact(tiny_model)
    name = next(k for k, v in artifact.tensors.items() if v.is_floating_point())
    fewer = {k: v for k, v in artifact.tensors.items() if k != name}
    save_artifact(tmp_path / "fewer.safetensors", artifact.card, fewer)
    refused(tmp_path / "fewer.safetensors", "does not fit the network")
    broken = dict(artifact.tensors, **{name: torch.full_like(artifact.tensors[name], float("nan"))})
    save_artifact(tmp_path / "nan.safetensors", artifact.card, broken)
    refused(tmp_path / "nan.safetensors", "not finite")


def test_a_device_that_is_not_there_is_refused(tiny_model):
    with pytest.raises(InputError, match="device is 'gpu'"):
        PartInspector.load(tiny_model, "gpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="CUDA devices"):
            PartInspector.load(tiny_model, "cuda")
        assert PartInspector.load(tiny_model, "cuda", allow_cpu_fallback=True).device == "cpu"
