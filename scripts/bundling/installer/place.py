"""The folder an installation is made in.  Only what was made here is ever taken away again."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from bundling.process import Problem

UNFINISHED = ".hetnet_unfinished"
WORK = ".hetnet_unpacked"


class Place:
    """A new folder, or one that was there and is empty (a disk mounted for this, say)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / WORK
        self._made: list[Path] = []
        self._ours = False

    def check(self) -> None:
        """Raises Problem where there is something already, or nothing can be made."""
        if os.path.lexists(self.folder):
            if (self.folder / UNFINISHED).exists():
                raise Problem(f"{self.folder} was left unfinished by an installation that was cut off: delete it (rm -r) and run this again")
            if self.folder.is_symlink() or not self.folder.is_dir():
                raise Problem(f"{self.folder} exists and is not a folder")
            if any(self.folder.iterdir()):
                raise Problem(f"{self.folder} exists and is not empty: install beside it under another name, and delete this one later")
        existing = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise Problem(f"cannot write to {existing}: choose another place, or run this as a user who can")

    def room(self) -> int:
        """Bytes free there."""
        return shutil.disk_usage(next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())).free

    def make(self) -> None:
        try:
            for folder in (*reversed(self.folder.parents), self.folder):
                with contextlib.suppress(FileExistsError):
                    folder.mkdir()
                    self._made.append(folder)
            (self.folder / UNFINISHED).touch(exist_ok=False)  # two installations at once: the second is refused, here at last
            self._ours = True
            self.work.mkdir()
        except OSError as error:
            raise Problem(f"cannot write to {self.folder}: {error.strerror}") from None

    def finish(self) -> None:
        shutil.rmtree(self.work)
        (self.folder / UNFINISHED).unlink()

    def discard(self) -> None:
        """Take away what was made: a folder that was there before stays, empty as it was."""
        for entry in list(self.folder.iterdir()) if self._ours else []:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # somebody else put something there meanwhile
                folder.rmdir()
