"""Output files that are whole or not there, and that are refused before the long work rather than after it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hetnet_ros.errors import InputError


def check_output_file(path: Path | None) -> None:
    """Make sure a file can be written at ``path`` (its folder is made); None is fine.  Raises InputError if not."""
    if path is None:
        return
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; give a file name")
    check_output_folder(path.parent)
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError(f"cannot write {path}: the file is write-protected; remove it or choose another name")


def check_output_folder(path: Path | None) -> None:
    """Make the folder ``path`` and make sure files can be written into it; None is fine.  Raises InputError if not."""
    if path is None:
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except FileExistsError:
        raise InputError(f"cannot write into {path}: it is a file, not a folder; choose another place") from None
    except NotADirectoryError:
        raise InputError(f"cannot write into {path}: a part of the path is a file; choose another place") from None
    except OSError as error:
        raise InputError(f"cannot write into {path} ({error.strerror}); choose another place") from None


def write_file(path: Path, data: bytes | str) -> None:
    """Write ``data`` so that ``path`` is at every moment either the old file or the whole new one.

    Text is stored as UTF-8.  Raises InputError where writing fails, for instance on a full disk.
    """
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as file:
            part = file.name
            file.write(data.encode() if isinstance(data, str) else data)
        os.chmod(part, 0o644)
        os.replace(part, path)
        part = None
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}); choose another place or make room") from error
    finally:
        if part is not None and os.path.exists(part):
            os.unlink(part)
