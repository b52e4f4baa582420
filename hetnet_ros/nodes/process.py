"""The life of one node process: environment, spinning, and a quick, quiet end.

Every node of this package starts through :func:`run_node`, so all of them behave alike: large images get through Fast
DDS, a wrong argument is one line and exit code 2, and SIGINT, SIGTERM or a lost context end the process within seconds
and without a traceback, also when ``ros2 launch`` dies first and leaves its nodes behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetnet_ros.errors import InputError
from hetnet_ros.resources import config_path

if TYPE_CHECKING:
    from rclpy.node import Node

_SWITCH_SECONDS = 0.0001
"""Longest time that a thread keeps the interpreter from another.  Python's 5 ms, lost at each of a network's hundreds of
operations while images arrive, would stretch an inference to a second."""

_KEPT_BYTES = 2**25
"""What a thread of the process may keep of freed memory.  glibc would hand the memory of every large image back to the
system, and get it again page by page for the next one."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

EXIT_DONE = 0
EXIT_FAULT = 1
EXIT_BAD_INPUT = 2

GRACE_SECONDS = 5.0
"""Time that a node has for its own clean end; after it the process ends regardless."""

WAKE_SECONDS = 0.5
"""Longest sleep of the executor.  rclpy wakes it on a signal just before it shuts the context down, so an executor that
waits for events without limit can look at the context too early and then sleep through its end."""

_ERROR_SECONDS = 0.05
"""Pause after an error that a node outlives, so that one that comes again and again leaves time for everything else."""

CALLBACK_SECONDS = 0.5
"""Time that callbacks and workers have to return once the node is down; one that takes longer is cut off with the process."""

_FORCE = "end by force"
"""Name of the thread that ends the process after the grace period."""

_OLDER_DISTRIBUTIONS = ("humble", "iron", "jazzy")
"""Those with Fast DDS 2, which reads its profiles from a variable of another name, of which Fast DDS 3 complains."""


def prepare_environment() -> None:
    """Set what rclpy and Fast DDS read from the environment at start, unless the user has set it.

    Fast DDS gets a profile whose shared-memory segment holds whole images (without it nearly all best-effort images
    between two processes are lost).  ``AMENT_PREFIX_PATH`` matters only where ROS came as Python wheels and nothing was
    sourced.
    """
    os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)
    profile = config_path("fastdds_shm.xml")
    given = any(os.environ.get(f"{prefix}_DEFAULT_PROFILES_FILE") for prefix in ("FASTDDS", "FASTRTPS"))
    if not given:
        older = os.environ.get("ROS_DISTRO") in _OLDER_DISTRIBUTIONS
        os.environ[f"{'FASTRTPS' if older else 'FASTDDS'}_DEFAULT_PROFILES_FILE"] = str(profile)


def run_node(
    make_node: Callable[[], Node],
    args: Sequence[str] | None = None,
    *,
    threads: int = 4,
    outlive: Callable[[Any, Exception], None] | None = None,
) -> int:
    """Initialise ROS, make the node, spin it until told to stop, and return the exit code of the process.

    make_node: called once, after ROS is initialised; an :class:`InputError` from it ends the process with one line and
    code 2. args: the command line after the program name (``--ros-args ...``); None takes ``sys.argv[1:]``. threads:
    size of the executor's thread pool. outlive: is told of the node and of an error that reached the executor, after which
    the node goes on; without it such an error ends the process.  Returns 0 when stopped by SIGINT, SIGTERM or a shutdown of
    the context, 1 on a fault, also of a thread of the node's own, without which it would only look alive, 2 on bad input.
    The caller should end the process with that code at once: what still holds it after the grace period is cut off.
    """
    _keep_freed_memory()
    sys.setswitchinterval(_SWITCH_SECONDS)
    others = set(threading.enumerate())
    arguments = [sys.argv[0] or "hetnet", *(sys.argv[1:] if args is None else args)]
    interrupt = _Interrupt()
    signal.signal(signal.SIGINT, interrupt.handle)
    try:
        _initialise(arguments)
        interrupt.left_to_rclpy = True
        code = _spin(make_node, threads, outlive)
    except KeyboardInterrupt:
        code = EXIT_DONE
    except InputError as error:
        print(f"{Path(arguments[0]).name}: error: {error}", file=sys.stderr)
        code = EXIT_BAD_INPUT
    except Exception:  # the process ends here, so this is where a defect shows its traceback
        traceback.print_exc()
        code = EXIT_FAULT
    finally:
        _shut_down()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process is ending; a launch system often sends a second one
    if _still_busy(others):
        _end_now(code)
    return code


