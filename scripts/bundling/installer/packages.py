"""Installs the wheels, with the bundle's own pip, by hash and from the bundle alone.

Where the bundle brings torch, everything in its lock is installed.  Where torch is the machine's, what the machine has and the
requirements accept (its numpy, OpenCV, timm...) is left as it is: pip is asked what is missing, and that is installed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

from bundling.process import Console, Problem

OPENCV, HEADLESS = "opencv-python", "opencv-python-headless"
# Debian's Python would put what goes to a prefix below PREFIX/local; everybody else's, and a virtual environment, does not.
RUN_PIP = """
import runpy, sys, sysconfig
preferred = sysconfig.get_preferred_scheme
sysconfig.get_preferred_scheme = lambda key: "posix_prefix" if key == "prefix" and sys.prefix == sys.base_prefix else preferred(key)
sys.path.insert(0, sys.argv[1])
sys.argv[:2] = ["pip"]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
LOAD = """
import ctypes, sys
try:
    ctypes.CDLL(sys.argv[1])
except OSError as error:
    sys.exit(str(error))
"""


class Packages:
    """The wheels of the bundle unpacked in ``unpacked``, to be installed below ``prefix``: a virtual environment or a folder."""

    def __init__(self, console: Console, manifest: dict, unpacked: Path, prefix: Path, as_venv: bool, environment: dict[str, str]) -> None:
        self.console = console
        self.manifest = manifest
        self.unpacked = unpacked
        self.prefix = prefix
        self.as_venv = as_venv
        self.environment = environment
        self.wheels = unpacked / "wheels"
        self.python = prefix / "bin" / "python" if as_venv else Path(sys.executable)
        self.site = prefix / "lib" / f"python{manifest['python']}" / "site-packages"
        self.brings_torch = "torch" not in manifest["without"]

    def install(self) -> None:
        if self.as_venv:
            self._make_venv()
        wanted = self._lock()
        if not self.brings_torch:
            missing = self._missing()
            kept = sorted(set(wanted) - missing)
            wanted = {name: line for name, line in wanted.items() if name in missing}
            if kept:
                self.console.say(f"this machine has {len(kept)} of the packages already and keeps them")
        if OPENCV in wanted and (problem := self._desktop_libraries_missing()):
            self.console.say(f"taking {HEADLESS}, for this machine lacks libraries of a desktop ({problem})")
            wanted[HEADLESS] = wanted.pop(OPENCV).replace(OPENCV, HEADLESS, 1)
            wanted[HEADLESS] = re.sub(r"sha256:\w+", f"sha256:{self._hash_of(self._wheel(HEADLESS))}", wanted[HEADLESS])
        chosen = self.unpacked / "chosen.txt"
        chosen.write_text("".join(wanted.values()))
        self.console.say(f"installing {len(wanted)} packages")
        where = [] if self.as_venv else ["--prefix", self.prefix, "--ignore-installed"]
        self._pip("installing the packages", "install", *where, "--no-deps", "--no-compile", "--no-warn-script-location",
                  "--require-hashes", "-r", chosen)

    def _make_venv(self) -> None:
        """A virtual environment that sees the machine's packages where torch or ROS is left to it."""
        inside = sys.prefix != sys.base_prefix
        shared = ["--system-site-packages"] if self.manifest["without"] and not inside else []
        self.console.run("making the virtual environment", [sys.executable, "-m", "venv", "--without-pip", *shared, self.prefix],
                         self.environment)
        if inside and self.manifest["without"]:  # a venv made out of a venv does not see what is in that
            folders = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
            lines = [f"import site; site.addsitedir({folder!r})\n" for folder in folders]
            (self.site / "hetnet_machine.pth").write_text("".join(lines))

    def _missing(self) -> set[str]:
        """Names of the wheels that this machine's packages do not make needless."""
        report = self.unpacked / "report.json"
        self._pip("asking pip what this machine lacks", "install", "--dry-run", "--report", report, "-r", self.unpacked / "requirements.txt",
                  self._wheel("hetnet-ros"))
        names = {_normal(entry["metadata"]["name"]) for entry in json.loads(report.read_text())["install"]}
        names.add("hetnet-ros")  # also where this version of it is there: that one may be another's, and lacks the weights
        if OPENCV in names and self._usable_opencv():
            self.console.say("keeping this machine's OpenCV")
            names.remove(OPENCV)
        return names

    def _usable_opencv(self) -> bool:
        """Whether an OpenCV below 5 works here that pip does not know, or knows by another name."""
        code = "import cv2, sys; sys.exit(not '4.5' <= cv2.__version__ < '5')"
        return subprocess.run([self.python, "-c", code], env=self.environment, capture_output=True).returncode == 0

    def _desktop_libraries_missing(self) -> str:
        """What keeps opencv-python from loading here, such as "libGL.so.1"; empty when nothing does."""
        trial = self.unpacked / "opencv"
        with zipfile.ZipFile(self._wheel(OPENCV)) as archive:
            archive.extractall(trial, [name for name in archive.namelist() if ".so" in name])
        for library in trial.glob("cv2/*.so"):
            command = [self.python, "-I", "-c", LOAD, library]
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, errors="replace")
            if done.returncode:
                return (done.stderr.strip().splitlines() or ["it does not load"])[-1].split(":")[0]
        return ""

    def _pip(self, step: str, *arguments: object) -> None:
        pip = self._wheel("pip")
        command = [self.python, "-c", RUN_PIP, pip, *arguments, "--no-index", "--find-links", self.wheels, "--no-cache-dir",
                   "--progress-bar", "off"]
        self.console.run(step, command, self.environment)

    def _lock(self) -> dict[str, str]:
        lines = (self.unpacked / "lock.txt").read_text().splitlines(keepends=True)
        return {line.split("==")[0]: line for line in lines}

    def _wheel(self, name: str) -> Path:
        found = [path for path in self.wheels.glob("*.whl") if _normal(path.name.split("-")[0]) == name]
        if not found:
            raise Problem(f"the bundle has no wheel of {name}: make it again")
        return found[0]

    def _hash_of(self, path: Path) -> str:
        return next(file["sha256"] for file in self.manifest["files"] if file["name"] == f"wheels/{path.name}")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
