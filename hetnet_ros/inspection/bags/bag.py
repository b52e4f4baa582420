"""A recording as one stream of messages, whatever its files are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import zstandard

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import fits_name, shown
from hetnet_ros.inspection.bags.layout import find_files, is_bag
from hetnet_ros.inspection.bags.mcap_storage import McapStorage
from hetnet_ros.inspection.bags.records import BagTopic, Losses, Record
from hetnet_ros.inspection.bags.sqlite_storage import SqliteStorage
from hetnet_ros.inspection.bags.unpacking import TooMuch, unpack_zstd

__all__ = ["Bag", "is_bag", "open_bag"]

_ZSTD = b"\x28\xb5\x2f\xfd"


def open_bag(path: str | Path) -> Bag:
    """The bag at ``path``: a storage file (``.mcap``, ``.db3``, also ``.zstd``) or the folder of a recording.

    Raises InputError where there is none, or where nothing at all can be read of it.
    """
    return Bag(Path(path))


class Bag:
    """A recording; may be read any number of times, each time from the start."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._losses = Losses()
        found = find_files(path, self._losses)
        self.files = found.files
        self._packed = found.packed_messages
        self._storages = [_storage(file, self._losses) for file in found.files]
        try:
            self.topics = _merged(topic for storage in self._storages for topic in storage.topics() if self._is_named(topic))
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
        if not self.topics:
            why = f" ({self.losses[0]})" if self.losses else ""
            raise InputError(f"{path}: no topic can be read from this bag{why}; record it again or restore the file")

    def _is_named(self, topic: BagTopic) -> bool:
        """Whether name and type are such as ROS has; others would only go to a terminal or a file name."""
        good = fits_name(topic.name) and fits_name(topic.type)
        if not good:
            self.lose(f"a topic with a name or type that ROS does not have: {shown(topic.name, 60)!r}, {shown(topic.type, 60)!r}")
        return good

    @property
    def losses(self) -> tuple[str, ...]:
        """One line for each thing that could not be read so far; complete once the bag has been read to its end."""
        return self._losses.lines

    def lose(self, line: str) -> None:
        """Note something that a reader of this bag's messages could not use."""
        self._losses.add(line)

    def records(self, topics: Collection[str]) -> Iterator[Record]:
        """The messages on ``topics`` in the order of recording."""
        for storage in self._storages:
            try:
                for record in storage.records(set(topics)):
                    if self._packed or record.data[:4] == _ZSTD:  # a message that is not packed begins with a zero byte
                        try:
                            data = unpack_zstd(record.data)
                        except (zstandard.ZstdError, TooMuch, MemoryError) as error:
                            self.lose(f"a message on {record.topic} cannot be unpacked ({error})")
                            continue
                        record = Record(record.topic, record.type, record.log_ns, data)
                    yield record
            except OSError as error:
                self.lose(f"{storage.path.name} cannot be read on ({error.strerror or error})")


def _storage(file: Path, losses: Losses) -> McapStorage | SqliteStorage:
    return (McapStorage if ".mcap" in file.suffixes[-2:] else SqliteStorage)(file, losses)


def _merged(topics: Iterator[BagTopic]) -> tuple[BagTopic, ...]:
    """Topics of all files, each once, their messages added up."""
    found: dict[tuple[str, str], BagTopic] = {}
    for topic in topics:
        before = found.get((topic.name, topic.type))
        if before is not None:
            known = before.count is not None and topic.count is not None
            count = before.count + topic.count if known else None
            topic = BagTopic(topic.name, topic.type, count, before.reliable and topic.reliable)
        found[topic.name, topic.type] = topic
    return tuple(found.values())
