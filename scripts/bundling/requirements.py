"""The pinned requirements: ``constraints.txt`` as plain versions and hashes, and empty stand-ins for what a bundle leaves out.

A package that the other machine brings (torch) is left out by pip itself: an empty wheel of the same version and a local suffix
stands in for it while pip resolves, so whatever only it needs (CUDA, triton, sympy...) never comes up, and whatever something
else needs as well still does.  No list of such packages is kept.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from bundling.process import Problem

SUFFIX = "+elsewhere"


@dataclass(frozen=True)
class Pin:
    """One line of a constraints file: ``requirement`` as ``name==version ; marker``, and the hashes allowed, if any are given."""

    name: str
    version: str
    requirement: str
    hashes: frozenset[str]


def normal(name: str) -> str:
    """A distribution's name as it is compared: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_constraints(path: Path) -> list[Pin]:
    """Every line, with or without ``--hash`` options and continued by backslashes or not."""
    pins = []
    for line in path.read_text().replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line:
            continue
        hashes = frozenset(re.findall(r"--hash[= ]sha256:([0-9a-f]{64})", line))
        requirement = re.sub(r"--hash[= ]\S+", "", line).strip()
        requirement = re.sub(r"^([\w.-]+)\[[^\]]*\]", r"\1", requirement)  # pip takes no extras in constraints
        found = re.match(r"([\w.-]+)\s*==\s*([^\s;]+)", requirement)
        if not found:
            raise Problem(f"{path} has a line that pins nothing: {line[:80]}")
        pins.append(Pin(normal(found[1]), found[2], requirement, hashes))
    return pins


def write_constraints(pins: list[Pin], path: Path, without: tuple[str, ...] = ()) -> None:
    """The versions alone, as pip takes them beside files without hashes."""
    path.write_text("".join(pin.requirement + "\n" for pin in pins if pin.name not in without))


def requirement_lines(path: Path, without: tuple[str, ...] = ()) -> list[str]:
    """The lines of a requirements file that require something, but for the packages named."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#") and normal(re.match(r"[\w.-]+", line)[0]) not in without]


def stand_in(folder: Path, name: str, version: str) -> Path:
    """An empty wheel of ``name``, ``version`` and :data:`SUFFIX`, which pip prefers to the real one."""
    version += SUFFIX
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hetnet_ros\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}")
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return wheel
