"""Ctrl-C and SIGTERM, as an exception that cannot get lost.

Python runs a signal's handler wherever its main thread happens to be.  What the handler raises inside a destructor or the
callback of a weak reference is dropped, and inside the import of an extension module, rclpy's for one, it is dropped or becomes
an ImportError.  So the signal is also remembered, whoever waits for long calls :func:`check` meanwhile, and what must not be
cut in two is done while signals are :func:`held`.  A second signal soon after the first, as from an impatient finger or a launcher,
must not cut the clean-up in two, and counts as the first.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from hetnet_ros.errors import Interrupted

_came = threading.Event()
_came_at = 0.0
_SAME_SECONDS = 2.0
"""Within this time after a signal another one counts as the same."""


def watch_sigint() -> None:
    """Let Ctrl-C raise Interrupted from now on, and forget earlier signals.

    Nothing changes outside the main thread, or where Python's own handler is not in force: a parent may have SIGINT
    ignored.
    """
    _came.clear()
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


@contextmanager
def sigterm_as_well() -> Iterator[None]:
    """In this block SIGTERM raises Interrupted, too, so that it ends a command the way Ctrl-C does, clean-up included, unless a parent has
    it ignored; in other threads than the main one, which get no signals, nothing is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def held() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM only at the end of this block, as what is then in force for them; in other threads than the main one,
    which get no signals, nothing is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def check() -> None:
    """Raise Interrupted if a signal has come."""
    if _came.is_set():
        raise Interrupted


def _interrupt(_number: int, _frame: object) -> None:
    global _came_at
    if _came.is_set() and time.monotonic() - _came_at < _SAME_SECONDS:
        return
    _came_at = time.monotonic()
    _came.set()
    raise Interrupted
