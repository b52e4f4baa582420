"""The command line of ``scripts/bundle``, and what is wrong with it in one line."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bundling.process import Problem

EPILOG = """\
The bundle is a folder to be copied as it is. On the other machine:

  sh install --venv /opt/hetnet/2026-11      then   . /opt/hetnet/2026-11/environment.sh

examples:
  scripts/bundle cell_bundle                                    everything, for the Python of this checkout's set-up
  scripts/bundle cell_bundle --python 3.12 --without torch      for a machine that has its vendor's torch and torchvision
  scripts/bundle cell_bundle --without torch --without ros --half --piece 20M

It needs scripts/setup to have run (for the teachers' weights), the Python it is for on PATH, a package index, and of disk about
twice the bundle: 9 GB with torch, 2 GB without. docs/install.md, "Air-gapped cells", has the rest."""


@dataclass(frozen=True)
class Options:
    """What to write: folder, interpreter and its version "3.x", what is left out, and how it is cut (bytes; 0: not at all)."""

    out: Path
    interpreter: Path
    version: str
    without: tuple[str, ...]
    half: bool
    piece: int
    source: Path | None
    verbose: bool


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise Problem(f"{message}; see scripts/bundle --help")


def parse(arguments: list[str] | None, root: Path) -> Options:
    """Raises Problem for what cannot be done."""
    parser = Parser(prog="scripts/bundle", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
                    description="Write an offline bundle for a machine with no package index and no model hub.")
    parser.add_argument("out", metavar="FOLDER", type=Path, help="the bundle to write: a folder that does not exist yet, or an empty one")
    parser.add_argument("--python", metavar="3.X", help="the Python of the other machine, 3.10 to 3.13, or the path of one like it here "
                        "(default: that of this checkout's set-up)")
    parser.add_argument("--without", choices=("torch", "ros"), action="append", default=[], metavar="WHAT",
                        help="torch: the machine brings torch and torchvision; what only they need is left out too. "
                        "ros: ROS is installed there, or not wanted. Can be given twice")
    parser.add_argument("--half", action="store_true", help="round the teachers' weights to half precision and leave out the blocks "
                        "that no preset uses: a third of the size, but models taught with the full weights are refused there")
    parser.add_argument("--piece", default="60M", metavar="SIZE", help="largest piece, such as 500K, 60M or 2G; 0: one piece (default: 60M; "
                        "a FAT disk takes less than 4G)")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="take wheels from this folder and nowhere else")
    parser.add_argument("--verbose", action="store_true", help="show what pip and the compiler say")
    given = parser.parse_args(arguments)
    interpreter, version = _interpreter(given.python, root)
    if given.wheels and not given.wheels.is_dir():
        raise Problem(f"--wheels {given.wheels} is not a folder")
    out = Path(os.path.abspath(given.out))
    _check_out(out)
    if "ros" not in given.without and re.search(r"\s", str(out.parent)):
        raise Problem(f"ROS's build tools cannot handle a space in a path: write the bundle elsewhere than {out}, or --without ros")
    if "ros" not in given.without:
        _check_can_compile(interpreter)
    return Options(out, interpreter, version, tuple(sorted(set(given.without))), given.half, _size(given.piece),
                   given.wheels.resolve() if given.wheels else None, given.verbose)


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if not found:
        raise Problem(f"--piece {text} is no size: give a number with K, M or G, such as 60M, or 0 for one piece")
    size = int(found[1]) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}[found[2]]
    if size and size < 100 * 2**10:
        raise Problem(f"--piece {text} would make thousands of pieces: give 100K or more, or 0 for one piece")
    return size


def _interpreter(wanted: str | None, root: Path) -> tuple[Path, str]:
    """The Python to resolve and build with, and its version."""
    setup = Path(os.environ.get("HETNET_VENV") or root / ".venv") / "bin" / "python"
    if not wanted:
        version = _version_of(setup)
        if not version:
            raise Problem(f"this checkout is not set up ({setup} does not run): run scripts/setup first, or name it in HETNET_VENV")
        wanted = version
    if re.fullmatch(r"3\.\d+", wanted):
        candidates = [f"python{wanted}", "python3", str(setup)]
        _check_supported(wanted)
    else:
        candidates = [wanted]
    for candidate in candidates:
        path = shutil.which(os.path.expanduser(candidate))
        version = _version_of(Path(path)) if path else ""
        if version and (version == wanted or candidate == wanted):
            _check_supported(version)
            return Path(os.path.abspath(path)), version
    raise Problem(f"no Python {wanted} runs on this machine, and a bundle is resolved and built with the Python it is for: install it, "
                  "or give its path: --python /path/to/python3.12")


def _version_of(interpreter: Path) -> str:
    code = "import ensurepip, sys, venv; assert sys.implementation.name == 'cpython'; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([interpreter, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _check_can_compile(interpreter: Path) -> None:
    """The package's messages are compiled for the Python they are for."""
    if not any(map(shutil.which, ("c++", "g++", "clang++"))):
        raise Problem("building the ROS messages needs a C++ compiler (sudo apt-get install g++), or --without ros")
    code = "import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path('include') + '/Python.h'))"
    if subprocess.run([interpreter, "-I", "-c", code], capture_output=True, timeout=60).returncode:
        raise Problem(f"building the ROS messages needs the headers of {interpreter} (on Debian the package python3.X-dev), or --without ros")


def _check_supported(version: str) -> None:
    if version not in ("3.10", "3.11", "3.12", "3.13"):
        raise Problem(f"hetnet_ros is pinned for Python 3.10 to 3.13, not {version}")


def _check_out(out: Path) -> None:
    if out.is_symlink() or out.exists() and not out.is_dir():
        raise Problem(f"{out} exists and is not a folder")
    if out.is_dir() and any(out.iterdir()):
        raise Problem(f"{out} exists and is not empty: remove it, or write the bundle elsewhere")
    existing = next(folder for folder in out.parents if folder.exists())
    if not os.access(existing, os.W_OK):
        raise Problem(f"cannot write to {existing}")
