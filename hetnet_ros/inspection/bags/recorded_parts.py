"""Which part each frame shows, from verdicts or truths that were recorded beside the images.

An inspector's ``~/inspection`` and the virtual camera's ``~/truth`` carry a ``part_id`` and the stamp of their image.  Only
the first fields of hetnet_ros/Inspection are read, so that the message may grow and no definition is needed.
"""

from __future__ import annotations

import struct

from hetnet_ros.foreign_text import fits_name
from hetnet_ros.inspection.bags.bag import Bag

INSPECTION = "hetnet_ros/msg/Inspection"


def recorded_parts(bag: Bag) -> dict[int, str]:
    """Stamp of the image (ns) to part_id, for every Inspection in the bag that names a part."""
    topics = [topic.name for topic in bag.topics if topic.type == INSPECTION]
    parts: dict[int, str] = {}
    for record in bag.records(topics) if topics else ():
        try:
            stamp, part = _stamp_and_part(record.data)
            if not fits_name(part):
                raise IndexError(len(part))
        except (struct.error, IndexError, UnicodeDecodeError):
            bag.lose(f"a message on {record.topic} cannot be read for its part_id")
            continue
        if part:
            parts[stamp] = part
    return parts


def _stamp_and_part(data: bytes) -> tuple[int, str]:
    """CDR: header (stamp, frame_id), uint8 verdict, then the texts reason, detail and part_id."""
    order = "<" if data[1] & 1 else ">"
    body = memoryview(data)[4:]
    sec, nanosec = struct.unpack_from(f"{order}iI", body, 0)
    _, place = _text(body, 8, order)
    place += 1  # verdict
    for _ in range(3):
        text, place = _text(body, place, order)
    return sec * 1_000_000_000 + nanosec, text


def _text(body: memoryview, place: int, order: str) -> tuple[str, int]:
    """A CDR string, which begins at a multiple of four and ends with a zero byte, and the place after it."""
    place = (place + 3) // 4 * 4
    (length,) = struct.unpack_from(f"{order}I", body, place)
    if place + 4 + length > len(body):
        raise IndexError(length)
    return bytes(body[place + 4 : place + 4 + max(length - 1, 0)]).decode(), place + 4 + length
