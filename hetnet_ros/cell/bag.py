"""Writes labelled recordings of the virtual cell: what a camera would have published, and the truth beside it.

Parts come one after another in random order, each for a few frames, with a second between them.  The labels and masks lie
beside the bag under its name, where ``hetnet replay`` looks for them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from hetnet_ros.cell.camera import PinholeCamera
from hetnet_ros.cell.dataset import Condition
from hetnet_ros.cell.defects import KINDS
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph
from hetnet_ros.cell.scene import Render
from hetnet_ros.errors import InputError
from hetnet_ros.own_files import OwnFiles
from hetnet_ros.whole_files import whole_file

IMAGE_TOPIC = "/camera/image_raw"
INFO_TOPIC = "/camera/camera_info"
DEPTH_TOPIC = "/camera/depth/image_raw"
FRAME_ID = "camera_optical_frame"
BEGIN_NS = 1_700_000_000_000_000_000
"""Stamp of the first frame; fixed, so that the same recipe gives the same labels."""
PAUSE_NS = 1_000_000_000
_FOREVER = QosTime(9223372036, 854775807)
_QOS = Qos(QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.VOLATILE, _FOREVER, _FOREVER,
           QosLiveliness.AUTOMATIC, _FOREVER, False)


@dataclass(frozen=True)
class BagRecipe:
    """What to record; ``good`` and ``defective`` parts are for each face and condition, each shown for ``frames``
    frames at ``rate_hz``."""

    faces: tuple[str, ...]
    conditions: tuple[Condition, ...]
    good: int
    defective: int
    frames: int = 3
    rate_hz: float = 10.0
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    jitter: float = 1.0
    size_scale: float = 1.0
    depth: bool = True

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.faces) * len(self.conditions) * (self.good + self.defective) * self.frames


def labels_path(path: Path) -> Path:
    """Where the labels of the bag at ``path`` lie: ``demo.labels.json`` beside ``demo.mcap`` or the folder ``demo``."""
    return path.parent / f"{_stem(path)}.labels.json"


def masks_folder(path: Path) -> Path:
    """Where the masks lie: ``demo_masks`` beside the bag."""
    return path.parent / f"{_stem(path)}_masks"


def _stem(path: Path) -> str:
    return path.stem if path.suffix == ".mcap" else path.name


def write_bag(recipe: BagRecipe, path: Path) -> Iterator[int]:
    """Record; gives the number of frames so far after each.  The bag and its labels appear when all is done.

    ``path`` ending in ``.mcap`` becomes one file, any other a folder with ``metadata.yaml``.  An older recording there is replaced at
    the end; InputError at once where that would cost files that are not the virtual cell's.
    """
    own = check_place(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        work = Path(folder)
        labels: list[dict[str, Any]] = []
        masks = work / "masks"
        masks.mkdir()
        with Writer(work / _stem(path), version=9, storage_plugin=StoragePlugin.MCAP) as writer:
            pass_on = _Recorder(writer, recipe.depth)
            for label, picture, stamp in _show(recipe):
                if picture.mask.any():
                    name = f"{len(labels):06d}.png"
                    if not cv2.imwrite(str(masks / name), picture.mask):
                        raise InputError(f"cannot write masks beside {path}: check the free space")
                    label["mask"] = f"{masks_folder(path).name}/{name}"
                pass_on.record(picture, stamp)
                labels.append(label)
                yield len(labels)
        text = {"format": "hetnet-labels-1", "topic": IMAGE_TOPIC, "frames": labels}
        if path.suffix == ".mcap":
            with whole_file(path) as part:
                shutil.move(next((work / _stem(path)).glob("*.mcap")), part)
        else:
            _replace_folder(work / _stem(path), path, own)
        _replace_folder(masks, masks_folder(path), own)
        own.write(labels_path(path).name, json.dumps(text, indent=1) + "\n")


def check_place(path: Path) -> OwnFiles:
    """What hetnet wrote beside ``path``.  Raises InputError where a recording there would replace or remove anything else: labels and
    masks made by hand, a recording made elsewhere.  The file ``path`` itself is the user's choice."""
    if path.name in ("", ".."):
        raise InputError(f"recording {path} is a folder without a name of its own: give a name")
    own = OwnFiles(path.parent, "give another name")
    own.check([labels_path(path).name])
    for folder in (path, masks_folder(path)):
        if not folder.is_dir():
            continue
        strange = own.strangers(folder.name)
        if strange or folder.is_symlink():
            raise InputError(f"{path.parent / strange[0] if strange else folder} is in the way, and hetnet did not write it or it was "
                             "changed since: move it, or give another name")
    return own


