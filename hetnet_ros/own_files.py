"""Files whose names a command makes up: overlays, masks, maps, frames, tables.  None of them ever replaces a file of the user's.

A hidden file in the output folder, ``.hetnet-files``, lists what hetnet wrote there and the hash of each content.  Where a name is
taken, the file is replaced only if it is still one of those, to the byte: so a command can be repeated into the same folder, while
a file that came from elsewhere, or that somebody painted over since, is refused in one line.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.user_files import read_text, reason
from hetnet_ros.whole_files import check_output_folder, write_file

RECORD = ".hetnet-files"
_FORMAT = "hetnet-files-1"
_RECORD_LIMIT = 64 * 2**20
_KEPT = 4
"""Contents remembered for each name: the last, and those that runs which were killed meant to write."""
_GROWING = "growing"
"""In place of a hash, of a file that goes on growing after it was opened, such as a log."""


class OwnFiles:
    """What hetnet writes under names of its own into ``folder``.

    remedy: what a user should do where a name is taken, such as ``give another folder with -o``.
    """

    def __init__(self, folder: str | Path, remedy: str = "give another folder") -> None:
        self.folder, self._remedy = Path(folder), remedy
        self._record = _Record(self.folder / RECORD)
        self._written: set[tuple[int, int]] = set()

    def check(self, names: Iterable[str]) -> None:
        """Raise InputError if one of these ``names`` (with ``/`` between folders) is taken by a file that is not hetnet's."""
        for name in names:
            self._check(name)

    def write(self, name: str, data: bytes | str, drawn: bool = False) -> Path:
        """Write the file ``name`` whole and return its path.

        drawn: it is a picture about a picture, and listings of images pass over it.  Raises InputError where the name is taken,
        also by a file of this run (on a disk that does not tell ``A`` from ``a``), or writing fails.
        """
        path = self.folder / name
        self._check(name)
        data = data.encode() if isinstance(data, str) else data
        self._record.add(name, hashlib.sha256(data).hexdigest(), drawn)
        write_file(path, data)
        self._written.add(_identity(path))
        return path

    def adopt(self, name: str, source: Path | None = None) -> None:
        """Take the file ``name`` for hetnet's, or ``source``, which is about to be moved there."""
        self._record.add(name, _hash(self.folder / name if source is None else source), False)

    def claim(self, name: str) -> Path:
        """The path of a file that is going to be written bit by bit, such as a log; checked like any other."""
        self._check(name)
        self._record.add(name, _GROWING, False)
        return self.folder / name

    def owns(self, name: str) -> bool:
        """Whether there is a file of this name that is still as hetnet wrote it."""
        path = self.folder / name
        hashes = self._record.hashes(name)
        try:
            if not hashes or not stat.S_ISREG(os.lstat(path).st_mode):
                return False
            return _GROWING in hashes or _hash(path) in hashes
        except OSError:
            return False

    def strangers(self, below: str = "") -> list[str]:
        """The names of all files below a folder that hetnet did not write or somebody changed; links count as such."""
        found = (path.relative_to(self.folder).as_posix() for path in _files(self.folder / below))
        return sorted(name for name in found if name != RECORD and not self.owns(name))

    def remove(self, below: str = "", suffix: str = "") -> None:
        """Delete hetnet's own files below a folder, with the folders that are empty then; whatever else is there stays."""
        emptied = set()
        for path in list(_files(self.folder / below)):
            name = path.relative_to(self.folder).as_posix()
            if name.endswith(suffix) and self.owns(name):
                path.unlink()
                emptied |= {folder for folder in path.parents if folder != self.folder and folder.is_relative_to(self.folder)}
        for folder in sorted(emptied, reverse=True):  # the inner ones first
            with contextlib.suppress(OSError):
                folder.rmdir()

    def discard(self) -> None:
        """Delete hetnet's own files, and list and folder too where nothing else is left in it: for work that failed."""
        self.remove()
        if self.folder.is_dir() and not any(path.name != RECORD for path in self.folder.iterdir()):
            with contextlib.suppress(OSError):
                (self.folder / RECORD).unlink(missing_ok=True)
                self.folder.rmdir()

    def _check(self, name: str) -> None:
        path = self.folder / name
        try:
            there = _identity(path) if os.path.lexists(path) else None
        except OSError as error:
            raise InputError(f"cannot write {shown(path)} ({reason(error)}); {self._remedy}") from None
        if there is None:
            return
        if there in self._written:
            raise InputError(f"{shown(path)} would be written twice by this command, for names that differ only in upper and lower case: "
                             "rename one of them")
        if not self.owns(name):
            raise InputError(f"{shown(path)} is there already, and hetnet did not write it or it was changed since: move it, or "
                             f"{self._remedy}")


