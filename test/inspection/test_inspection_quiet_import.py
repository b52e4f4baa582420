"""No runtime that this package loads asks the network for anything or leaves a device id at home."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

from hetnet_ros.inspection.backends.quiet_import import REPORTING

ROOT = Path(__file__).resolve().parents[2]
RECORDER = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

static void note(const char *what) {
    FILE *file = fopen(getenv("RECORDED"), "a");
    if (file) { fprintf(file, "%s\n", what ? what : "-"); fclose(file); }
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    (void)service; (void)hints; (void)found;
    note(name);
    return EAI_AGAIN;
}

int connect(int socket, const struct sockaddr *address, socklen_t length) {
    char text[64];
    if (address->sa_family == AF_INET)
        note(inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text));
    return ((int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect"))(socket, address, length);
}
"""
WAIT = """
telemetry = sys.modules.get("openvino_telemetry")
if telemetry is not None:  # it reports from a thread
    telemetry.Telemetry().sender.executor.shutdown(wait=True)
"""


@pytest.fixture(scope="module")
def recorder(tmp_path_factory) -> Path:
    """A library that notes, for the process it is loaded into first, every name asked for and every address connected to."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang") or shutil.which("c++")
    if compiler is None:
        pytest.skip("there is no C compiler to build the recorder of network names with")
    folder = tmp_path_factory.mktemp("recorder")
    (folder / "recorder.c").write_text(RECORDER)
    subprocess.run([compiler, "-x", "c", "-shared", "-fPIC", "-o", folder / "recorder.so", folder / "recorder.c", "-ldl"], check=True)
    return folder / "recorder.so"


def run_alone(code: str, recorder: Path, folder: Path) -> tuple[str, list[str]]:
    """What was asked of the network by ``code`` in a fresh process with an empty home, and the files that it left there."""
    home, recorded = folder / "home", folder / "recorded"
    home.mkdir()
    silent = ("CI", "TF_BUILD", "JENKINS_URL", "HETNET_CACHE", "XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")
    kept = {name: value for name, value in os.environ.items() if name not in silent}
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{WAIT}"], capture_output=True, text=True, timeout=240,
        env={**kept, "HOME": str(home), "LD_PRELOAD": str(recorder), "RECORDED": str(recorded),
             "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH"))))})
    assert done.returncode == 0, done.stderr
    return recorded.read_text() if recorded.exists() else "", [path.name for path in home.rglob("*") if path.is_file()]


def needs(name: str) -> None:
    """Skip without this package.  By its files: in this process the package itself may be barred by now."""
    if PathFinder.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")


def test_the_recorder_hears_what_openvino_does_by_itself(recorder, tmp_path):
    """Otherwise the tests below could pass on a recorder that hears nothing."""
    needs("openvino_telemetry")
    asked, left = run_alone("import openvino", recorder, tmp_path)
    assert asked and left


@pytest.mark.parametrize("code", [
    "from hetnet_ros.cli.main import main; assert main(['doctor']) == 0",
    "from hetnet_ros.inspection.backends.openvino_backend import supports_bf16; supports_bf16()",
    *(f"from hetnet_ros.inspection.backends.quiet_import import quiet_import; quiet_import({name!r})" for name in REPORTING)])
def test_nobody_is_asked_and_nothing_left(recorder, tmp_path, code):
    if "quiet_import(" in code:
        needs(code.split("'")[1])
    assert run_alone(code, recorder, tmp_path) == ("", [])


def test_they_are_imported_through_the_door_alone():
    wrong = []
    for file in [*(ROOT / "hetnet_ros").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            names = ([alias.name for alias in node.names] if isinstance(node, ast.Import)
                     else [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            wrong += [f"{file.name}: {name}" for name in names if name.split(".")[0] in REPORTING]
    assert not wrong
