"""The rules of the house: imports go one way between the rooms, and only nodes and launch files know ROS."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from source_imports import imported_modules, python_files

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "hetnet_ros"
BASE = {"configuration", "errors", "foreign_text", "own_files", "plain_json", "plain_yaml", "resources", "user_files", "whole_files",
        "__version__"}
MAY_IMPORT = {
    "network": BASE,
    "inspection": BASE | {"network"},
    "learning": BASE | {"network", "inspection"},
    "evaluation": BASE | {"network", "inspection", "learning"},
    "cell": BASE,
    "gpu_check": BASE | {"network", "inspection", "learning", "evaluation", "cell"},
    "planning": BASE | {"inspection"},
    "nodes": BASE | {"network", "inspection", "learning", "evaluation", "cell", "planning", "gpu_check", "msg", "srv", "action"},
    "cli": BASE | {"network", "inspection", "learning", "evaluation", "cell", "gpu_check", "nodes"},
}
ROS = re.compile(
    r"^(rclpy|rcl_interfaces|launch|launch_ros|ament_index_python|cv_bridge|tf2_ros|std_srvs|\w+_msgs)(\.|$)"
    r"|^hetnet_ros\.(msg|srv|action)(\.|$)"
)


def rooms() -> list[str]:
    return sorted(path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py")))


def test_every_room_is_known():
    assert set(rooms()) == set(MAY_IMPORT)


@pytest.mark.parametrize("room", rooms())
def test_imports_go_one_way(room):
    wrong = []
    for file in python_files(PACKAGE / room):
        for module in imported_modules(file):
            parts = module.split(".")
            if parts[0] == "hetnet_ros" and len(parts) > 1 and parts[1] not in MAY_IMPORT[room] | {room}:
                wrong.append(f"{file.name} imports {module}")
    assert not wrong


def test_only_nodes_import_ros():
    wrong = [f"{file.relative_to(ROOT)} imports {module}" for file in python_files(PACKAGE)
             for module in imported_modules(file) if ROS.match(module) and file.parent.name != "nodes"]
    assert not wrong
    assert any(ROS.match(module) for module in imported_modules(PACKAGE / "nodes" / "inspector.py"))


def test_no_module_hides_the_generated_interfaces_or_says_nothing():
    unwanted = {"msg", "srv", "action", "utils", "helpers", "manager"}
    assert not [path for path in PACKAGE.rglob("*") if path.stem in unwanted]


def test_everything_but_the_nodes_loads_without_ros(tmp_path):
    """In a fresh process in which every import of ROS fails, as on a server that only trains."""
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for room in rooms() if room != "nodes"
               for file in python_files(PACKAGE / room) if file.name != "__init__.py"]
    assert "hetnet_ros.inspection.result" in modules
    script = tmp_path / "load.py"
    script.write_text(f"""
import importlib, re, sys

class NoRos:
    def find_spec(self, name, path=None, target=None):
        if re.match({ROS.pattern!r}, name):
            raise ModuleNotFoundError(f"No module named {{name!r}} (this test has no ROS)", name=name)

sys.meta_path.insert(0, NoRos())
for name in {modules!r}:
    importlib.import_module(name)
try:
    import rclpy
except ModuleNotFoundError:
    print("loaded", len({modules!r}))
""")
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["loaded", str(len(modules))]
