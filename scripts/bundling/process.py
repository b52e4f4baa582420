"""Other programs, run so that a failure is one line, progress is plain lines, and nothing outlives the one who started it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator

PROGRESS_SECONDS = 20
FULL = re.compile(r"No space left on device|Disk quota exceeded")
UNREACHABLE = re.compile(
    r"Temporary failure in name resolution|Name or service not known|NewConnectionError|ConnectTimeout|ProxyError"
    r"|Network is unreachable|Connection refused|ConnectionResetError|NameResolutionError|Failed to establish a new connection"
)


class Problem(Exception):
    """What the user must know, in one line."""


class Interrupted(BaseException):
    """A signal asked us to end; ``number`` says which."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Console:
    """Lines to the user.  name: what they begin with; verbose: whether the output of other programs is passed on."""

    def __init__(self, name: str, verbose: bool = False) -> None:
        self.name = name
        self.verbose = verbose

    def say(self, text: str) -> None:
        print(f"{self.name}: {text}", flush=True)

    def run(self, step: str, command: list, environment: dict[str, str] | None = None, cwd: str | os.PathLike | None = None) -> str:
        """Run a command and return its standard output and errors.  Raises Problem, named after ``step``, where it fails."""
        lines: deque[str] = deque(maxlen=4000)
        child = subprocess.Popen([str(word) for word in command], env=environment, cwd=cwd, text=True, errors="replace",
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        reader = threading.Thread(target=self._read, args=(child, lines), daemon=True)
        reader.start()
        started = time.monotonic()
        try:
            while True:
                try:
                    code = child.wait(PROGRESS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    if not self.verbose:
                        self.say(f"  {time.monotonic() - started:.0f} s: {lines[-1][:100] if lines else step}")
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
        reader.join(10)
        if code:
            raise Problem(f"{step} failed: {reason(list(lines)) or f'exit code {code}'}")
        return "\n".join(lines)

    def _read(self, child: subprocess.Popen, lines: deque[str]) -> None:
        for line in child.stdout:
            if self.verbose:
                print(line, end="", file=sys.stderr, flush=True)
            if line.strip():
                lines.append(line.rstrip())


def reason(lines: list[str]) -> str:
    """Why a program failed, out of what it printed: a full disk and a missing network are told apart from the rest."""
    for line in lines:
        if FULL.search(line):
            return "the disk is full"
    for line in lines:
        if found := UNREACHABLE.search(line):
            return f"the package index cannot be reached ({found[0]})"
    errors = [line.strip() for line in lines if re.match(r"\s*(ERROR|error|CMake Error|fatal error)\b", line)]
    return ((errors or lines[-1:] or [""])[-1])[:300]


@contextlib.contextmanager
def one_line_at_the_end(console: Console) -> Iterator[None]:
    """Signals become exceptions, so that what was made is taken away; problems become one line, and the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        yield
    except Problem as problem:
        code, text = 2, f"error: {problem}"
    except Interrupted as interrupted:
        code, text = 128 + interrupted.number, "interrupted; what was made so far is removed"
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.EFBIG,
                               errno.ENAMETOOLONG):
            raise
        what = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else os.strerror(error.errno)
        code, text = 2, f"error: {what}" + (f": {error.filename}" if error.filename else "")
    else:
        return
    print(f"{console.name}: {text}", file=sys.stderr, flush=True)
    sys.exit(code)


def _interrupt(number: int, frame: object) -> None:
    del frame
    hold_signals()  # what was made is now removed, and a second signal must not cut that short
    raise Interrupted(number)


def hold_signals() -> None:
    """From here on a signal changes nothing."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
