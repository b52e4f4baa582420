"""The images of a bag, one at a time, decoded only when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.bags.bag import Bag
from hetnet_ros.inspection.bags.records import BagTopic
from hetnet_ros.inspection.image_conversion import BadImage, compressed_to_rgb, image_to_rgb
from hetnet_ros.inspection.image_conversion import largest_sample as largest_of_message
from hetnet_ros.inspection.sample_depth import FULL
from hetnet_ros.inspection.stamp_rule import stamp_ns

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_NOT_FOR_EYES = ("depth", "mask", "anomaly_map", "overlay")
"""Parts of topic names that are not taken for the camera's picture unless asked for."""


@dataclass(frozen=True, eq=False)
class BagFrame:
    """One image message.

    index: its number on its topic, from 0, in the order of recording; messages that cannot be deserialised count too.
    log_ns: when it was recorded.  stamp_ns: its header's stamp.  message: the deserialised message, None where that
    failed, and ``problem`` then says why.  data: the CDR bytes.
    """

    topic: str
    index: int
    log_ns: int
    stamp_ns: int
    message: Any
    data: bytes
    problem: str = ""

    def rgb(self, bits: int = FULL) -> np.ndarray:
        """uint8 (H, W, 3); may be a view of the message, not to be written to.  bits: what 16-bit values use, see ``sample_depth.py``.
        Raises BadImage."""
        if self.message is None:
            raise BadImage("undecodable", self.problem)
        if hasattr(self.message, "encoding"):
            return image_to_rgb(self.message, bits=bits)
        return compressed_to_rgb(self.message.data, self.message.format, bits)

    def largest_sample(self) -> int | None:
        """The largest of its 16-bit values; None where it has none, or cannot be read."""
        return None if self.message is None else largest_of_message(self.message)


def largest_sample(frames: Iterable[BagFrame]) -> int | None:
    """The largest 16-bit value of all ``frames``; None, after the first that can be read, where they have none."""
    largest = None
    for frame in frames:
        found = frame.largest_sample()
        if found is not None:
            largest = found if largest is None else max(largest, found)
        elif largest is None and frame.message is not None:
            return None
    return largest


def image_topics(bag: Bag) -> list[BagTopic]:
    """The topics with raw or compressed images."""
    return [topic for topic in bag.topics if topic.type in (IMAGE, COMPRESSED)]


def choose_topics(bag: Bag, wanted: Sequence[str] = ()) -> list[BagTopic]:
    """The image topics to use: those ``wanted``, or the only one that can be a camera's picture.

    Raises InputError where a wanted topic is absent or holds no images, or the choice is not clear.
    """
    images = image_topics(bag)
    listed = ", ".join(topic.name for topic in images) or "none"
    if not wanted:
        likely = [topic for topic in images if not any(word in topic.name for word in _NOT_FOR_EYES)] or images
        if len(likely) == 1:
            return likely
        if not likely:
            there = ", ".join(f"{topic.name} ({topic.type})" for topic in bag.topics[:6])
            raise InputError(f"{bag.path} holds no image topic, only {there}; record sensor_msgs Image or CompressedImage")
        names = ", ".join(topic.name for topic in likely)
        raise InputError(f"{bag.path} holds several image topics; choose with --topic from: {names}")
    by_name = {topic.name: topic for topic in images}
    chosen = []
    for name in dict.fromkeys(wanted):
        topic = by_name.get(name) or by_name.get("/" + name)
        if topic is None:
            other = next((topic for topic in bag.topics if topic.name == name), None)
            what = f"is of type {other.type or 'unknown'}, no image" if other else "is not in the bag"
            raise InputError(f"{bag.path}: topic {name} {what}; its image topics: {listed}")
        chosen.append(topic)
    return chosen


def image_frames(bag: Bag, topics: Sequence[BagTopic]) -> Iterator[BagFrame]:
    """The images of ``topics`` in the order of recording."""
    store = _types()
    kinds = {topic.name: topic.type for topic in topics}
    counts = dict.fromkeys(kinds, 0)
    for record in bag.records(kinds):
        index = counts[record.topic]
        counts[record.topic] = index + 1
        try:
            message = store.deserialize_cdr(record.data, kinds[record.topic])
            stamp = message.header.stamp
            frame = BagFrame(record.topic, index, record.log_ns, stamp_ns(stamp), message, record.data)
        except Exception as error:  # damaged bytes fail in many ways, and each costs this one frame
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            problem = f"message {index} on {record.topic} cannot be deserialised: {reason}"
            bag.lose(problem)
            frame = BagFrame(record.topic, index, record.log_ns, 0, None, record.data, problem)
        yield frame


@lru_cache(maxsize=1)
def _types() -> Any:
    """The message types; those of images have been the same in every distribution."""
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_HUMBLE)
