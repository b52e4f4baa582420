"""The process of one part: ``python -m hetnet_ros.gpu_check.child PART SETTINGS RESULTS [UNIT...]``.

PART and SETTINGS are JSON, RESULTS is the file to write to, and the units are those not to be done again.  The runner gives the
process a group of its own and ends the group; should the runner itself be gone, the group ends itself.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import NoReturn

from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.record import FAILED, OK, SKIPPED
from hetnet_ros.gpu_check.reporter import DeviceLost, NotHere, Reporter, why

EXIT_AGAIN = 75
"""The device is lost: what is left of the part wants another process."""


def main(arguments: list[str]) -> int:
    part, settings = Part(**json.loads(arguments[0])), Settings.from_json(arguments[1])
    report = Reporter(Path(arguments[2]), arguments[3:])
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        importlib.import_module(part.module).measure(settings, part, report)
    except DeviceLost:
        return EXIT_AGAIN
    except NotHere as error:
        report.end(SKIPPED, str(error))
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("hetnet_ros"):
            traceback.print_exc()
        report.end(SKIPPED if error.name and not error.name.startswith("hetnet_ros") else FAILED,
                   f"the Python package {error.name} is not installed" if error.name else why(error))
    except Exception as error:
        traceback.print_exc()
        report.end(FAILED, why(error))
    else:
        report.end(OK)
    return 0


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.killpg(0, signal.SIGKILL)


def _leave(code: int) -> NoReturn:
    """At once: taking the interpreter down with torch in it takes seconds, and all that counts is written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main(sys.argv[1:]))
