"""Whether this machine is the one the bundle was made for."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig

from bundling.process import Problem, reason

IMPORTS_TORCH = """
import torch, torchvision, numpy
torch.from_numpy(numpy.zeros(1))
torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
"""


def check_machine(manifest: dict) -> None:
    """Raises Problem where Python, processor or C library are not those the wheels are for."""
    version = "{}.{}".format(*sys.version_info[:2])
    if version != manifest["python"]:
        raise Problem(f"this bundle is for Python {manifest['python']}, and {sys.executable} is Python {version}; name another with "
                      f"--python, or make the bundle with scripts/bundle --python {version}")
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise Problem(f"this bundle is for the ordinary CPython, and {sys.executable} is another: name one with --python")
    found = f"{platform.system()} on {platform.machine()}"
    if found != f"Linux on {manifest['machine']}":
        raise Problem(f"this bundle is for Linux on {manifest['machine']}, and this is {found}: make one on such a machine")
    library, glibc = platform.libc_ver()
    needed = tuple(map(int, manifest["glibc"].split(".")))
    if library != "glibc" or tuple(int(part) for part in glibc.split(".")[:2]) < needed:
        raise Problem(f"this bundle needs glibc {manifest['glibc']} or newer, and this machine has {library or 'another C library'} "
                      f"{glibc}".rstrip() + ": it needs a newer system")


def check_torch(environment: dict[str, str]) -> None:
    """Raises Problem where torch and torchvision, which the bundle does not bring, do not work together here."""
    done = subprocess.run([sys.executable, "-c", IMPORTS_TORCH], env=environment, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Problem(f"this bundle brings no torch, and with {sys.executable} torch and torchvision do not work: "
                      f"{reason(done.stdout.splitlines())}; name the Python that has them with --python, or make the bundle with torch")


def clean_environment(manifest: dict, temporary: str) -> dict[str, str]:
    """This process's environment without what would lead pip, Python or ROS elsewhere; files on the way go to ``temporary``.

    Where torch is the machine's, PYTHONPATH stays: it may be how the machine's packages are found.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    away = {"PYTHONHOME", "_ROS_WHEELS_BOOTSTRAP_COMPLETE"} | (set() if "torch" in manifest["without"] else {"PYTHONPATH"})
    settings = {"TMPDIR": temporary, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1",
                "PIP_NO_CACHE_DIR": "1", "PIP_NO_INDEX": "1", "HF_HUB_OFFLINE": "1"}
    return {name: value for name, value in ours.items() if name not in away} | settings
