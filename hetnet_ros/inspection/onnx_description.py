"""The text that describes an exported ONNX model, at the end of the model's own file.

A protobuf message may be written in pieces, so a ``metadata_props`` entry behind the graph's bytes belongs to the model, and any
ONNX tool still reads the file.  By the same rule a weight appended there would replace one of the graph.  So the file is taken
apart here: the graph's bytes, then this one entry, and nothing behind it; what runs is the graph's bytes alone.
"""

from __future__ import annotations

from collections.abc import Iterator

KEY, _OLDER_KEY = b"hetnet", b"graph_bytes"
_METADATA = 14  # field of ModelProto: repeated StringStringEntryProto {1: key, 2: value}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's ways of storing a value
_LONGEST_VARINT = 10
_MOST_FIELDS = 10_000
"""Of one message; a model has some ten."""


def joined(graph: bytes, text: str) -> bytes:
    """The file of a graph and its description."""
    return graph + _entry(KEY, text.encode())


def taken_apart(data: bytes) -> tuple[bytes, bytes]:
    """The graph's bytes and the description of an exported ONNX file.

    Older formats wrote how long the graph is as one more entry behind it; that is left out.
    Raises LookupError for a file without a description, and ValueError for one that is no ONNX model or holds anything beside or
    behind the description.
    """
    if not data:
        raise ValueError("it is empty")
    fields = list(_fields(data))
    described = [(start, text) for number, start, begin, end in fields if number == _METADATA
                 for text in [_value(data[begin:end])] if text is not None]
    if not described:
        raise LookupError
    (start, text), others = described[-1], described[:-1]
    if others or data[start:] not in (_entry(KEY, text), _entry(KEY, text) + _entry(_OLDER_KEY, str(start).encode())):
        raise ValueError("something lies beside or behind its description")
    return data[:start], text


def _entry(key: bytes, value: bytes) -> bytes:
    """A metadata_props entry, as a piece of a ModelProto."""
    message = _field(1, key) + _field(2, value)
    return _field(_METADATA, message)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    groups = []
    while True:
        value, low = value >> 7, value & 0x7F
        groups.append(low | (0x80 if value else 0))
        if not value:
            return bytes(groups)


def _value(message: bytes) -> bytes | None:
    """The value of an entry whose key is ours; None for another's."""
    try:
        fields = [(number, message[begin:end]) for number, _, begin, end in _fields(message)]
    except ValueError:
        return None
    if (1, KEY) not in fields:
        return None
    return next((value for number, value in reversed(fields) if number == 2), b"")


def _fields(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Of each field of a message: its number, where it starts, and where its value begins and ends; raises ValueError where the bytes
    are no message."""
    place, count = 0, 0
    while place < len(data):
        start, count = place, count + 1
        if count > _MOST_FIELDS:
            raise ValueError("it is in too many pieces")
        tag, place = _read_varint(data, place)
        number, kind = tag >> 3, tag & 7
        begin = place
        if kind == _VARINT:
            _, place = _read_varint(data, place)
        elif kind == _BYTES:
            length, begin = _read_varint(data, place)
            place = begin + length
        elif kind in (_FIXED64, _FIXED32):
            place += 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("it is no ONNX model")
        if not number or place > len(data):
            raise ValueError("it is no ONNX model, or a part of it is missing")
        yield number, start, begin, place


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[place:place + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, place + index + 1
    raise ValueError("it is no ONNX model")
