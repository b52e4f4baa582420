"""Whatever ends a part (an exception, memory, a crash, a hang) is told, costs that part alone, and keeps what was measured."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hetnet_ros.gpu_check.plan import PARTS, Part, Settings, chosen
from hetnet_ros.gpu_check.record import FAILED, INTERRUPTED, LIMIT, OK, SKIPPED
from hetnet_ros.gpu_check.reporter import why
from hetnet_ros.gpu_check.runner import Runner

ROOT = Path(__file__).resolve().parents[2]
LONG = 60.0
"""Limit of parts that end by themselves: not reached however busy the machine is."""


def part(how: str, limit: float = LONG, **options) -> Part:
    return Part(how, how, "parts_that_fail", limit, limit, arguments={"how": how}, **options)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs parts and gives their results by name; ``lines`` are what was said."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))))
    lines: list[str] = []

    def runs(*parts: Part, **limits: float):
        runner = Runner(Settings("cpu", False, "", False, str(tmp_path), str(tmp_path)), lines.append, limits)
        runner.run(parts)
        return {result.name: result for result in runner.results}

    runs.lines = lines
    return runs


def gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not, within some seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def states(result) -> dict[str, str]:
    return {row.name: row.state for row in result.rows}


def test_without_memory_a_unit_fails_and_the_next_is_measured(run):
    result = run(part("hungry"))["hungry"]
    assert states(result) == {"a": OK, "b": FAILED, "c": OK}
    assert result.state == FAILED and "no memory" in result.reason


@pytest.mark.parametrize("how, said", [("killed", "SIGKILL (no memory?)"), ("device_lost", "CUDA error")])
def test_what_ends_the_process_costs_one_unit(run, how, said):
    result = run(part(how))[how]
    assert states(result) == {"a": OK, "b": FAILED, "c": OK} and not result.fine
    assert said in next(row.reason for row in result.rows if row.name == "b")
    a, c = (row.figures["process"] for row in result.rows if row.state == OK)
    assert a != c  # the third was measured by a process that nothing had happened to


def test_a_process_that_ends_before_any_unit_is_told_with_its_last_words(run):
    result = run(part("killed_at_once"))["killed_at_once"]
    assert result.state == FAILED and "SIGKILL" in result.reason and "loading what does not fit" in result.reason


def test_a_part_past_its_limit_is_ended_with_all_it_started_and_the_rest_goes_on(run, tmp_path):
    found = run(part("hanging"), part("sound"), hanging=5.0)  # long enough to start Python on a busy machine
    assert found["hanging"].state == LIMIT and "--limit hanging=SECONDS" in found["hanging"].reason
    assert states(found["hanging"]) == {"a": OK, "b": LIMIT}
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())
    assert found["sound"].state == OK


def test_the_time_that_a_part_leaves_is_the_next_ones_in_the_quick_check(tmp_path, monkeypatch):
    """Its limits are those of a machine with nothing else to do."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))))
    for quick in (False, True):
        lines: list[str] = []
        runner = Runner(Settings("cpu", quick, "", False, str(tmp_path), str(tmp_path)), lines.append, {})
        for name in ("sound", "raising"):  # as the command, which asks whether the machine was fine before it goes on
            runner.run([part(name)])
        first, second = (float(seconds) for seconds in re.findall(r"at most (\d+) s", "\n".join(lines)))
        assert first == LONG and (LONG < second <= 2 * LONG if quick else second == LONG)


def test_a_part_that_raises_is_told_in_one_line(run):
    found = run(part("raising"), part("absent"), part("package_missing"), part("unit_absent"), part("not_finite"))
    assert (found["raising"].state, found["raising"].reason) == (FAILED, "ValueError: the part's own defect")
    assert (found["absent"].state, found["absent"].reason) == (SKIPPED, "this machine has no such thing")
    assert found["package_missing"].state == SKIPPED and "a_package_that_nobody_has is not installed" in found["package_missing"].reason
    assert found["unit_absent"].state == OK and states(found["unit_absent"]) == {"a": OK, "b": SKIPPED}
    assert found["not_finite"].rows[0].figures == {"value_1": "not finite", "value_2": 1.5}
    assert any("a_package_that_nobody_has" in line for line in run.lines)


def test_parts_that_need_a_failed_one_are_not_run(run):
    found = run(part("raising"), part("sound", needs=("raising",)))
    assert (found["sound"].state, found["sound"].reason) == (SKIPPED, "needs raising, which failed")


def test_ctrl_c_ends_the_part_and_keeps_what_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))))

    def say(line: str) -> None:
        if line.startswith("  a:"):
            raise KeyboardInterrupt

    runner = Runner(Settings("cpu", False, "", False, str(tmp_path), str(tmp_path)), say, {})
    with pytest.raises(KeyboardInterrupt):
        runner.run([part("hanging"), part("sound")])
    assert [(result.name, result.state) for result in runner.results] == [("hanging", INTERRUPTED), ("sound", INTERRUPTED)]
    assert states(runner.results[0])["a"] == OK
    if (tmp_path / "pids").exists():  # it may have been ended before it hung
        assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_part_does_not_outlive_the_check(tmp_path):
    """SIGKILL to the runner itself, which can then end nothing."""
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_gpu_check_runner import part
from hetnet_ros.gpu_check.plan import Settings
from hetnet_ros.gpu_check.runner import Runner
Runner(Settings("cpu", False, "", False, {str(tmp_path)!r}, {str(tmp_path)!r}), print, {{}}).run([part("hanging")])
"""
    paths = (str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH"))
    runner = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))})
    deadline = time.monotonic() + LONG
    while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text().count(" "):
        assert time.monotonic() < deadline and runner.poll() is None
        time.sleep(0.05)
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    assert all(gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


@pytest.mark.parametrize("text", ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory: 1 bytes",
                                  "Failed to allocate memory for requested buffer of size 7"])
def test_the_libraries_words_for_want_of_memory_are_known(text):
    assert why(RuntimeError(text)) == f"no memory: {text}"
    assert why(MemoryError()) == "no memory: MemoryError"


def test_the_limits_keep_the_check_within_eight_minutes_and_the_quick_one_within_three():
    assert sum(part.limit(False) for part in PARTS) <= 8 * 60
    assert sum(part.limit(True) for part in PARTS) <= 3 * 60


def test_the_documentation_has_every_part_with_its_limit():
    text = (ROOT / "docs" / "gpu.md").read_text()
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `")]
    found = {name: limit for names, limits in rows
             for name, limit in zip(re.findall(r"`([\w-]+)`", names), limits.replace(" and what the others left", "").split(","))}
    assert {name: limit.strip() for name, limit in found.items()} == {
        part.name: "likewise" if part.name == "tensorrt" else f"{part.limit_s:g}" for part in PARTS}


def test_a_part_brings_those_it_needs():
    assert [part.name for part in chosen(["parity"])] == ["machine", "pictures", "model", "parity"]
    assert [part.name for part in chosen(["host"])] == ["machine", "host"]
    assert chosen([]) == list(PARTS)
