"""Parts that go wrong the way parts can, for the runner, which starts this module in processes of its own."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from hetnet_ros.gpu_check.reporter import NotHere

TABLE = "units"


def measure(settings, part, report):
    getattr(sys.modules[__name__], str(part.arguments["how"]))(settings, report)


def _units(report, *calls):
    """Units a, b, c...: each does its call and reports."""
    named = dict(zip("abcdef", calls))
    for name in report.remaining(list(named)):
        with report.unit(TABLE, name):
            named[name]()
            report.row(TABLE, name, process=os.getpid())


def sound(settings, report):
    _units(report, int, int)


def hungry(settings, report):
    """The second unit asks for more memory than its process may have."""
    limit = 4 * 2**30  # far more than the process has by now, numpy's libraries included
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    _units(report, int, lambda: np.ones(limit // 8), int)


def killed(settings, report):
    """As the kernel does where memory is short."""
    _units(report, int, lambda: os.kill(os.getpid(), signal.SIGKILL), int)


def killed_at_once(settings, report):
    print("loading what does not fit", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def device_lost(settings, report):
    """A CUDA context after an illegal access: every later call in the process says the same."""
    lost = []

    def use():
        if lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def lose():
        lost.append(True)
        use()

    _units(report, use, lose, use)


def hanging(settings, report):
    """The second unit hangs, with a process that it has started."""
    def hang():
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (Path(settings.work) / "pids").write_text(f"{os.getpid()} {other.pid}")
        time.sleep(600)

    _units(report, int, hang, int)


def raising(settings, report):
    raise ValueError("the part's own defect\nwith a second line")


def absent(settings, report):
    raise NotHere("this machine has no such thing")


def package_missing(settings, report):
    import a_package_that_nobody_has  # noqa: F401


def unit_absent(settings, report):
    def missing():
        raise NotHere("no library for it")

    _units(report, int, missing)


def not_finite(settings, report):
    report.row(TABLE, "a", value_1=float("nan"), value_2=1.5)
