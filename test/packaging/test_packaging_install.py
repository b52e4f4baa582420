"""The package as it is installed: by colcon, by pip without ROS, and not at all (the source tree)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.resources import config_path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("hetnet_ros", "config", "launch", "setup.py", "setup.cfg", "pyproject.toml", "package.xml", "LICENSE")
WHERE = "from hetnet_ros import resources; print(resources.__file__); print(resources.config_path('presets/edge.yaml'))"


def run(*command: object, **environment: str) -> subprocess.CompletedProcess:
    """Run a command away from the source tree, so that only what ``environment`` says is found."""
    return subprocess.run([str(word) for word in command], cwd="/", env={**os.environ, **environment}, text=True,
                          capture_output=True, timeout=300)


def locations(python_path: Path) -> list[Path]:
    """Where a process with this PYTHONPATH finds the package's resources module and a preset."""
    done = run(sys.executable, "-c", WHERE, PYTHONPATH=str(python_path))
    assert done.returncode == 0, done.stderr
    return [Path(line) for line in done.stdout.split("\n") if line]


@pytest.fixture(scope="module")
def colcon_prefix() -> Path:
    """Where colcon installed this package."""
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix and Path(prefix, "share", "ament_index", "resource_index", "packages", "hetnet_ros").is_file():
            return Path(prefix)
    pytest.skip("no installation by colcon is sourced here")


@pytest.fixture(scope="module")
def pip_prefix(tmp_path_factory) -> Path:
    """What ``pip install`` makes of a copy of the sources on a machine without ROS."""
    pytest.importorskip("setuptools", reason="pip builds the package with setuptools")
    pytest.importorskip("wheel", reason="pip builds the package with wheel")
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, copy / name)
    prefix = tmp_path_factory.mktemp("prefix")
    done = run(sys.executable, "-m", "pip", "install", "-v", "--no-index", "--no-deps", "--no-build-isolation",
               "--no-compile", "--ignore-installed", "--prefix", prefix, copy, HETNET_WITHOUT_ROS="1", PYTHONPATH="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count("building without ROS interfaces") == 1
    return prefix


def test_configuration_is_found_in_the_source_tree():
    module, preset = locations(ROOT)
    assert module == ROOT / "hetnet_ros" / "resources.py"
    assert preset == ROOT / "config" / "presets" / "edge.yaml"


def test_configuration_is_found_where_colcon_installed_it(colcon_prefix):
    site_packages = next(colcon_prefix.glob("**/*-packages/hetnet_ros/resources.py")).parents[1]
    module, preset = locations(site_packages)
    assert module.is_relative_to(colcon_prefix)
    assert preset == colcon_prefix / "share" / "hetnet_ros" / "config" / "presets" / "edge.yaml"


def test_colcon_installs_every_configuration_and_launch_file(colcon_prefix):
    share = colcon_prefix / "share" / "hetnet_ros"
    files = [path.relative_to(ROOT) for folder in ("config", "launch") for path in (ROOT / folder).rglob("*.*")
             if path.is_file() and "__pycache__" not in path.parts]
    assert files
    assert [file for file in files if not (share / file).is_file()] == []


@pytest.mark.parametrize("name", ["bin/hetnet", "lib/hetnet_ros/hetnet"])
def test_the_installed_command_runs_without_an_activated_environment(colcon_prefix, name):
    site_packages = next(colcon_prefix.glob("**/*-packages/hetnet_ros/resources.py")).parents[1]
    done = run(colcon_prefix / name, "--version", PATH="/usr/bin:/bin", PYTHONPATH=str(site_packages))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("hetnet ")


@pytest.mark.parametrize("name", ["inspector", "virtual_camera"])
def test_ros2_run_finds_the_nodes(colcon_prefix, name):
    assert os.access(colcon_prefix / "lib" / "hetnet_ros" / name, os.X_OK)


def test_configuration_is_found_where_pip_installed_it(pip_prefix):
    site_packages = next(pip_prefix.glob("**/*-packages/hetnet_ros/resources.py")).parents[1]
    module, preset = locations(site_packages)
    assert module.is_relative_to(pip_prefix)
    assert preset == next(pip_prefix.glob("**/share/hetnet_ros/config/presets/edge.yaml"))


def test_pip_installs_the_command(pip_prefix):
    site_packages = next(pip_prefix.glob("**/*-packages/hetnet_ros/resources.py")).parents[1]
    done = run(next(pip_prefix.glob("**/bin/hetnet")), "--version", PYTHONPATH=str(site_packages))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_configuration_file_is_one_line_that_names_the_others():
    with pytest.raises(InputError, match=r"presets/egde\.yaml.*edge\.yaml") as caught:
        config_path("presets/egde.yaml")
    assert "\n" not in str(caught.value)
