"""``hetnet gpu-check`` and ``scripts/gpu_check`` as a user meets them; one test runs the quick check on the CPU from end to end."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hetnet_ros.cli.main import main
from hetnet_ros.gpu_check.markdown import to_markdown
from hetnet_ros.gpu_check.plan import PARTS
from hetnet_ros.gpu_check.record import FAILED, LIMIT, OK, SKIPPED, PartResult, Row

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = [word for part in PARTS if part.quick_s for word in ("--limit", f"{part.name}=600")]
"""Limits that a busy machine does not reach either."""


def check(*words: str, cwd: Path) -> tuple[int, Path, Path]:
    """Exit code, and where the files are."""
    outputs = cwd / "out.json", cwd / "out.md"
    return main(["gpu-check", *words, "--json", str(outputs[0]), "--markdown", str(outputs[1])]), *outputs


def wide_tables(markdown: str) -> list[str]:
    """Rows of more than twelve columns, which no page of an issue shows at once."""
    return [line for line in markdown.splitlines() if line.startswith("|") and line.count("|") > 13]


def test_the_quick_check_on_the_cpu_is_fine(tmp_path):
    """The command of the documentation, from a folder of the user's."""
    done = subprocess.run([ROOT / "scripts" / "gpu_check", "--device", "cpu", "--quick", *PATIENCE], cwd=tmp_path, timeout=900,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    values, table = json.loads((tmp_path / "gpu_check.json").read_text()), (tmp_path / "gpu_check.md").read_text()
    assert values["format"] == "hetnet-gpu-check-1" and values["quick"] and values["device"] == "cpu"
    parts = {part["name"]: part for part in values["parts"]}
    assert list(parts) == [part.name for part in PARTS]
    expected = {part.name: OK if part.quick_s else SKIPPED for part in PARTS}
    if importlib.util.find_spec("rclpy") is None or importlib.util.find_spec("hetnet_ros.msg") is None:
        expected["node"] = SKIPPED
    assert {name: part["state"] for name, part in parts.items()} == expected
    figures = {name: {(row["table"], row["name"]): row["figures"] for row in part["rows"]} for name, part in parts.items()}
    torch = figures["edge-384"]["latency", "torch"]
    assert 0 < torch["p50_ms"] <= torch.get("p95_ms", torch["p50_ms"])  # of fewer than 20 runs there is no p95
    assert ("p95_ms" in torch) == (torch["runs"] >= 20) and table.startswith("### hetnet gpu-check --quick: tried on a CPU\n")
    assert all(torch[stage] > 0 for stage in ("decode", "preprocess", "network", "map", "regions"))
    assert figures["edge-384"]["throughput", "torch"]["batch_2"] > 0
    assert all(row["verdicts_flipped"] == 0 for row in figures["parity"].values() if row)
    assert figures["teach"]["teaching", "edge, 192 px"]["steps"] == 3
    if expected["node"] == OK:
        assert len(figures["node"]) == 2 and all(row["verdicts_hz"] > 0 for row in figures["node"].values())
    assert "Picture to verdict, `edge` at 384 px" in table
    assert not wide_tables(table)
    assert "gpu_check.md" in done.stdout.splitlines()[-1]


def test_without_a_card_it_says_what_torch_says_and_writes_nothing(tmp_path, capsys):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has the card whose absence is tested")
    for words in ([], ["--device", "cuda:7"]):
        code, *files = check(*words, "--limit", "machine=600", cwd=tmp_path)
        out, err = capsys.readouterr()
        assert code == 2 and err.count("\n") == 1 and "--device cpu" in err
        assert f"torch {torch.__version__} cannot use cuda:{7 if words else 0}" in err
        assert not any(file.exists() for file in files)


@pytest.mark.parametrize("words, said", [
    (["--device", "tpu"], "device is 'tpu'"), (["--only", "engine"], "invalid choice: 'engine'"), (["--limit", "node"], "PART=SECONDS"),
    (["--limit", "node=0"], "PART=SECONDS"), (["--limit", "engine=3"], "PART=SECONDS"), (["--data", "nowhere"], "is no folder"),
    (["--json", "/dev/null/x.json"], "/dev/null")])
def test_a_mistake_is_one_line(tmp_path, capsys, words, said):
    assert main(["gpu-check", "--device", "cpu", "--markdown", str(tmp_path / "out.md"), *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err


def test_a_part_past_its_limit_is_in_the_table_and_the_exit_code(tmp_path):
    code, values, table = check("--device", "cpu", "--only", "pictures", "--limit", "pictures=0.01", cwd=tmp_path)
    assert code == 1
    assert [part["state"] for part in json.loads(values.read_text())["parts"]] == ["ok", "limit"]
    assert re.search(r"\| pictures \| \*\*past its limit\*\* \|.*--limit pictures=SECONDS", table.read_text())


def test_ctrl_c_writes_what_was_measured(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "hetnet_ros.cli.main", "gpu-check", "--device", "cpu", "--only", "pictures"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("pictures:"):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and err == "hetnet: interrupted\n"
    parts = json.loads((tmp_path / "gpu_check.json").read_text())["parts"]
    assert [(part["name"], part["state"]) for part in parts] == [("machine", "ok"), ("pictures", "interrupted")]
    assert "**interrupted**" in (tmp_path / "gpu_check.md").read_text()


def test_what_libraries_say_cannot_break_the_table():
    rows = (Row("latency", "torch", {"p50_ms": 1.5, "batch": "a|b"}), Row("latency", "onnx", {}, FAILED, "<b>| no"))
    table = to_markdown([PartResult("speed", "Speed", FAILED, "a | b", 3.0, 10.0, rows)], on_cpu=True)
    assert "| torch | 1.5 | a\\|b |" in table and "- onnx: **failed**: &lt;b>\\| no" in table


def test_a_machine_part_without_a_row_leaves_no_empty_table():
    table = to_markdown([PartResult("machine", "Machine", LIMIT, "still running", 25.0, 25.0)], on_cpu=True)
    assert "|  |  |\n|---|---|" not in table and "| machine | **past its limit** | 25 | still running |" in table


def test_a_card_is_held_against_the_aims():
    def part(name: str, *rows: Row) -> PartResult:
        return PartResult(name, name, OK, rows=rows)

    results = [
        part("machine", Row("machine", "card", {"value": "NVIDIA H100, 79 GiB"})),
        part("parity", Row("parity", "torch", {"within_limits": "yes"}), Row("parity", "onnx", {"within_limits": "no"}, FAILED, "maps")),
        part("edge-384", Row("latency", "torch", {"p95_ms": 9.5}), Row("latency", "onnx", {"p95_ms": 2.0})),
        part("node", Row("node", "4 cameras, 640x480, 60 Hz", {"dropped": 0, "of": 720})),
        part("teach", Row("teaching", "edge, 384 px", {"seconds": 20.0}))]
    table = to_markdown(results, on_cpu=False)
    assert "### hetnet gpu-check: NVIDIA H100\n" in table
    assert "| 9.5 ms (torch) | **no** |" in table  # what gives other answers than the CPU is not fast
    assert "| 0 of 720 dropped | yes |" in table and "| 20.0 s | yes |" in table
    assert to_markdown(results[:1], on_cpu=False).count("| not measured |") == 3
    few = part("edge-384", Row("latency", "torch", {"p50_ms": 9.5}))  # too few runs for a p95
    assert to_markdown([*results[:2], few, *results[3:]], on_cpu=False).count("| not measured |") == 1
    assert "aim" not in to_markdown(results, on_cpu=True)


def test_the_script_needs_a_python_with_torch(tmp_path):
    """In a checkout that is not set up: nothing is installed, and one line says what is missing."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "gpu_check", tmp_path / "scripts")
    (tmp_path / "hetnet_ros").symlink_to(ROOT / "hetnet_ros")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HETNET_")}
    bare = tmp_path / "python3"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    run = lambda python: subprocess.run([tmp_path / "scripts" / "gpu_check", "--help"], env={**clean, "HETNET_PYTHON": python},  # noqa: E731
                                        capture_output=True, text=True, timeout=60)
    assert (run(str(bare)).returncode, run(str(bare)).stderr.count("\n")) == (2, 1)
    assert str(bare) in run(str(bare)).stderr
    found = run(sys.executable)
    assert found.returncode == 0 and "usage: hetnet gpu-check" in found.stdout


def test_teaching_and_the_check_need_nothing_of_recordings(tmp_path):
    """As on a machine with a card that brings torch and little else: without mcap, zstandard, rosbags and onnx."""
    script = tmp_path / "load.py"
    script.write_text(f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        absent = ("mcap", "zstandard", "rosbags", "onnx", "onnxruntime", "openvino", "rclpy")
        return None if name.split(".")[0] in absent else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path if hasattr(finder, "find_spec")]
import importlib
for name in {sorted({part.module for part in PARTS})!r}:
    importlib.import_module(name)
import hetnet_ros.learning.teach
import hetnet_ros.evaluation.datasets, hetnet_ros.evaluation.metrics
print("loaded")
""")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.endswith("loaded\n"), done.stderr
