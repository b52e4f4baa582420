"""What every test shares: a ROS of its own on this machine, how much property tests try, and the fixtures of
:mod:`model_fixtures`, :mod:`disk_fixtures` and :mod:`bag_fixtures`.

The environment is set when pytest reads this file, before any test module imports rclpy.  Where ROS came as wheels,
the interpreter has by then restarted itself once with the wheels' library path, so child processes that inherit
``os.environ`` as it is find it complete; one that is given another environment must not keep
``_ROS_WHEELS_BOOTSTRAP_COMPLETE`` without ``LD_LIBRARY_PATH``.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["model_fixtures", "bag_fixtures", "disk_fixtures"]

ROOT = Path(__file__).resolve().parent.parent


def _own_domain() -> int:
    """A ROS domain that other test runs and nodes on this machine are unlikely to use.

    0 is everybody's default, 41 to 45 are left to people who try things, and domains above 101 reach into the ports
    that Linux hands out to anyone.
    """
    free = [number for number in range(1, 102) if not 41 <= number <= 45]
    return free[os.getpid() % len(free)]


_logs = tempfile.TemporaryDirectory(prefix="hetnet_test_logs_")  # removed when Python ends

os.environ["ROS_DOMAIN_ID"] = str(_own_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
if os.environ.get("ROS_DISTRO") == "humble":
    os.environ["ROS_LOCALHOST_ONLY"] = "1"  # its name for the same
else:
    os.environ.pop("ROS_LOCALHOST_ONLY", None)
os.environ["ROS_LOG_DIR"] = _logs.name
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # of tests that import onnxruntime themselves
os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", str(ROOT / "config" / "fastdds_shm.xml"))

os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = _logs.name  # not .hypothesis in the working folder
settings.register_profile(
    "ci", max_examples=100, derandomize=True, deadline=None, database=None, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture])
settings.register_profile("deep", settings.get_profile("ci"), max_examples=2000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def source_root() -> Path:
    """The root of the source tree that the tests were read from."""
    return ROOT
