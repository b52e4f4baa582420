"""The inspector on another backend than torch: exported models, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, values, wait_for

from hetnet_ros.inspection.export import export_model

Start = Callable[..., Cell]


@pytest.fixture(scope="module")
def exported(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "part.onnx"
    export_model(tiny_model, path, "onnx")
    return path


def test_an_exported_model_is_inspected_with(start_inspector: Start, exported: Path) -> None:
    cell = start_inspector(model=str(exported), max_rate=50.0, autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")
    assert cell.inspect().verdict == Inspection.PASS
    status = cell.diagnosis("model", lambda status: status.level == status.OK, "the model's report")
    assert values(status)["backend"] == "onnx" and values(status)["path"] == str(exported)


def test_a_backend_whose_thresholds_these_are_not_is_refused(start_inspector: Start, exported: Path) -> None:
    cell = start_inspector(model=str(exported), backend="openvino")
    assert not cell.transition("configure")
    assert cell.state() == "unconfigured"
    assert cell.set_parameter("backend", "file").successful
    assert cell.transition("configure")
    assert not cell.set_parameter("backend", "torch").successful
