"""Small recordings for tests, written by rosbags or mcap: every storage, compression and image type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mcap.writer import CompressionType
from mcap.writer import Writer as PlainMcapWriter
from model_fixtures import made_up_part
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
TYPES = STORE.types
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
TOPIC = "/camera/image_raw"
BEGIN = 1_700_000_000_000_000_000
STEP = 100_000_000
_TIME = QosTime(0, 0)


def header(stamp: int) -> Any:
    return TYPES["std_msgs/msg/Header"](TYPES["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9)), "camera")


def raw_image(rgb: np.ndarray, stamp: int) -> Any:
    height, width = rgb.shape[:2]
    return TYPES[IMAGE](header(stamp), height, width, "rgb8", 0, 3 * width, np.ascontiguousarray(rgb).reshape(-1))


def png_image(rgb: np.ndarray, stamp: int) -> Any:
    return TYPES[COMPRESSED](header(stamp), "png", cv2.imencode(".png", rgb[:, :, ::-1])[1].reshape(-1))


def qos(reliability: QosReliability) -> Qos:
    return Qos(QosHistory.KEEP_LAST, 5, reliability, QosDurability.VOLATILE, _TIME, _TIME, QosLiveliness.AUTOMATIC, _TIME,
               False)


def write_bag(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    storage: str = "mcap",
    compression: str = "none",
    version: int = 9,
    packed_images: bool = False,
    stamps: Sequence[int] | None = None,
    topics: Sequence[str] = (TOPIC,),
    reliability: QosReliability = QosReliability.RELIABLE,
) -> Path:
    """A bag folder with these pictures on each topic."""
    writer = Writer(path, version=version, storage_plugin=StoragePlugin[storage.upper()])
    if compression != "none":
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    make, kind = (png_image, COMPRESSED) if packed_images else (raw_image, IMAGE)
    with writer:
        connections = [
            writer.add_connection(topic, kind, typestore=STORE, offered_qos_profiles=[qos(reliability)])
            for topic in topics
        ]
        for index, rgb in enumerate(pictures):
            stamp = stamps[index] if stamps is not None else BEGIN + index * STEP
            for connection in connections:
                writer.write(connection, BEGIN + index * STEP, STORE.serialize_cdr(make(rgb, stamp), kind))
    return path


def write_chunked_mcap(path: Path, pictures: Sequence[np.ndarray]) -> Path:
    """An mcap file of many small chunks, two frames in each, as a recorder writes it."""
    with path.open("wb") as stream:
        writer = PlainMcapWriter(stream, chunk_size=60_000, compression=CompressionType.ZSTD)
        writer.start(profile="ros2", library="test")
        definition, _ = STORE.generate_msgdef(IMAGE, ros_version=2)
        schema = writer.register_schema(IMAGE, "ros2msg", definition.encode())
        channel = writer.register_channel(TOPIC, "cdr", schema)
        for index, rgb in enumerate(pictures):
            stamp = BEGIN + index * STEP
            data = bytes(STORE.serialize_cdr(raw_image(rgb, stamp), IMAGE))
            writer.add_message(channel, stamp, data, stamp)
        writer.finish()
    return path


def write_label_file(path: Path, labels: Sequence[str], masks: Path | None = None) -> Path:
    """A label for each frame; defective ones get the mask of :func:`made_up_part`'s cross if ``masks`` is a folder."""
    frames = []
    for index, label in enumerate(labels):
        entry: dict[str, Any] = {"frame": index, "label": label, "part": f"part_{index // 2}",
                                 "conditions": {"illumination": "high" if index % 3 else "low"}}
        if label != "good" and masks is not None:
            masks.mkdir(exist_ok=True)
            mask = np.zeros((96, 128), np.uint8)
            cv2.line(mask, (54, 38), (74, 58), 255, 4)
            cv2.line(mask, (74, 38), (54, 58), 255, 4)
            cv2.imwrite(str(masks / f"{index:06d}.png"), mask)
            entry["mask"] = f"{masks.name}/{index:06d}.png"
        frames.append(entry)
    path.write_text(json.dumps({"format": "hetnet-labels-1", "topic": "", "frames": frames}))
    return path


@pytest.fixture(scope="session")
def labelled_bag(tmp_path_factory) -> Path:
    """``disc.mcap`` (a folder) with 24 frames of made-up parts, half of them defective, labels and masks beside it."""
    folder = tmp_path_factory.mktemp("labelled_bag")
    defective = [index % 2 == 1 for index in range(24)]
    write_bag(folder / "disc", [made_up_part(300 + i, bad) for i, bad in enumerate(defective)])
    write_label_file(folder / "disc.labels.json", ["cross" if bad else "good" for bad in defective],
                     folder / "disc_masks")
    return folder / "disc"
