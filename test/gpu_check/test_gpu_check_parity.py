"""Parity tells a backend that gives other answers: other scores, maps or verdicts, or no numbers at all, or that raises."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hetnet_ros.gpu_check.parity import Answer, compare, violations
from hetnet_ros.gpu_check.plan import PARTS, Settings
from hetnet_ros.gpu_check.record import FAILED, OK, SKIPPED
from hetnet_ros.gpu_check.runner import Runner
from hetnet_ros.inspection.result import Verdict

MAP = np.linspace(0, 2, 64, dtype=np.float32).reshape(8, 8)


def answer(verdict: Verdict, score: float, factor: float = 1.0) -> Answer:
    return Answer(verdict, score, MAP * np.float32(factor))


REFERENCE = [answer(Verdict.PASS, 0.5), answer(Verdict.UNCERTAIN, 0.95), answer(Verdict.REJECT, 2.0)]


def changed(index: int, other: Answer) -> list[Answer]:
    return [other if place == index else same for place, same in enumerate(REFERENCE)]


def test_the_same_answers_are_within_the_limits():
    for exact in (True, False):
        found = compare(REFERENCE, REFERENCE, exact)
        assert violations(found, exact, 3) == []
        assert (found.score, found.map, found.moved, found.flipped) == (0, 0, 0, 0) and found.map_correlation == pytest.approx(1)


@pytest.mark.parametrize("exact, other, said", [
    (True, answer(Verdict.PASS, 0.51), "scores differ"),  # by 0.01; rounding in float32 may make 0.002
    (False, answer(Verdict.PASS, 0.65), "scores differ"),  # by 0.15; lower precision may make 0.1
    (True, answer(Verdict.PASS, 0.5, 1.01), "maps differ"),
    (False, answer(Verdict.PASS, 0.5, 1.3), "maps differ"),
    (False, answer(Verdict.REJECT, 0.55), "between PASS and REJECT: 1"),
    (True, answer(Verdict.UNCERTAIN, 0.505), "to or from UNCERTAIN: 1"),
    (False, answer(Verdict.PASS, float("nan")), "scores differ"),
    (False, answer(Verdict.PASS, 0.5, float("nan")), "maps differ"),
])
def test_other_answers_are_told(exact, other, said):
    found = compare(REFERENCE, changed(0, other), exact)
    assert any(said in line for line in violations(found, exact, 3))


def test_a_verdict_that_lower_precision_moves_to_uncertain_is_counted_and_allowed():
    found = compare(REFERENCE, changed(0, answer(Verdict.UNCERTAIN, 0.55)), False)
    assert (found.moved, found.flipped) == (1, 0) and violations(found, False, 3) == []


def test_a_score_at_the_very_threshold_may_fall_to_either_side():
    """The threshold was made from it; the difference is below what rounding in float32 makes."""
    reference = [answer(Verdict.PASS, 0.9999), *REFERENCE]
    found = compare(reference, [answer(Verdict.REJECT, 1.0), *REFERENCE], True)
    assert (found.moved, found.flipped) == (0, 0)


def test_a_backend_that_raises_is_told_and_the_others_are_measured(tiny_model, weights_cache, tiny_data, tmp_path, monkeypatch):
    """An ONNX Runtime that imports and then fails, as one that is built for another machine does."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "onnxruntime.py").write_text("""
__version__ = "0"
def get_available_providers():
    return ["CPUExecutionProvider"]
class GraphOptimizationLevel:
    ORT_DISABLE_ALL = 0
class SessionOptions:
    pass
class InferenceSession:
    def __init__(self, *arguments, **options):
        raise RuntimeError("no kernel image is available for execution")
""")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(broken), os.environ.get("PYTHONPATH")))))
    work = tmp_path / "work"
    (work / "models").mkdir(parents=True)
    shutil.copy(tiny_model, work / "models" / "edge-384.safetensors")  # the tiny model, where the part looks for its own
    shutil.copytree(weights_cache / "weights", work / "cache" / "weights")
    shutil.copytree(tiny_data / "test", work / "cell" / "test")
    runner = Runner(Settings("cpu", True, "", False, str(work), str(Path.home() / "nowhere")), print, {"parity": 300.0})
    runner.run([part for part in PARTS if part.name == "parity"])
    result, = runner.results
    rows = {row.name: row for row in result.rows}
    assert result.state == FAILED and rows["onnx"].state == FAILED
    assert "no kernel image is available" in rows["onnx"].reason
    assert rows["torch-bf16"].state in (OK, SKIPPED)  # not every CPU computes bfloat16
    assert any("6 good and 6 defective pictures" in note for note in result.notes)
