"""Models that look at the same cameras read their 16-bit values alike, or are refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from hetnet_ros.srv import LoadModel
from inspection_cell import Cell

from hetnet_ros.inspection.artifact import load_artifact, save_artifact

Start = Callable[..., Cell]


@pytest.fixture(scope="module")
def of_12_bits(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    artifact = load_artifact(tiny_model)
    path = tmp_path_factory.mktemp("bits") / "twelve.safetensors"
    save_artifact(path, dataclasses.replace(artifact.card, sample_bits=12), artifact.tensors)
    return path


def test_a_recipe_of_models_of_other_bits_is_refused(start_inspector: Start, tiny_model: Path, of_12_bits: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"views:\n  top: {{model: {of_12_bits}}}\n")
    cell = start_inspector(model=str(tiny_model), recipe=str(recipe))
    assert not cell.transition("configure")
    assert cell.set_parameter("model", str(of_12_bits)).successful
    assert cell.transition("configure")
    refused = cell.call("load_model", LoadModel, model_path=str(tiny_model))
    assert not refused.success and "by 16 bits" in refused.message and "by 12" in refused.message
