"""The one door for files that a user, or a machine elsewhere, gave: a regular file, of a bounded size, read whole into memory.

A named pipe would hang whoever opens it, a device would never end, a sparse file of some gigabytes would take as much memory,
and a file that is mapped instead of read kills the process with SIGBUS when somebody copies over it.  So every such file is
opened here, and what the operating system says of it becomes one line for the person who must act.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown

MB = 2**20
TEXT_LIMIT = 16 * MB
"""Of files that people or tools write as text: YAML, JSON, CSV, labels."""


def read_bytes(path: str | Path, what: str, limit: int, remedy: str = "check the path") -> bytes:
    """The whole content of the regular file ``path``; symbolic links are followed.

    what: the file's role, as ``recipe`` or ``model``, which opens the message.  limit: largest size, bytes.  remedy: what to do
    where the file is absent.
    Raises InputError where it is absent, no regular file, larger than the limit or cannot be read.
    """
    name = f"{what} {shown(path)}"
    try:
        # Without O_NONBLOCK, opening a named pipe waits for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{name} does not exist: {remedy}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise InputError(f"{name} cannot be read ({reason(error)})") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise InputError(f"{name} is {kind(found.st_mode)}, not a file: {remedy}")
        if found.st_size > limit:
            raise InputError(f"{name} has {_size(found.st_size)}, and at most {_size(limit)} are read: it is not what "
                             f"it should be; {remedy}")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"{name} cannot be read ({reason(error)})") from None
    finally:
        os.close(descriptor)
    if len(data) > limit:  # it grew meanwhile, or tells no size
        raise InputError(f"{name} has more than {_size(limit)}: it is not what it should be; {remedy}")
    return data


def open_file(path: str | Path) -> BinaryIO:
    """The regular file ``path``, to be read piece by piece.  Raises OSError, also for a pipe, a device or a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {kind(mode)}, not a file")
    return open(descriptor, "rb")


def read_text(path: str | Path, what: str, limit: int = TEXT_LIMIT, remedy: str = "check the path") -> str:
    """As :func:`read_bytes`, as UTF-8 with or without a byte order mark; raises InputError for other bytes too."""
    data = read_bytes(path, what, limit, remedy)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {shown(path)} is not UTF-8 text (byte {error.start + 1}): store it as UTF-8") from None


def reason(error: BaseException) -> str:
    """Why the operating system refused, in a few words."""
    if isinstance(error, OSError) and error.errno is not None:
        return {errno.ENAMETOOLONG: "its name is too long", errno.ENOSPC: "the disk is full", errno.EROFS: "the disk is read-only",
                errno.EACCES: "no permission", errno.ELOOP: "its links lead in a circle"}.get(error.errno) or os.strerror(error.errno)
    return shown(str(error) or type(error).__name__)


def _size(count: int) -> str:
    return f"{count / MB:,.1f} MB" if count >= MB else f"{count / 1024:,.1f} kB"


def kind(mode: int) -> str:
    """What a path leads to that is no regular file, by its ``st_mode``."""
    for is_kind, name in ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
                          (stat.S_ISBLK, "a device"), (stat.S_ISCHR, "a device")):
        if is_kind(mode):
            return name
    return "of an unknown kind"
