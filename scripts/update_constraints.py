"""Writes constraints.txt: the exact version of every package, for each Python that the set-up supports.

    python scripts/update_constraints.py python3.10 python3.11 python3.12 python3.13

Each interpreter needs pip 23.2 or newer; nothing is installed.  Run the tests with the result before committing it.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
HEADER = "# Exact versions of everything the set-up installs.  Written by update_constraints.py; not edited by hand.\n"


def resolve(interpreter: str) -> tuple[str, dict[str, str]]:
    """What pip would install for this interpreter: its "3.x" and the version of each package, by normalised name."""
    version = subprocess.check_output([interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], text=True)
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        subprocess.run(
            [interpreter, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", report.name]
            + ["-r", HERE / "requirements-ros.txt", "-r", HERE / "requirements-python.txt"],
            check=True,
        )
        packages = [entry["metadata"] for entry in json.load(open(report.name))["install"]]
    return version.strip(), {p["name"].lower().replace("_", "-").replace(".", "-"): p["version"] for p in packages}


def constraints(resolutions: dict[str, dict[str, str]]) -> str:
    """One line for a package that has the same version everywhere, else one for each version with its Pythons."""
    lines = []
    for name in sorted({name for packages in resolutions.values() for name in packages}):
        pythons = defaultdict(list)
        for python, packages in resolutions.items():
            if name in packages:
                pythons[packages[name]].append(python)
        for version, used_by in sorted(pythons.items(), key=lambda item: item[1]):
            only = " or ".join(f'python_version == "{python}"' for python in used_by)
            lines.append(f"{name}=={version}" + ("" if len(pythons) == 1 else f" ; {only}"))
    return HEADER + "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    (HERE / "constraints.txt").write_text(constraints(dict(resolve(interpreter) for interpreter in sys.argv[1:])))
