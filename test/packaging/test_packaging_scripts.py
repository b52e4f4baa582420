"""The shell scripts of the README: they parse, can be run, and meet a user's mistake with one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ["scripts/setup", "scripts/demo", "scripts/gpu_check", "scripts/test", ".ci/run"]


@pytest.mark.parametrize("name", [*COMMANDS, "scripts/environment.sh"])
def test_the_script_is_valid_bash(name):
    done = subprocess.run(["bash", "-n", ROOT / name], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_can_be_executed(name):
    assert os.access(ROOT / name, os.X_OK)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The set-up scripts in a checkout of their own."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def set_up(checkout: Path, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HETNET_")}
    command = [checkout / "scripts" / "setup"]
    return subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, timeout=60)


def command_folder(folder: Path, **outputs: str) -> str:
    """A PATH whose first folder has these commands, each a shell script."""
    folder.mkdir()
    for name, script in outputs.items():
        file = folder / name.replace("_", ".")
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def assert_one_line(done: subprocess.CompletedProcess, *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert [word for word in words if word not in done.stderr] == []


def test_another_processor_is_sent_to_a_ros_installation(checkout, tmp_path):
    path = command_folder(tmp_path / "bin", uname='[ "$1" = -m ] && echo aarch64 || echo Linux')
    assert_one_line(set_up(checkout, PATH=path), "aarch64", "docs/install.md")


def test_an_unsuitable_python_is_named(checkout, tmp_path):
    path = command_folder(tmp_path / "bin", python3_9="exit 1")
    done = set_up(checkout, PATH=path, HETNET_PYTHON="python3.9")
    assert_one_line(done, "3.10 to 3.13", "python3.9", "HETNET_PYTHON=")


def test_a_full_disk_is_noticed_before_anything_is_installed(checkout, tmp_path):
    path = command_folder(tmp_path / "bin", df="echo header; echo 'disk 100 99 1 99% /'")
    assert_one_line(set_up(checkout, PATH=path), "1 MB free", "HETNET_VENV=")
    assert not (checkout / ".venv").exists()


def test_a_path_with_a_space_is_refused(checkout):
    spaced = checkout.rename(checkout.with_name("my checkout"))
    assert_one_line(set_up(spaced), "space", "my checkout")


def test_a_moved_virtual_environment_is_not_used(checkout):
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / "hetnet_venv").write_text("/elsewhere/.venv\n")
    assert_one_line(set_up(checkout), "/elsewhere/.venv", "delete")


def test_missing_system_packages_are_named_with_the_command_to_install_them(checkout, tmp_path):
    """A user who is not root, on a machine whose Python has no headers."""
    python = 'case "$2" in *Python.h*) exit 1;; esac; exec {} "$@"'.format(shutil.which("python3"))
    path = command_folder(tmp_path / "bin", id="echo 1000", python3=python)
    assert_one_line(set_up(checkout, PATH=path), "sudo apt-get install", "-dev")


@pytest.mark.parametrize(
    ("suites", "line", "code"),
    [
        ('<testsuites><testsuite tests="5" failures="0" errors="0" skipped="2"/></testsuites>',
         "tests: 3 passed, 0 failed, 2 skipped", 0),
        ('<testsuites><testsuite tests="5" failures="1" errors="1" skipped="0"/></testsuites>',
         "tests: 3 passed, 2 failed, 0 skipped", 1),
        ('<testsuites><testsuite tests="0" failures="0" errors="0" skipped="0"/></testsuites>',
         "tests: 0 passed, 0 failed, 0 skipped", 1),
        (None, "tests: 0 passed, 0 failed, 0 skipped", 1),
    ],
)
def test_the_closing_line_counts_the_tests(tmp_path, suites, line, code):
    if suites:
        (tmp_path / "pytest.xunit.xml").write_text(suites)
    done = subprocess.run(["python3", ROOT / "scripts" / "count_tests.py", tmp_path], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == (line + "\n", code)