def _keep_freed_memory() -> None:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return
    for threshold in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
        mallopt(threshold, _KEPT_BYTES)


class _Interrupt:
    """Python's side of SIGINT: a KeyboardInterrupt before ROS is up, nothing after.

    Once rclpy has its own handler, that one wakes the executor and shuts the context down; a KeyboardInterrupt on top
    might strike anywhere, the clean-up included.
    """

    left_to_rclpy = False

    def handle(self, _number: int, _frame: object) -> None:
        if not self.left_to_rclpy:
            raise KeyboardInterrupt


def _initialise(arguments: list[str]) -> None:
    prepare_environment()
    try:
        import rclpy
        from rclpy.utilities import remove_ros_args
    except ImportError as error:
        raise InputError(
            f"ROS 2 is not usable from this Python ({error}): source a ROS 2 installation or install the "
            "ros-kilted wheels, see docs/install.md"
        ) from error
    try:
        rclpy.init(args=arguments)
        leftover = remove_ros_args(args=arguments)[1:]
    except Exception as error:
        raise InputError(f"ROS arguments refused: {_first_line(error)}") from error
    if leftover:
        raise InputError(
            f"unknown argument {leftover[0]!r}: nodes take only ROS arguments, for example "
            "--ros-args -p NAME:=VALUE -r FROM:=TO"
        )


def _spin(
    make_node: Callable[[], Node], threads: int, outlive: Callable[[Any, Exception], None] | None
) -> int:
    """Until the end of the context or of one of the node's threads; the process's exit code."""
    import rclpy
    from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
    from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
    from rclpy.impl.implementation_singleton import rclpy_implementation

    executor = MultiThreadedExecutor(num_threads=threads)
    node, broken = None, threading.Event()

    def note_broken(failed: threading.ExceptHookArgs) -> None:
        if rclpy.ok() and not issubclass(failed.exc_type, SystemExit):  # after the end, what interrupted ROS calls say is nothing new
            traceback.print_exception(failed.exc_type, failed.exc_value, failed.exc_traceback)
            broken.set()

    threading.excepthook = note_broken
    try:
        node = make_node()
        executor.add_node(node)
        while rclpy.ok() and not broken.is_set():
            try:
                executor.spin_once(timeout_sec=WAKE_SECONDS)
            except ExternalShutdownException:
                raise
            except Exception as error:
                if not rclpy.ok():
                    raise
                if outlive is not None:
                    outlive(node, error)
                elif not isinstance(error, rclpy_implementation.InvalidHandle):
                    raise
                # else a callback destroyed a publisher, say, just as the executor was about to wait for it: next time it is not there
                time.sleep(_ERROR_SECONDS)
    except ExternalShutdownException:
        pass
    except (InvalidParameterTypeException, InvalidParameterValueException) as error:
        raise InputError(_first_line(error)) from error
    except Exception:
        if rclpy.ok():
            raise  # a defect; once the context is gone, errors of interrupted ROS calls say nothing new
    finally:
        code = EXIT_FAULT if rclpy.ok() or broken.is_set() else EXIT_DONE
        _end_by_force_after(GRACE_SECONDS, code)
        executor._executor.shutdown(wait=False)  # the thread pool; rclpy's own way waits for callbacks without limit
        if node is not None:
            node.destroy_node()
    return code


def _shut_down() -> None:
    if "rclpy" in sys.modules:
        import rclpy

        rclpy.try_shutdown()


def _still_busy(others: set[threading.Thread]) -> bool:
    """Whether a thread of the node still works, on a model being loaded or an image in the network, say.

    The interpreter must not come to its end meanwhile.  It would wait for an ordinary thread.  A daemon thread it would stop at its
    return from the library it is in, in the middle of C++ code that cannot be left that way: the process then aborts.
    """
    deadline = time.monotonic() + CALLBACK_SECONDS
    for thread in set(threading.enumerate()) - others:
        if thread.name != _FORCE:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                return True
    return False


def _end_by_force_after(seconds: float, code: int) -> None:
    timer = threading.Timer(seconds, _end_now, args=(code,))
    timer.daemon, timer.name = True, _FORCE
    timer.start()


def _end_now(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