def _replace_folder(new: Path, folder: Path, own: OwnFiles) -> None:
    for file in new.iterdir():
        own.adopt(f"{folder.name}/{file.name}", file)
    if folder.is_dir():
        own.remove(folder.name)
    if any(new.iterdir()):
        new.replace(folder)


def _show(recipe: BagRecipe) -> Iterator[tuple[dict[str, Any], Render, int]]:
    """Each frame's label, picture and stamp."""
    plan = [
        (face, condition, defective)
        for face in recipe.faces
        for condition in recipe.conditions
        for defective in [False] * recipe.good + [True] * recipe.defective
    ]
    order = np.random.default_rng((recipe.seed, 23)).permutation(len(plan))
    stamp, frame = BEGIN_NS, 0
    for number, place in enumerate(order):
        face, condition, defective = plan[place]
        kinds = (recipe.kinds[number % len(recipe.kinds)],) if defective else ()
        part = draw_part(face, recipe.seed, int(place), float(defective), kinds, recipe.size_scale, recipe.jitter)
        shot = draw_shot(part, 0, condition.illumination, recipe.jitter)
        camera = PinholeCamera.of_size(condition.width, condition.height)
        for taken in range(recipe.frames):
            label = {
                "frame": frame,
                "stamp": stamp,
                "label": part.truth,
                "part": f"{face}_{place:04d}",
                "conditions": {"resolution": str(condition.width), "illumination": condition.illumination, "surface": face},
            }
            yield label, photograph(part, replace(shot, number=taken), camera), stamp
            frame += 1
            stamp += round(1e9 / recipe.rate_hz)
        stamp += PAUSE_NS


class _Recorder:
    """Writes pictures as the messages of a camera."""

    def __init__(self, writer: Writer, depth: bool) -> None:
        self._store = get_typestore(Stores.ROS2_KILTED)
        self._types, self._writer = self._store.types, writer
        topics = {IMAGE_TOPIC: "Image", INFO_TOPIC: "CameraInfo", **({DEPTH_TOPIC: "Image"} if depth else {})}
        self._topics = {
            topic: writer.add_connection(
                topic, f"sensor_msgs/msg/{kind}", typestore=self._store, offered_qos_profiles=[_QOS]
            )
            for topic, kind in topics.items()
        }

    def record(self, picture: Render, stamp: int) -> None:
        header = self._types["std_msgs/msg/Header"](
            self._types["builtin_interfaces/msg/Time"](*divmod(stamp, 1_000_000_000)), FRAME_ID
        )
        self._write(INFO_TOPIC, stamp, self._info(header, picture.camera))
        self._write(IMAGE_TOPIC, stamp, self._image(header, picture.rgb, "rgb8"))
        if DEPTH_TOPIC in self._topics:
            self._write(DEPTH_TOPIC, stamp, self._image(header, picture.depth, "32FC1"))

    def _write(self, topic: str, stamp: int, message: Any) -> None:
        self._writer.write(self._topics[topic], stamp, self._store.serialize_cdr(message, message.__msgtype__))

    def _image(self, header: Any, pixels: np.ndarray, encoding: str) -> Any:
        pixels = np.ascontiguousarray(pixels)
        height, width = pixels.shape[:2]
        data = pixels.reshape(-1).view(np.uint8)
        return self._types["sensor_msgs/msg/Image"](header, height, width, encoding, 0, data.size // height, data)

    def _info(self, header: Any, camera: PinholeCamera) -> Any:
        region = self._types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        matrix = camera.matrix
        return self._types["sensor_msgs/msg/CameraInfo"](
            header, camera.height, camera.width, "plumb_bob", np.array(camera.distortion, np.float64), matrix.ravel(),
            np.eye(3).ravel(), np.column_stack([matrix, np.zeros(3)]).ravel(), 0, 0, region,
        )
