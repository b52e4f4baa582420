"""The line under fire, a minute and a half of it: ``benchmarks/fire.py`` with a small model taught in seconds.

How many good parts come through says little of such a model; that none of the promises breaks says much.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MINUTES = 1.5


@pytest.fixture(scope="module")
def fire(source_root: Path, tmp_path_factory: Any) -> tuple[dict[str, Any], str]:
    """The figures that were written, and what was printed."""
    if not (source_root / "benchmarks").is_dir():
        pytest.skip("installed without the benchmarks")
    folder = tmp_path_factory.mktemp("fire")
    figures, preset = folder / "fire.json", folder / "small.yaml"
    edge = (source_root / "config" / "presets" / "edge.yaml").read_text()
    preset.write_text(edge.replace("384", "192").replace("\n  views: 2\n", "\n  views: 1\n  calibration: split\n", 1))  # a tenth of the work
    command = [sys.executable, "benchmarks/fire.py", "--minutes", str(MINUTES), "--parts", "1000", "--quick", "--preset", str(preset),
               "--images", "15", "--steps", "100", "--width", "320", "--keep", str(folder / "line"), "--json", str(figures)]
    done = subprocess.run(command, cwd=source_root, env=os.environ, capture_output=True, text=True, timeout=900)
    assert figures.exists(), done.stdout + done.stderr
    return json.loads(figures.read_text()), f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def test_no_defective_part_is_in_the_good_bin(fire: Any) -> None:
    figures, printed = fire
    assert sum(figures["defective"].values()) > 0, printed
    assert figures["breaches"] == [], printed


def test_every_part_that_is_not_good_has_a_reason(fire: Any) -> None:
    figures, printed = fire
    assert figures["unreasoned"] == 0, printed


def test_nothing_hangs_ends_by_itself_or_prints_a_traceback(fire: Any) -> None:
    figures, printed = fire
    assert (figures["hangs"], figures["ended"], figures["tracebacks"]) == ([], [], []), printed
    assert sum(figures["kinds"].values()) > 3, printed


def test_figures_of_several_runs_add_up(source_root: Path, tmp_path: Path) -> None:
    if not (source_root / "benchmarks").is_dir():
        pytest.skip("installed without the benchmarks")
    one = tmp_path / "one.json"
    one.write_text(json.dumps({"defective": {"REJECT": 20, "GOOD": 1}, "recovered": {"GOOD": 10}, "kinds": {"ring": 3}, "breaches": ["part 3"]}))
    done = subprocess.run([sys.executable, "benchmarks/fire.py", "--sum", str(one), str(one)], cwd=source_root, env=os.environ,
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "")
    assert "2 of 42 defective parts in GOOD; 100.0% of good parts" in done.stdout and "kinds of fault: 6: ring 6" in done.stdout
