"""Entry point of ``hetnet``: finds the command, imports that one module and turns what happens into an exit code.

Torch and rclpy take seconds to import, so nothing but the chosen command is imported and ``hetnet --help`` answers at
once.  A user's mistake (:class:`InputError`, wrong flags) is one line on stderr and exit code 2, and so is what the operating
system refuses (a locked folder, a full disk) wherever it does; any other exception is our defect and keeps its traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import IO, NoReturn

from hetnet_ros import __version__
from hetnet_ros.cli import interrupts
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.user_files import reason

#: Command -> summary.  A command's code is the module ``hetnet_ros.cli.<command>_command`` (``_`` for ``-``), which has the same text as
#: ``SUMMARY``, and ``add_arguments(parser)`` and ``run(args) -> int``.
COMMANDS: dict[str, str] = {
    "train": "teach a part from defect-free images",
    "calibrate": "change a model's promised false-reject rate, or calibrate it anew, without teaching",
    "evaluate": "measure a model on labelled images",
    "predict": "inspect image files and draw what was found",
    "replay": "measure a model on a rosbag2 recording, offline or live",
    "compare": "compare two results of hetnet replay, also as a gate for CI",
    "label": "list a recording's segments, write and import its labels",
    "cell": "write images of the virtual inspection cell, or a labelled recording",
    "export": "turn a model into one graph for another runtime, checked against torch",
    "sign": "sign models, so that inspectors with the public key take no others",
    "bench": "measure how fast a model runs on this machine, by backend",
    "gpu-check": "prove a GPU: same answers as the CPU, speed by backend, teaching, node rates",
    "demo": "teach a virtual part, inspect 20 parts over ROS 2, show the verdicts",
    "run": "start one of the ROS 2 nodes without a launch file",
    "doctor": "show what this machine has and what is missing",
}

REFUSALS = frozenset({
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR,
    errno.EISDIR, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.ENOTEMPTY, errno.ENXIO, errno.ETXTBSY,
})
"""What the operating system says of the user's files and disks.  A file that is not there (ENOENT) is looked for before it is
opened, so that one is a defect."""

EXIT_INPUT = 2
EXIT_INTERRUPTED = 130  # as a shell reports SIGINT
EXIT_BROKEN_PIPE = 141  # and SIGPIPE


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are InputErrors, so that all mistakes look alike; no abbreviated flags."""

    def __init__(self, **options) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see '{self.prog} --help'")

    def _print_message(self, message: str, file: IO[str] | None = None) -> None:
        """argparse's own says nothing of an output that takes no more."""
        (file or sys.stderr).write(message or "")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 bad usage or input, 130 interrupted."""
    _fill_closed_streams()
    interrupts.watch_sigint()
    _print_anything()
    code = _outcome(lambda: _run(list(sys.argv[1:] if argv is None else argv)))
    if not code:  # what was printed may be in a buffer still
        code = _outcome(lambda: sys.stdout.flush() or 0)
    _drop_unwritten()
    return code


def _outcome(work: Callable[[], int]) -> int:
    """The exit code of ``work``, and a line on stderr where it ends with what is no defect of ours."""
    try:
        return work()
    except InputError as error:
        return _say(f"hetnet: error: {error}", EXIT_INPUT)
    except KeyboardInterrupt:
        return _say("hetnet: interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:  # the reader, such as head, has gone
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno == errno.ENOENT and "temporary directory" in str(error):
            return _say("hetnet: error: there is no folder for temporary files that can be written to: set TMPDIR to one", EXIT_INPUT)
        if error.errno not in REFUSALS:
            raise
        where = shown(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else "a file, or the output,"
        return _say(f"hetnet: error: {where} cannot be used ({reason(error)}); choose another place, or make it accessible", EXIT_INPUT)
    except SystemExit as stop:  # argparse after --help and --version
        if isinstance(stop.code, str):
            raise
        return stop.code or 0


def _fill_closed_streams() -> None:
    """Put the null device where the caller closed standard input, output or errors (``>&-``): else the next file that is opened, perhaps
    a model that is being written, gets that number, and what a library prints goes into it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)
                if opened != number:
                    os.dup2(opened, number)
                    os.close(opened)
                os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))


def _print_anything() -> None:
    """A file name that is no UTF-8, or a terminal that knows ASCII alone, must not end a command when it prints."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):  # replaced, or closed
            stream.reconfigure(errors="backslashreplace")


def _drop_unwritten() -> None:
    """Leave nothing for the interpreter to flush into an output that takes no more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def command_parser(command: str) -> Parser:
    """The parser of one command, whose module is imported for it."""
    module = _module(command)
    parser = Parser(prog=f"hetnet {command}", description=module.SUMMARY, epilog=getattr(module, "EPILOG", None))
    module.add_arguments(parser)
    return parser


def _run(argv: list[str]) -> int:
    command = argv[0] if argv else "--help"
    if command.startswith("-"):
        _top_parser().parse_args([command])
        return 0
    if command not in COMMANDS:
        close = difflib.get_close_matches(command, COMMANDS, 1)
        hint = f"did you mean '{close[0]}'?" if close else f"the commands are {', '.join(COMMANDS)}"
        raise InputError(f"there is no command '{command}'; {hint}")
    args = command_parser(command).parse_args(argv[1:])
    try:
        os.getcwd()
    except OSError as error:  # torch's libraries would end the process with words about something else
        raise InputError(f"the current directory cannot be used ({reason(error)}), it may have been removed: change to another one") from None
    with contextlib.nullcontext() if command == "run" else interrupts.sigterm_as_well():  # a node has its own way to end
        return _module(command).run(args)


def _module(command: str):
    return importlib.import_module(f"hetnet_ros.cli.{command.replace('-', '_')}_command")


def _top_parser() -> Parser:
    width = max(len(command) for command in COMMANDS)
    listing = "\n".join(f"  {command:{width}}  {summary}" for command, summary in COMMANDS.items())
    parser = Parser(
        prog="hetnet",
        usage="hetnet [-h] [--version] COMMAND ...",
        description=f"HetNet visual inspection for robotic cells.\n\ncommands:\n{listing}",
        epilog="'hetnet COMMAND --help' explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"hetnet {__version__}")
    return parser


def _say(line: str, code: int) -> int:
    with contextlib.suppress(OSError):  # the exit code tells it as well
        print(line, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
