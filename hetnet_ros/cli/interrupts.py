"""Ctrl-C and SIGTERM, as an exception that cannot get lost.

Python runs a signal's handler wherever its main thread happens to be.  What the handler raises inside a destructor or the
callback of a weak reference is dropped, and inside the import of an extension module, rclpy's for one, it is dropped or becomes
an ImportError.  So the signal is also remembered, whoever waits for long calls :func:`check` meanwhile, and what must not be
cut in two is done while signals are :func:`held`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hetnet_ros.errors import Interrupted

_came = threading.Event()


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
    """In this block SIGTERM raises Interrupted, too, so that it ends a command the way Ctrl-C does, clean-up included; in other
    threads than the main one, which get no signals, nothing is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
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
    _came.set()
    raise Interrupted
