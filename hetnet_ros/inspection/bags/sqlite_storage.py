"""Messages of an sqlite3 storage file, whole or damaged, in the order of recording.

Rows are read by their number and not through the index over time, so that a damaged index costs nothing and a damaged
page only the messages on it.  With ``writable_schema`` on, SQLite reads a file that is shorter than its header says.
Nothing is ever written beside a recording, which may lie in a folder where nobody may: a log or journal of a recorder that was
killed is worked off in a copy.
Only real tables with plain columns are read: what is called ``messages`` may else be a query without an end, and a value
that is longer than the file is none.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import zstandard

from hetnet_ros.inspection.bags.records import BagTopic, Losses, Record, is_reliable
from hetnet_ros.inspection.bags.unpacking import FREE, RATIO, BoundedStream, TooMuch
from hetnet_ros.user_files import MB, open_file, reason

_COLUMNS = {"messages": ("topic_id", "timestamp", "data"), "topics": ("id", "name", "type", "offered_qos_profiles")}
_MOST_TOPICS = 10_000
_MOST_SKIPS = 60
"""How often a damaged place is jumped over, twice as far each time in a row, before the rest is given up."""


class SqliteStorage:
    """One file, ``.db3`` or ``.db3.zstd``."""

    def __init__(self, path: Path, losses: Losses) -> None:
        self.path, self._losses = path, losses
        self._copy: tempfile.TemporaryDirectory[str] | None = None

    def topics(self) -> list[BagTopic]:
        """The recorded topics; their messages are not counted."""
        with self._open() as database:
            return [topic for topic, _ in self._topics(database).values()]

    def records(self, topics: set[str]) -> Iterator[Record]:
        """The messages on ``topics`` that can be read."""
        with self._open() as database:
            known = self._topics(database)
            wanted = {number: topic for number, (topic, _) in known.items() if topic.name in topics}
            for topic_id, stamp, data in self._rows(database):
                if topic_id in wanted and isinstance(stamp, int) and isinstance(data, bytes):
                    yield Record(wanted[topic_id].name, wanted[topic_id].type, stamp, data)
                elif topic_id not in known:
                    self._losses.add(f"{self.path.name}: messages of a topic that is not described")

    def _rows(self, database: sqlite3.Connection) -> Iterator[tuple[object, object, object]]:
        # The length is known without the value, which is left where it is if it is too long.
        query = ("SELECT rowid, topic_id, timestamp, CASE WHEN typeof(data) = 'blob' AND length(data) <= ? THEN data END "
                 "FROM messages WHERE rowid > ? ORDER BY rowid")
        last, step = -1, 1
        for _ in range(_MOST_SKIPS):
            try:
                _check_table(database, "messages")
                for rowid, *row in database.execute(query, (self._size, last)):
                    if rowid <= last:
                        raise sqlite3.DatabaseError("its pages lead in a circle")
                    last, step = rowid, 1
                    yield tuple(row)
                return
            except (sqlite3.DatabaseError, OverflowError, MemoryError) as error:
                self._losses.add(f"{self.path.name} is damaged after message {max(last, 0)} ({error})")
                last, step = last + step, 2 * step
                if last >= 1 << 62:
                    return
        self._losses.add(f"{self.path.name}: the messages after no. {last} could not be read")

    def _topics(self, database: sqlite3.Connection) -> dict[int, tuple[BagTopic, str]]:
        found = {}
        try:
            _check_table(database, "topics")
            for number, name, kind, profiles in database.execute(
                f"SELECT id, name, type, offered_qos_profiles FROM topics LIMIT {_MOST_TOPICS}"
            ):
                found[number] = (BagTopic(str(name), str(kind), None, is_reliable(profiles)), str(kind))
        except (sqlite3.DatabaseError, MemoryError) as error:
            self._losses.add(f"{self.path.name}: its list of topics cannot be read ({error})")
        return found

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.ExitStack() as stack:
            open_file(self.path).close()  # no pipe or device, which SQLite would wait for
            path, mode = self._readable(stack)
            try:
                database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True)
            except sqlite3.Error as error:
                raise OSError(errno.EIO, str(error)) from None
            stack.callback(database.close)
            database.text_factory = lambda text: text.decode(errors="replace")
            self._size = path.stat().st_size
            if hasattr(database, "setlimit"):  # Python 3.11
                database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(self._size, MB))
            for setting in ("trusted_schema = OFF", "mmap_size = 0", "writable_schema = ON"):
                with contextlib.suppress(sqlite3.DatabaseError):
                    database.execute(f"PRAGMA {setting}")
            yield database

    def _readable(self, stack: contextlib.ExitStack) -> tuple[Path, str]:
        """The file to open, or a copy, and how: so that SQLite writes nothing beside the recording."""
        if self.path.suffix == ".zstd":
            return self._unpack(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hetnet_bag_")))), "mode=ro"
        path = Path(os.path.realpath(self.path))  # SQLite looks for logs beside the file that a link leads to
        logs = [log for log in (path.with_name(f"{path.name}{kind}") for kind in ("-wal", "-journal"))
                if log.is_file() and log.stat().st_size]
        if logs:
            try:
                if self._copy is None:  # made once for all that read, and removed with this object
                    copy = tempfile.TemporaryDirectory(prefix="hetnet_bag_")
                    for file in (path, *logs):
                        shutil.copyfile(file, Path(copy.name) / file.name)
                    self._copy = copy
                return Path(self._copy.name) / path.name, "mode=rw"
            except OSError as error:
                self._losses.add(f"{self.path.name}: its {logs[0].name} could not be copied to the temporary folder ({reason(error)}), so "
                                 "the messages recorded last are missing")
        return path, "mode=ro&immutable=1" if logs or _logs_ahead(path) else "mode=ro"

    def _unpack(self, folder: Path) -> Path:
        """The file unpacked, because SQLite cannot read a stream; of a damaged one as much as comes out."""
        target = folder / "bag.db3"
        size = self.path.stat().st_size
        most = max(FREE, RATIO * size)
        with open_file(self.path) as packed, target.open("wb") as plain:
            stream = BoundedStream(zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True), MB, most)
            try:
                while piece := stream.read(MB):
                    plain.write(piece)
            except (zstandard.ZstdError, TooMuch) as error:
                self._losses.add(f"{self.path.name} is damaged or cut short ({error})")
        return target


def _logs_ahead(path: Path) -> bool:
    """Whether the database keeps a write-ahead log, which SQLite makes even to read; bytes 18 and 19 of the file say so."""
    with path.open("rb") as file:
        return 2 in file.read(20)[18:]


def _check_table(database: sqlite3.Connection, name: str) -> None:
    """Raise DatabaseError unless ``name`` is a table with the columns that are read, and these hold what was written."""
    found = database.execute("SELECT type, rootpage FROM sqlite_master WHERE name = ? COLLATE NOCASE", (name,)).fetchall()
    if len(found) != 1 or found[0][0] != "table" or not found[0][1]:
        raise sqlite3.DatabaseError(f"{name} is no table" if found else f"there is no table {name}")
    columns = {row[1].lower(): row[6] for row in database.execute(f"PRAGMA table_xinfo({name})")}
    wrong = [column for column in _COLUMNS[name] if columns.get(column, 0)] + [c for c in columns if c == "rowid"]
    if wrong:
        raise sqlite3.DatabaseError(f"column {wrong[0]} of {name} is computed")
