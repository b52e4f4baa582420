"""An inspector that was given a public key takes signed models only, however they come to it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("cryptography")

from hetnet_ros.msg import Inspection  # noqa: E402
from hetnet_ros.srv import LoadModel  # noqa: E402
from inspection_cell import Cell  # noqa: E402

from hetnet_ros.inspection.artifact import load_artifact  # noqa: E402
from hetnet_ros.inspection.signature import make_keys, read_private_key, sign  # noqa: E402

Start = Callable[..., Cell]


@pytest.fixture(scope="module")
def models(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A signed model, one that is not, and the public key."""
    folder = tmp_path_factory.mktemp("signed")
    signed, plain, key = folder / "signed.safetensors", folder / "plain.safetensors", folder / "line.key"
    for path in (signed, plain):
        shutil.copy(tiny_model, path)
    public = make_keys(key)
    sign(signed, load_artifact(signed).digest, read_private_key(key))
    return signed, plain, public


def test_only_signed_models_come_into_an_inspector_with_a_key(start_inspector: Start, models: tuple[Path, Path, Path]) -> None:
    signed, plain, public = models
    cell = start_inspector(model=str(plain), public_key=str(public))
    assert not cell.transition("configure") and cell.state() == "unconfigured"
    assert cell.set_parameter("model", str(signed)).successful
    assert cell.transition("configure") and cell.transition("activate")
    assert cell.inspect().verdict == Inspection.PASS
    refused = cell.call("load_model", LoadModel, model_path=str(plain))
    assert not refused.success and "is not signed" in refused.message
    assert not cell.set_parameter("public_key", "").successful
    assert cell.call("load_model", LoadModel, model_path=str(signed)).success


def test_a_recipe_brings_no_unsigned_model_in(start_inspector: Start, models: tuple[Path, Path, Path], tmp_path: Path) -> None:
    signed, plain, public = models
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"views:\n  top: {{model: {plain}}}\n")
    cell = start_inspector(model=str(signed), public_key=str(public), recipe=str(recipe))
    assert not cell.transition("configure")
    recipe.write_text(f"views:\n  top: {{model: {signed}}}\n")
    assert cell.transition("configure")


def test_a_key_that_cannot_be_read_is_no_reason_to_take_any_model(start_inspector: Start, models: tuple[Path, Path, Path]) -> None:
    cell = start_inspector(model=str(models[0]), public_key="/no/such.pub")
    assert not cell.transition("configure")
