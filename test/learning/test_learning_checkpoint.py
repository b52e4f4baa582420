"""A checkpoint that is none, or was damaged, is one line; what is sound goes on."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hetnet_ros.errors import InputError
from hetnet_ros.learning import trainer as trainer_module
from hetnet_ros.learning.checkpoint import checkpoint_path, read_checkpoint
from hetnet_ros.learning.preset import Preset, load_preset
from hetnet_ros.learning.teach import teach
from hetnet_ros.network.tensor_files import read_tensors


@pytest.fixture(scope="module")
def short(tiny_preset, weights_cache) -> Preset:
    preset = load_preset(str(tiny_preset))
    return dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=4))


@pytest.fixture(scope="module")
def interrupted(short, tiny_data, tmp_path_factory) -> Path:
    """A model path beside which the checkpoint of two steps lies."""
    model = tmp_path_factory.mktemp("interrupted") / "m.safetensors"
    step = trainer_module.Trainer._train_step

    def stopped(self):
        if self.step == 2:
            raise KeyboardInterrupt
        return step(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer_module.Trainer, "_train_step", stopped)
        with pytest.raises(KeyboardInterrupt):
            teach(tiny_data, model, short, device="cpu", progress=False)
    return model


def refused(model: Path, short: Preset, data: Path, said: str) -> None:
    with pytest.raises(InputError, match=said) as error:
        teach(data, model, short, device="cpu", resume=True, progress=False)
    assert "\n" not in str(error.value) and "--resume" in str(error.value)


def test_a_checkpoint_says_where_it_left_off(interrupted):
    found = read_checkpoint(checkpoint_path(interrupted))
    assert found.step == 2 and found.loss > 0


@pytest.mark.parametrize("meta", [
    "", "[]", "{}", '{"run": "x", "step": "2", "loss": 1}', '{"run": "x", "step": -1, "loss": 1}', '{"run": "x", "step": true, "loss": 1}',
    '{"run": "x", "step": 2, "loss": NaN}', '{"run": "x", "run": "y", "step": 2, "loss": 1}'])
def test_what_is_no_checkpoint_is_told_before_anything_is_computed(tmp_path, short, tiny_data, meta):
    save_file({"a": torch.zeros(1)}, checkpoint_path(tmp_path / "m.safetensors"), {"hetnet_checkpoint": meta})
    refused(tmp_path / "m.safetensors", short, tiny_data, "no hetnet checkpoint")


@pytest.mark.parametrize("change", [
    lambda t, name: {k: v for k, v in t.items() if k != name}, lambda t, name: {**t, name: t[name][None].clone()},
    lambda t, name: {**t, name: torch.full_like(t[name], float("nan"))}, lambda t, _: {**t, "optimizer.99999.exp_avg": torch.zeros(1)},
    lambda t, _: {**t, "optimizer.word.exp_avg": torch.zeros(1)}, lambda t, _: {**t, "optimizer.0.exp_avg": torch.zeros(7)}],
    ids=["absent", "shape", "nan", "number", "word", "moment"])
def test_a_damaged_checkpoint_is_refused(interrupted, short, tiny_data, tmp_path, change):
    metadata, tensors = read_tensors(checkpoint_path(interrupted), "checkpoint", 10**9, "")
    assert json.loads(metadata["hetnet_checkpoint"])["step"] == 2
    name = next(key for key, value in tensors.items() if key.startswith("network.") and value.dim() == 2)
    save_file(change(tensors, name), checkpoint_path(tmp_path / "m.safetensors"), metadata)
    refused(tmp_path / "m.safetensors", short, tiny_data, "is damaged")


def test_a_checkpoint_of_gigabytes_is_not_read(tmp_path, short, tiny_data):
    path = checkpoint_path(tmp_path / "m.safetensors")
    path.touch()
    os.truncate(path, 8 * 2**30)
    refused(tmp_path / "m.safetensors", short, tiny_data, "at most")
