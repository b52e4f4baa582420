"""The pip route: one wheel with the Python package, its configuration and, where ROS 2 is at hand, the messages.

Metadata is in setup.cfg.  What colcon builds through CMakeLists.txt is built here through the same file into a staging
folder and packed below the wheel's prefix, so that a wheel carries the same ament index, libraries and executables.
Without the rosidl generators (a server that only trains), or with HETNET_WITHOUT_ROS set, the result is a pure Python
wheel, and one line says so.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Command, Distribution, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent
PACKAGE = "hetnet_ros"
DATA_FOLDERS = ("config", "launch")
# Imported by the generators that CMake runs with this interpreter; pip's build isolation hides them.
GENERATOR_MODULES = ("ament_package", "catkin_pkg", "em", "lark", "numpy", "rosidl_generator_py", "rosidl_parser")


def prefixes() -> list[str]:
    """Where ROS packages may be installed: the sourced environment's, and this interpreter's own."""
    sourced = [path for path in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if path]
    return sourced + [sys.prefix]


def missing_for_interfaces() -> str:
    """What keeps the ROS interfaces from being built, in a few words; empty when nothing does."""
    if os.environ.get("HETNET_WITHOUT_ROS"):
        return "HETNET_WITHOUT_ROS is set"
    if not any(os.path.isdir(os.path.join(path, "share/rosidl_default_generators/cmake")) for path in prefixes()):
        return "no rosidl generators found; install or source ROS 2 first if this machine is to run the nodes"
    modules = [name for name in GENERATOR_MODULES if importlib.util.find_spec(name) is None]
    if modules:
        return f"the generators' module {modules[0]} cannot be imported; pip needs --no-build-isolation for them"
    return "" if shutil.which("cmake") else "there is no cmake on PATH"


class BuildInterfaces(Command):
    """Generates and compiles msg/, srv/ and action/, and adds the outcome to the wheel."""

    description = "build the ROS interfaces with CMake"
    user_options = []

    def initialize_options(self) -> None:
        self.build_lib = None
        self.build_temp = None

    def finalize_options(self) -> None:
        self.set_undefined_options("build", ("build_lib", "build_lib"), ("build_temp", "build_temp"))

    def run(self) -> None:
        reason = missing_for_interfaces()
        if reason:
            print(f"{PACKAGE}: building without ROS interfaces: {reason}", file=sys.stderr)
            return
        work = Path(self.build_temp).resolve()
        staging = work / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        self.cmake(work / "cmake", staging)
        data_files = []
        for file in sorted(path for path in staging.rglob("*") if path.is_file()):
            relative = file.relative_to(staging)
            in_python = [depth for depth, part in enumerate(relative.parts) if part.endswith("-packages")]
            if in_python:  # lib/pythonX.Y/site-packages, or what the distribution makes of it
                module = Path(*relative.parts[in_python[0] + 1:])
                ours = module == Path(PACKAGE, "__init__.py")  # the generated one is empty
                if module.parts[0] == PACKAGE and module.suffix in (".py", ".so") and not ours:
                    target = Path(self.build_lib, module)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(file, target)
            elif "parent_prefix_path" not in relative.parts:  # names the prefixes of this machine
                data_files.append((str(relative.parent), [str(file)]))
        self.distribution.data_files = data_files

    def cmake(self, work: Path, staging: Path) -> None:
        """Configures, builds and installs the package with CMake, ``work`` to ``staging``."""
        environment = dict(os.environ, AMENT_PREFIX_PATH=os.pathsep.join(prefixes()))
        options = {
            "HETNET_WHEEL": "ON",
            "BUILD_TESTING": "OFF",
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_INSTALL_PREFIX": staging,
            "CMAKE_PREFIX_PATH": ";".join(prefixes()),
            "Python3_EXECUTABLE": sys.executable,
        }
        configure = ["cmake", "-S", str(ROOT), "-B", str(work)] + [f"-D{key}={value}" for key, value in options.items()]
        jobs = str(os.cpu_count() or 1)
        for command in (configure, ["cmake", "--build", str(work), "-j", jobs], ["cmake", "--install", str(work)]):
            subprocess.run(command, env=environment, check=True)


class Build(build):
    """setuptools' build, and the interfaces."""

    sub_commands = build.sub_commands + [("build_interfaces", None)]


class PlatformDistribution(Distribution):
    """With interfaces the wheel belongs to one Python and one platform."""

    def has_ext_modules(self) -> bool:
        return not missing_for_interfaces()


def plain_data_files() -> list[tuple[str, list[str]]]:
    """config/ and launch/ below share/hetnet_ros, as the CMake build installs them."""
    files = [path for folder in DATA_FOLDERS for path in sorted((ROOT / folder).rglob("*.*")) if path.is_file()]
    relative = [path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts]
    return [(str(Path("share", PACKAGE, path.parent)), [str(path)]) for path in relative]


setup(
    cmdclass={"build": Build, "build_interfaces": BuildInterfaces},
    distclass=PlatformDistribution,
    data_files=plain_data_files(),
)
