"""``hetnet export`` and ``hetnet bench``: from a model file to another runtime and back to verdicts."""

from __future__ import annotations

import json

import pytest
from model_fixtures import made_up_part, write_images

from hetnet_ros.cli.main import main


@pytest.fixture(scope="module")
def exported(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "part.onnx"
    assert main(["export", str(tiny_model), "--format", "onnx", "-o", str(path)]) == 0
    return path


def test_an_export_is_checked_and_inspects(exported, tmp_path, capsys):
    images = write_images(tmp_path / "images", [made_up_part(900), made_up_part(901, defect=True)])
    assert main(["predict", str(exported), str(images), "-o", str(tmp_path / "out"), "--backend", "onnx"]) == 0
    good, defective = capsys.readouterr().out.splitlines()[:2]
    assert good.startswith("PASS") and not defective.startswith("PASS")


def test_good_images_may_be_given(tiny_model, tiny_data, tmp_path, capsys):
    path = tmp_path / "part.onnx"
    images = str(tiny_data / "train" / "good")
    assert main(["export", str(tiny_model), "--format", "onnx", "-o", str(path), "--images", images]) == 0
    assert "against torch: 35 images" in capsys.readouterr().out  # 16 good, 16 with pasted defects, 3 extremes


@pytest.mark.parametrize("words, said", [
    (["--format", "onnx", "--precision", "int8", "-o", "a.onnx"], "--precision int8 is not for --format onnx"),
    (["--format", "openvino", "-o", "a.onnx"], "must end in .xml"),
    (["--format", "onnx", "-o", "a.onnx", "--images", "nowhere"], "nowhere")])
def test_mistakes_are_one_line(tiny_model, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(tiny_model), *words]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error and len(error.splitlines()) == 1 and not list(tmp_path.glob("a.*"))


def test_bench_measures_and_writes_json(exported, tmp_path, capsys):
    file = tmp_path / "bench.json"
    assert main(["bench", str(exported), "--rounds", "3", "--json", str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("onnx ")
    row = json.loads(file.read_text())["backends"]["onnx"]
    assert row["runs"] == 3 and 0 < row["p50_ms"] <= row["p95_ms"] and row["peak_mb"] > 10 and row["first_ms"] > 0


def test_bench_refuses_more_threads_than_a_machine_can_start(exported, capsys):
    assert main(["bench", str(exported), "--threads", "100000"]) == 2
    assert capsys.readouterr().err == "hetnet: error: --threads is 100000: use 0 to 256\n"


def test_bench_refuses_a_backend_that_the_model_is_not_for(exported, capsys):
    assert main(["bench", str(exported), "--backend", "openvino"]) == 2
    assert "made and calibrated for backend onnx, not openvino" in capsys.readouterr().err
