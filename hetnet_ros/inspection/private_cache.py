"""Folders of the cache whose files are run or believed: nobody but this user, or root, may have written there.

An export in the cache is run in place of a model that was checked.  That it names the right model does not say who wrote its graph;
who owns the file does.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.resources import cache_directory
from hetnet_ros.user_files import reason

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def private_folder(*names: str) -> Path:
    """The folder of these names in the cache, made where it is absent and closed to the writing of others.

    Raises InputError where it cannot be made or belongs to somebody else.
    """
    folder = cache_directory().joinpath(*names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid not in _trusted():
            raise InputError(f"cache folder {shown(folder)} belongs to another user, who could put anything there: set HETNET_CACHE to "
                             "a folder of your own")
        if found.st_mode & _OTHERS_WRITE:  # as the system's umask may make it
            folder.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS_WRITE)
    except OSError as error:
        raise InputError(f"cache folder {shown(folder)} cannot be used ({reason(error)}): set HETNET_CACHE to a folder of your "
                         "own") from None
    return folder


def is_own(path: Path) -> bool:
    """Whether ``path`` is a file, no link, that only this user or root can have written."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_uid in _trusted() and not found.st_mode & _OTHERS_WRITE


def make_way(path: Path) -> None:
    """Remove what is at ``path``, if anything is: a file that is written in place of another hands on its rights, and goes where a link leads."""
    with contextlib.suppress(OSError):  # whoever writes there says why that cannot be
        path.unlink()


def _trusted() -> tuple[int, int]:
    return os.geteuid(), 0