class _Record:
    """The list in :data:`RECORD`: a line of JSON for each file, the newest last.  It is added to, and shortened where many contents of
    one name have come together; reading it writes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, bool]] = {}
        self._long = False
        if not os.path.lexists(path):
            return
        lines = 0
        for entry in _entries(path):
            contents = self._entries.setdefault(entry["name"], {})
            contents.pop(entry["sha256"], None)
            contents[entry["sha256"]] = bool(entry.get("drawn"))
            lines += 1
        self._long = lines > (_KEPT + 1) * len(self._entries)

    def hashes(self, name: str) -> dict[str, bool]:
        """The contents that hetnet wrote under this name, and whether each was drawn."""
        return self._entries.get(name, {})

    def drawn(self) -> Iterable[str]:
        """The names under which a drawn picture was written."""
        return (name for name, contents in self._entries.items() if any(contents.values()))

    def add(self, name: str, sha256: str, drawn: bool) -> None:
        """Enter a content before it is written, so that a run that is killed in between leaves nothing unknown behind."""
        contents = self._entries.setdefault(name, {})
        if next(reversed(contents), None) == sha256:
            return
        contents.pop(sha256, None)
        contents[sha256] = drawn
        check_output_folder(self._path.parent)
        if self._long:
            self._shorten()
            return
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            with open(os.open(self._path, flags, 0o644), "r+b", buffering=0) as file:
                size = file.seek(0, os.SEEK_END)
                before = _head() if size == 0 else ""
                if 0 < size < len(_head()):  # a power cut left half of it
                    file.truncate(size := 0)
                    before = _head()
                elif size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                    before = "\n"  # ... or half a line
                data = f"{before}{_line(name, sha256, drawn)}".encode()
                try:
                    if file.write(data) < len(data):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                except OSError:
                    file.truncate(size)
                    if not size:
                        self._path.unlink()
                    raise
        except OSError as error:
            raise InputError(f"cannot write {shown(self._path)} ({reason(error)}); choose another place or make room") from None

    def _shorten(self) -> None:
        self._entries = {name: dict(list(contents.items())[-_KEPT:]) for name, contents in self._entries.items()}
        text = "".join(_line(name, *content) for name, contents in self._entries.items() for content in contents.items())
        write_file(self._path, f"{_head()}{text}")
        self._long = False


def drawn_files(folder: Path) -> frozenset[str]:
    """The names of the pictures directly in ``folder`` that hetnet drew there (overlays, masks) and nobody changed since."""
    if not os.path.lexists(folder / RECORD):
        return frozenset()
    own = OwnFiles(folder)
    return frozenset(name for name in own._record.drawn() if "/" not in name and own.owns(name))


def check_apart(output: Path, folders: Iterable[Path], trees: Iterable[Path] = (), flag: str = "-o") -> None:
    """Raise InputError if ``output``, which need not be there yet, is one of ``folders`` of images that are read, or is one of
    ``trees`` (data that are read as a whole), lies in one, or is around one.  Links, ``.`` and ``..`` are seen through."""
    at = _place(output)
    for folder in folders:
        if at is not None and at == _place(folder):
            raise InputError(f"{flag} {shown(output)} is the folder of images that are read: results would lie among them; give "
                             "another folder")
    for tree in trees:
        root = _place(tree)
        if root is None:
            continue
        if any(_place(above) == root for above in _with_parents(output)):
            raise InputError(f"{flag} {shown(output)} is or lies in {shown(tree)}, which is read: give a folder apart from it")
        if at is not None and any(_place(above) == at for above in _with_parents(tree)):
            raise InputError(f"{flag} {shown(output)} is around {shown(tree)}, which is read: give a folder apart from it")


def check_outputs(outputs: Mapping[str, Path | None], inputs: Iterable[Path | None]) -> None:
    """Raise InputError where an output that the user named is a file that this command reads, or two are one; ``outputs`` by flag."""
    read = {_place(path) for path in inputs if path is not None} - {None}
    named: dict[str, str] = {}
    for flag, path in outputs.items():
        if path is None:
            continue
        if _place(path) in read:
            raise InputError(f"{flag} {shown(path)} is read by this command and would be lost: give another name")
        other = named.setdefault(os.path.realpath(path), flag)
        if other != flag:
            raise InputError(f"{flag} and {other} are both {shown(path)}: give each a name of its own")


def _with_parents(path: Path) -> tuple[Path, ...]:
    real = Path(os.path.realpath(path))
    return (real, *real.parents)


def _place(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _identity(path: Path) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _files(top: Path) -> Iterable[Path]:
    for folder, folders, files in os.walk(top):
        yield from (Path(folder) / name for name in files)
        yield from (Path(folder) / name for name in folders if os.path.islink(os.path.join(folder, name)))


def _entries(path: Path) -> Iterable[dict]:
    if os.path.islink(path):
        raise InputError(f"{shown(path)} is a link, and hetnet keeps its list of files there: remove it")
    lines = read_text(path, "list of files", _RECORD_LIMIT, "remove it").splitlines()
    if lines and lines[0] != _head().rstrip() and not (len(lines) == 1 and _head().startswith(lines[0])):  # half of it, after a power cut
        raise InputError(f"{shown(path)} is not hetnet's list of files: move it, or give another folder")
    for line in lines[1:]:
        try:
            entry = json.loads(line)
            if isinstance(entry["name"], str) and isinstance(entry["sha256"], str):
                yield entry
        except (ValueError, TypeError, KeyError, RecursionError):
            continue  # half a line, after a power cut


def _head() -> str:
    return json.dumps({"format": _FORMAT}) + "\n"


def _line(name: str, sha256: str, drawn: bool) -> str:
    return json.dumps({"name": name, "sha256": sha256, **({"drawn": True} if drawn else {})}) + "\n"
