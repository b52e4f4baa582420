"""Messages of an mcap file, whole or damaged, chunk by chunk.

The file is read from front to back, which needs no index, so a recording that was cut off reads up to the cut.  Each
chunk is checked against its own checksum; a damaged one is left out.  Where the damage hides where the next record
begins, reading goes on at the next chunk that the index at the file's end names, if it is there.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import zstandard
from mcap.exceptions import EndOfFile
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, ChunkIndex, DataEnd, Footer, McapRecord, Message, Schema, Statistics
from mcap.stream_reader import MAGIC_SIZE, StreamReader, get_chunk_data_stream
from mcap.summary import Summary

from hetnet_ros.inspection.bags.records import BagTopic, Losses, Record, is_reliable
from hetnet_ros.inspection.bags.unpacking import LARGEST, RATIO, BoundedStream, most_unpacked, unpack_lz4, unpack_zstd
from hetnet_ros.user_files import MB, open_file

_FOOTER_SIZE = 29
_FREE = 16 * MB
"""Bytes that a file which is packed as a whole may become, however small it is."""


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

    def _data_section(self, stream: BoundedStream, summary: Summary | None) -> Iterator[McapRecord]:
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

    def _unpacked(self, chunk: Chunk, began: int) -> Iterator[McapRecord]:
        """The chunk's records one by one, since millions of tiny ones take far more memory than their bytes."""
        try:
            unpack = {"zstd": unpack_zstd, "lz4": unpack_lz4}.get(chunk.compression)
            if unpack is not None:
                chunk = replace(chunk, compression="", data=unpack(chunk.data, chunk.uncompressed_size))
            elif chunk.compression:
                raise ValueError(f"its compression {chunk.compression!r} is not known")
            get_chunk_data_stream(chunk, validate_crc=True)
            stream = io.BytesIO(chunk.data)
            records = _Records(stream, len(chunk.data)).records
            while stream.tell() < len(chunk.data):
                yield next(records)
        except Exception as error:  # decompressors and parsers raise many types on bad data
            self._losses.add(f"{self.path.name}: the chunk at byte {began} is damaged ({_brief(error)}) and left out")

    def _open(self) -> BoundedStream:
        raw = open_file(self.path)
        size = os.fstat(raw.fileno()).st_size
        if self.path.suffix != ".zstd":
            return BoundedStream(raw, min(size, LARGEST))
        unpacked = zstandard.ZstdDecompressor().stream_reader(raw, closefd=True, read_across_frames=True)
        return BoundedStream(unpacked, most_unpacked(size, _FREE), max(_FREE, RATIO * size))


class _PlacedReader:
    """A stream reader that knows where its current record begins."""

    def __init__(self, stream: BoundedStream, begin: int) -> None:
        self._stream = stream
        self._reader = _Records(stream, LARGEST)
        self.began = begin

    def records(self) -> Iterator[McapRecord]:
        if self._stream.seekable:
            self._stream.seek(self.began)
        else:
            _exactly(self._stream, self.began)
        for record in self._reader.records:
            end = self._stream.tell()
            yield record
            self.began = end


class _Records(StreamReader):
    """The records of a stream; chunks are given as they are and not unpacked."""

    def __init__(self, stream: BoundedStream | io.BytesIO, most: int) -> None:
        super().__init__(stream, skip_magic=True, emit_chunks=True, record_size_limit=most)

    def _read_record(self, opcode: int, length: int) -> McapRecord | None:
        if opcode == 0:  # no record has it; a hole in the file has nothing else
            raise ValueError("zeros in place of a record")
        if opcode in (Opcode.ATTACHMENT, Opcode.METADATA, Opcode.MESSAGE_INDEX):
            return None  # of no use here; it is passed over
        return super()._read_record(opcode, length)


def _exactly(stream: BoundedStream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EndOfFile()
    return data


def _summary(stream: BoundedStream) -> Summary | None:
    """The index at the file's end; None where it is absent or damaged."""
    if not stream.seekable:
        return None  # packed as a whole: its end is only found by unpacking everything
    try:
        stream.seek(-(_FOOTER_SIZE + MAGIC_SIZE), os.SEEK_END)
        footer = next(_Records(stream, LARGEST).records)
        if not isinstance(footer, Footer) or not footer.summary_start:
            return None
        stream.seek(footer.summary_start)
        summary = Summary()
        for record in _Records(stream, LARGEST).records:
            if isinstance(record, (Chunk, Message)):
                return None  # not the summary, whatever the footer says
            _note(record, summary)
        return summary
    except Exception:  # a cut or damaged end; the data section says the rest
        return None


def _note(record: McapRecord, summary: Summary) -> None:
    if isinstance(record, Statistics):
        summary.statistics = record
    elif isinstance(record, Schema):
        summary.schemas[record.id] = record
    elif isinstance(record, Channel):
        summary.channels[record.id] = record
    elif isinstance(record, ChunkIndex):
        summary.chunk_indexes.append(record)


def _topic(channel: Channel, schemas: dict[int, Schema], count: int | None) -> BagTopic:
    schema = schemas.get(channel.schema_id)
    profiles = channel.metadata.get("offered_qos_profiles", "")
    return BagTopic(channel.topic, schema.name if schema else "", count, is_reliable(profiles))


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
