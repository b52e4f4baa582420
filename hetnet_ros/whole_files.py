"""Files that are written whole or not at all, and that are refused before the long work rather than after it.

Whatever hetnet writes goes first to a temporary file in the same folder, onto the disk, and then takes its place, so that neither
a full disk nor Ctrl-C nor a power cut leaves half a file under the name that was asked for; and nothing is left beside it either.
What the operating system says becomes one line for the person who must act.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.user_files import MB, kind, reason

_NAME_LETTERS = 20
"""Of the file's name that its temporary one shows: at most 80 bytes, so that a name that is itself allowed stays so."""


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives the path of a temporary file beside ``path``, to be written in the ``with`` block; it takes the place of ``path`` at the
    block's end, and is gone where the block raises anything.  A file that is replaced hands on who may read it; where ``path`` is a
    link, the file that it leads to is replaced, and the link stays.

    Raises InputError where writing fails, for instance on a full disk, and for a path that is no place for a file.
    """
    path = Path(path)
    part = None
    try:
        _refuse_what_is_no_file(path)
        place = _behind_links(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = str(place.with_name(f".{place.name[:_NAME_LETTERS]}.{secrets.token_hex(8)}.part"))
        _make_empty(part, place)
        yield Path(part)
        _to_disk(part)
        _hand_on_rights(place, part)
        os.replace(part, place)
        part = None
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        if isinstance(error, ValueError) and not _is_bad_name(path):
            raise  # the block's own
        raise InputError(f"cannot write {shown(path)} ({reason(error)}); choose another place or make room") from error
    finally:
        if part is not None:
            with contextlib.suppress(OSError):
                os.unlink(part)


def write_file(path: str | Path, data: bytes | str) -> None:
    """Write ``data`` so that ``path`` is at every moment either the old file or the whole new one.

    Text is stored as UTF-8, and a letter that UTF-8 does not have (of a file name that is none) as its escape.  Raises InputError
    where writing fails.
    """
    with whole_file(path) as part:
        part.write_bytes(data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data)


def check_output_file(path: Path | None) -> None:
    """Make sure a file can be written at ``path`` (its folder is made); None is fine.  Raises InputError if not."""
    if path is None:
        return
    try:
        if path.is_dir():
            raise InputError(f"cannot write {shown(path)}: it is a folder; give a file name")
        _refuse_what_is_no_file(path)
        check_output_folder(_behind_links(path).parent)
        if path.exists() and not os.access(path, os.W_OK):
            raise InputError(f"cannot write {shown(path)}: the file is write-protected; remove it or choose another name")
    except OSError as error:
        raise InputError(f"cannot write {shown(path)} ({reason(error)}); choose another name or place") from None


def check_output_folder(path: Path | None) -> None:
    """Make the folder ``path`` and make sure files can be written into it; None is fine.  Raises InputError if not."""
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"1")  # a full disk makes names long after it has room for what they hold
            probe.flush()
    except FileExistsError:
        raise InputError(f"cannot write into {shown(path)}: it is a file, not a folder; choose another place") from None
    except NotADirectoryError:
        raise InputError(f"cannot write into {shown(path)}: a part of the path is a file; choose another place") from None
    except OSError as error:
        raise InputError(f"cannot write into {shown(path)} ({reason(error)}); choose another place or make room") from None


def check_room(folder: Path, needed: int, what: str) -> None:
    """Make sure that ``needed`` bytes are free on the disk of ``folder``, which is there.  what: opens the message.  Raises
    InputError; where the disk does not tell, it is taken to have room."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free < needed:
        raise InputError(f"{what} needs {needed / MB:,.0f} MB in {shown(folder)}, where {free / MB:,.0f} MB are free: make room or choose "
                         "another place")


def _refuse_what_is_no_file(path: Path) -> None:
    """A device or a pipe would be replaced by a file of its name, ``/dev/null`` for everybody on the machine."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):  # making its folder says the rest
        return
    if not stat.S_ISREG(mode):
        raise InputError(f"cannot write {shown(path)}: it is {kind(mode)}; give the name of a file")


def _behind_links(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _make_empty(part: str, place: Path) -> None:
    """Make the file ``part``, as open to others as the user's umask lets a new file be (a node may run as another user), or for its
    owner alone where ``place`` is there: that one may be a secret."""
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if place.exists() else 0o644))


def _hand_on_rights(place: Path, part: str) -> None:
    """Give ``part`` owner, group and mode of the file ``place`` that it replaces, if there is one."""
    try:
        found = os.stat(place)
    except FileNotFoundError:
        return
    mode = stat.S_IMODE(found.st_mode) & 0o777
    made = os.stat(part)
    if (made.st_uid, made.st_gid) != (found.st_uid, found.st_gid):
        try:
            os.chown(part, found.st_uid, found.st_gid)
        except OSError:  # not root: what the old group might, another one must not
            mode &= ~0o070 if made.st_gid != found.st_gid else 0o777
    os.chmod(part, mode)


def _to_disk(path: str) -> None:
    """Wait until the content lies on the disk: else a power cut may leave the new name with nothing in it, and a disk over the
    network may say only now that it is full."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot be told to
            raise
    finally:
        os.close(descriptor)


def _is_bad_name(path: Path) -> bool:
    try:
        return "\0" in str(path) or not os.fsencode(path)
    except ValueError:
        return True
