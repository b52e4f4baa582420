"""Fills a folder with the wheels of a bundle: what the requirements resolve to for one Python, and the package itself.

All is done by that very Python in a virtual environment of its own, since pip judges markers such as ``python_version`` by the
Python it runs in, and the messages are compiled for it.
"""

from __future__ import annotations

import os
import re
import tarfile
import zipfile
from pathlib import Path

from bundling.hashes import hash_file
from bundling.process import Console, Problem
from bundling.requirements import normal, read_constraints, requirement_lines, stand_in, write_constraints

SOURCES = ("hetnet_ros", "config", "launch", "msg", "srv", "action", "cmake", "CMakeLists.txt", "package.xml", "setup.py", "setup.cfg",
           "pyproject.toml", "MANIFEST.in", "LICENSE", "README.md")
TORCH = ("torch", "torchvision")
OPENCV, HEADLESS = "opencv-python", "opencv-python-headless"
TOOLS = ["pip", "setuptools"]


class Wheelwright:
    """Makes the wheels for one Python.

    interpreter: that Python; work: a folder for what is needed on the way; source: a folder of wheels to use instead of the package
    index; ros, torch: whether they are in the bundle.
    """

    def __init__(self, console: Console, root: Path, interpreter: Path, work: Path, source: Path | None, ros: bool, torch: bool) -> None:
        self.console = console
        self.root = root
        self.work = work
        self.ros = ros
        self.without = () if torch else TORCH
        self.wheels = work / "payload" / "wheels"
        self.venv = work / "maker"
        self.python = self.venv / "bin" / "python"
        self.source = source
        self.pins = read_constraints(root / "scripts" / "constraints.txt")
        self.constraints = work / "constraints.txt"
        self.wheels.mkdir(parents=True)
        write_constraints(self.pins, self.constraints, self.without)
        (work / "tmp").mkdir()
        clean = ("PYTHONPATH", "PYTHONHOME", "AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE", "ROS_DISTRO",
                 "HETNET_WITHOUT_ROS")
        self.environment = {name: value for name, value in os.environ.items() if name not in clean}
        self.environment |= {"TMPDIR": str(work / "tmp"), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1",
                             "PATH": f"{self.venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
        console.run(f"making a virtual environment with {interpreter}", [interpreter, "-m", "venv", self.venv], self.environment)
        self._pip("fetching pip", "install", "-c", self.constraints, *TOOLS)

    def requirements(self) -> list[str]:
        """What the bundle is asked to have, line by line, without the package itself and what the other machine brings."""
        scripts = self.root / "scripts"
        lines = requirement_lines(scripts / "requirements-python.txt", self.without)
        if self.ros:
            lines += requirement_lines(scripts / "requirements-ros.txt")
        return lines

    def fetch(self) -> None:
        """Download everything; what comes as a source package is built."""
        wanted = self.work / "requirements.txt"
        names = {normal(re.match(r"[\w.-]+", line)[0]) for line in self.requirements()}
        wanted.write_text("\n".join([*self.requirements(), *(tool for tool in TOOLS if tool not in names)]) + "\n")
        stand_ins = self.work / "stand_ins"
        stand_ins.mkdir()
        absent = [stand_in(stand_ins, name, self._version(name)) for name in self.without]
        self.console.say("fetching the wheels" + ("" if self.without else ", with torch and CUDA about 3 GB"))
        self._pip("fetching the wheels", "download", "-d", self.wheels, "-c", self.constraints, "-r", wanted, *absent)
        if OPENCV in {normal(path.name.split("-")[0]) for path in self.wheels.iterdir()}:
            version = next(path.name.split("-")[1] for path in self.wheels.glob("opencv_python-*"))
            self._pip("fetching the wheels", "download", "-d", self.wheels, "--no-deps", f"{HEADLESS}=={version}")
        self._check_hashes()
        for path in [path for path in self.wheels.iterdir() if path.suffix != ".whl"]:
            self.console.say(f"building a wheel of {path.name}")
            self._pip(f"building a wheel of {path.name}", "wheel", "-w", self.wheels, "--no-deps", "--no-build-isolation", path)
            path.unlink()
        for path in absent:
            (self.wheels / path.name).unlink()

    def build_package(self) -> Path:
        """The wheel of hetnet_ros, with its messages where ROS is in the bundle; the source package it was built from is kept."""
        self.console.say("building hetnet_ros" + (" and its messages" if self.ros else ""))
        if self.ros:
            numpy = next(path for path in self.wheels.glob("numpy-*"))
            self._pip("installing the message generators", "install", "--no-index", "--find-links", self.wheels, "-c", self.constraints,
                      "-r", self.root / "scripts" / "requirements-ros.txt", numpy, alone=True)
        tree = self.work / "tree"
        with tarfile.open(self.work / "tree.tar", "w") as archive:  # a copy, for setup.py leaves its traces in the folder
            for name in SOURCES:
                archive.add(self.root / name, name, filter=lambda entry: None if "__pycache__" in entry.name else entry)
        with tarfile.open(self.work / "tree.tar") as archive:
            archive.extractall(tree)
        environment = self.environment | {"AMENT_PREFIX_PATH": str(self.venv), "CMAKE_PREFIX_PATH": str(self.venv)}
        if not self.ros:
            environment["HETNET_WITHOUT_ROS"] = "1"
        source = self.work / "payload" / "source"
        self.console.run("packing the sources", [self.python, "setup.py", "-q", "sdist", "--dist-dir", source], environment, tree)
        step = "building the package" + ("'s messages; a compiler is needed, see docs/install.md," if self.ros else "")
        self._pip(step, "wheel", "-w", self.wheels, "--no-deps", "--no-build-isolation", tree, environment=environment)
        wheel = next(self.wheels.glob("hetnet_ros-*.whl"))
        if self.ros and wheel.name.endswith("-any.whl"):
            raise Problem("the package was built without its messages though ROS is in the bundle; --verbose shows why")
        return wheel

    def _pip(self, step: str, command: str, *arguments: object, environment: dict[str, str] | None = None, alone: bool = False) -> None:
        """pip, from the package index or the folder given; alone: from what ``arguments`` name only."""
        index = ["--no-index", "--find-links", self.source] if self.source and not alone else []
        self.console.run(step, [self.python, "-m", "pip", command, "--progress-bar", "off", "--retries", "2", *index, *arguments],
                         environment or self.environment)

    def _version(self, name: str) -> str:
        return next(pin.version for pin in self.pins if pin.name == name)

    def _check_hashes(self) -> None:
        """Where the constraints name hashes, a file that has none of them is refused before anything of it runs."""
        allowed: dict[tuple[str, str], frozenset[str]] = {}
        for pin in self.pins:
            allowed[pin.name, pin.version] = allowed.get((pin.name, pin.version), frozenset()) | pin.hashes
        for path in self.wheels.iterdir():
            name, version = name_and_version(path.name)
            hashes = allowed.get((name, version))
            if hashes and hash_file(path) not in hashes:
                raise Problem(f"{path.name} has another hash than scripts/constraints.txt allows; fetch it again or ask who changed it")


def name_and_version(file: str) -> tuple[str, str]:
    """Normalised name and version of a wheel or a source package, by its file name."""
    if file.endswith(".whl"):
        name, version = file.split("-")[:2]
    else:
        name, version = re.sub(r"\.(tar\.\w+|zip|tgz)$", "", file).rsplit("-", 1)
    return normal(name), version


def glibc_of(wheel: Path) -> tuple[int, int]:
    """The oldest glibc a wheel runs on: by its platform tags, or, where it was built here, by the symbols its libraries want."""
    platforms = wheel.stem.rsplit("-", 1)[1].split(".")
    legacy = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
    found = []
    for tag in platforms:
        match = re.match(r"manylinux_(\d+)_(\d+)_", tag)
        found += [(int(match[1]), int(match[2]))] if match else [legacy[tag.split("_")[0]]] if tag.split("_")[0] in legacy else []
    if found or platforms == ["any"]:
        return min(found, default=(0, 0))
    wanted = {(2, 17)}
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".so" in name:
                wanted |= {(2, int(minor)) for minor in re.findall(rb"GLIBC_2\.(\d+)", archive.read(name))}
    return max(wanted)


def room_of(wheel: Path) -> int:
    """Bytes on disk once installed, in blocks of 4 KiB."""
    with zipfile.ZipFile(wheel) as archive:
        return sum(-(-entry.file_size // 4096) * 4096 for entry in archive.infolist())


def lock(wheels: Path) -> str:
    """The wheels as requirements with hashes, for ``pip install --require-hashes``; of OpenCV's two only the ordinary one."""
    lines = []
    for path in sorted(wheels.glob("*.whl")):
        name, version = name_and_version(path.name)
        if name != HEADLESS:
            lines.append(f"{name}=={version} --hash=sha256:{hash_file(path)}\n")
    return "".join(lines)
