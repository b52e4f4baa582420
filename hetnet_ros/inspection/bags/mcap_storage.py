"""Messages of an mcap file, whole or damaged, chunk by chunk.

The file is read from front to back, which needs no index, so a recording that was cut off reads up to the cut.  Each
chunk is checked against its own checksum; a damaged one is left out.  Where the damage hides where the next record
begins, reading goes on at the next chunk that the index at the file's end names, if it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import zstandard
from mcap.exceptions import EndOfFile
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, DataEnd, McapRecord, Message, Schema
from mcap.stream_reader import MAGIC_SIZE, StreamReader, breakup_chunk
from mcap.summary import Summary

from hetnet_ros.inspection.bags.records import BagTopic, Losses, Record, is_reliable

_LARGEST = 1 << 30
"""Bytes of a record or of an unpacked chunk from which a length is taken for damage; recorders write megabytes."""


class McapStorage:
    """One file, ``.mcap`` or ``.mcap.zstd``."""

    def __init__(self, path: Path, losses: Losses) -> None:
        self.path, self._losses = path, losses

    def topics(self) -> list[BagTopic]:
        """From the index, or from reading the whole file where there is none."""
        with self._open() as stream:
            summary = _summary(stream)
        if summary is not None and summary.channels:
            counts = summary.statistics.channel_message_counts if summary.statistics else {}
            return [
                _topic(channel, summary.schemas, counts.get(number, 0 if summary.statistics else None))
                for number, channel in summary.channels.items()
            ]
        schemas: dict[int, Schema] = {}
        channels: dict[int, Channel] = {}
        counts = {}
        for record in self._records():
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message):
                counts[record.channel_id] = counts.get(record.channel_id, 0) + 1
        return [_topic(channel, schemas, counts.get(number, 0)) for number, channel in channels.items()]

    def records(self, topics: set[str]) -> Iterator[Record]:
        """The messages on ``topics`` that can be read."""
        schemas: dict[int, Schema] = {}
        wanted: dict[int, tuple[str, str] | None] = {}
        for record in self._records():
            if isinstance(record, Message):
                chosen = wanted.get(record.channel_id)
                if chosen is not None:
                    yield Record(*chosen, record.log_time, record.data)
                elif record.channel_id not in wanted:
                    self._losses.add(f"{self.path.name}: messages of a channel that is not described")
            elif isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                schema = schemas.get(record.schema_id)
                known = (record.topic, schema.name if schema else "")
                wanted[record.id] = known if record.topic in topics else None

    def _records(self) -> Iterator[McapRecord]:
        """Schemas, channels and messages in the order of the file."""
        with self._open() as stream:
            summary = _summary(stream)
            if summary is not None:  # channels of a chunk that is lost are described here too
                yield from summary.schemas.values()
                yield from summary.channels.values()
            messages = 0
            for record in self._data_section(stream, summary):
                messages += isinstance(record, Message)
                yield record
            if summary is not None and summary.statistics and summary.statistics.message_count > messages:
                self._losses.add(
                    f"{self.path.name}: {summary.statistics.message_count - messages} of "
                    f"{summary.statistics.message_count} messages could not be read"
                )

    def _data_section(self, stream: IO[bytes], summary: Summary | None) -> Iterator[McapRecord]:
        chunks = sorted(index.chunk_start_offset for index in summary.chunk_indexes) if summary else []
        begin = MAGIC_SIZE
        while True:
            reader = _PlacedReader(stream, begin)
            try:
                for record in reader.records():
                    if isinstance(record, DataEnd):
                        return
                    if isinstance(record, Chunk):
                        yield from self._unpacked(record, reader.began)
                    elif isinstance(record, (Schema, Channel, Message)):
                        yield record
                return
            except (EndOfFile, zstandard.ZstdError):
                self._losses.add(f"{self.path.name} is cut short after {reader.began} bytes")
                return
            except Exception as error:  # damage shows in many ways: lengths, opcodes, texts that are no UTF-8
                begin = next((offset for offset in chunks if offset > reader.began), 0)
                rest = f"went on at byte {begin}" if begin else "the rest could not be read"
                self._losses.add(f"{self.path.name} is damaged at byte {reader.began} ({_brief(error)}); {rest}")
                if not begin:
                    return

    def _unpacked(self, chunk: Chunk, began: int) -> list[McapRecord]:
        try:
            if chunk.uncompressed_size > _LARGEST:
                raise ValueError(f"it claims {chunk.uncompressed_size} bytes")
            return breakup_chunk(chunk, validate_crc=True)
        except Exception as error:  # decompressors and parsers raise many types on bad data
            self._losses.add(f"{self.path.name}: the chunk at byte {began} is damaged ({_brief(error)}) and left out")
            return []

    def _open(self) -> IO[bytes]:
        raw = self.path.open("rb")
        if self.path.suffix != ".zstd":
            return raw
        return zstandard.ZstdDecompressor().stream_reader(raw, closefd=True, read_across_frames=True)


class _PlacedReader:
    """A stream reader that knows where its current record begins."""

    def __init__(self, stream: IO[bytes], begin: int) -> None:
        if isinstance(stream, zstandard.ZstdDecompressionReader):
            _exactly(stream, begin)
        else:
            stream.seek(begin)
        self._stream = stream
        self._reader = StreamReader(stream, skip_magic=True, emit_chunks=True, record_size_limit=_LARGEST)
        self.began = begin

    def records(self) -> Iterator[McapRecord]:
        for record in self._reader.records:
            end = self._stream.tell()
            yield record
            self.began = end


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EndOfFile()
    return data


def _summary(stream: IO[bytes]) -> Summary | None:
    """The index at the file's end; None where it is absent or damaged."""
    if isinstance(stream, zstandard.ZstdDecompressionReader):
        return None  # packed as a whole: its end is only found by unpacking everything
    try:
        return SeekingReader(stream, record_size_limit=_LARGEST).get_summary()
    except Exception:  # a cut or damaged end; the data section says the rest
        return None


def _topic(channel: Channel, schemas: dict[int, Schema], count: int | None) -> BagTopic:
    schema = schemas.get(channel.schema_id)
    profiles = channel.metadata.get("offered_qos_profiles", "")
    return BagTopic(channel.topic, schema.name if schema else "", count, is_reliable(profiles))


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
