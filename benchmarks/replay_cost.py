#!/usr/bin/env python3
"""What an offline replay costs beside the inspection of its frames, and how much memory it takes.

    benchmarks/replay_cost.py MODEL.safetensors [--frames 2000] [--folder DIR]

Writes a labelled bag of 640x480 frames of the virtual cell (some 0.9 MB each) to a temporary folder below DIR, replays it
with labels, pixel figures and pictures for the report, writes JSON and report, and prints the ratio of all that to the time
spent inside the inspector, which is the bare inspection of the same frames.  Both are measured in one run, so the ratio
does not depend on what else the machine does.  The bag is written by a process of its own, which is not counted.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from hetnet_ros.cell.camera import PinholeCamera
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph
from hetnet_ros.evaluation.replay.json_file import write_json
from hetnet_ros.evaluation.replay.label_files import read_labels
from hetnet_ros.evaluation.replay.offline import replay_offline
from hetnet_ros.evaluation.replay.report import write_report
from hetnet_ros.evaluation.replay.result import measure
from hetnet_ros.evaluation.replay.showcase import Showcase
from hetnet_ros.inspection.bags import choose_topics, open_bag
from hetnet_ros.inspection.frame_policy import FrameRules
from hetnet_ros.inspection.part_inspector import PartInspector, View
from hetnet_ros.inspection.result import Inspection

TOPIC = "/camera/image_raw"
PARTS = 40


class WatchedInspector:
    """An inspector that adds up how long its inspections take."""

    def __init__(self, inner: PartInspector) -> None:
        self._inner, self.bare = inner, 0.0

    def inspect_batch(self, views: Sequence[View]) -> list[Inspection]:
        started = time.perf_counter()
        try:
            return self._inner.inspect_batch(views)
        finally:
            self.bare += time.perf_counter() - started

    def warm_up(self) -> None:
        self._inner.warm_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def write_bag(folder: Path, frames: int) -> Path:
    """A bag of ``frames`` frames of forty parts in turn, half of them defective, with labels and masks."""
    store = get_typestore(Stores.ROS2_KILTED)
    types = store.types
    kind = "sensor_msgs/msg/Image"
    camera = PinholeCamera.of_size(640, 480)
    pictures, labels = [], []
    for index in range(PARTS):
        part = draw_part("front", 0, index, float(index % 2))
        pictures.append(photograph(part, draw_shot(part, 0), camera))
        cv2.imwrite(str(folder / f"{index}.png"), pictures[-1].mask)
    with Writer(folder / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(TOPIC, kind, typestore=store)
        for index in range(frames):
            picture, stamp = pictures[index % PARTS], 1_700_000_000_000_000_000 + index * 100_000_000
            header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](*divmod(stamp, 10**9)), "camera")
            message = types[kind](header, 480, 640, "rgb8", 0, 1920, picture.rgb.reshape(-1))
            writer.write(connection, stamp, store.serialize_cdr(message, kind))
            bad = bool(picture.mask.any())
            labels.append({"frame": index, "label": "defect" if bad else "good",
                           **({"mask": f"{index % PARTS}.png"} if bad else {})})
    text = {"format": "hetnet-labels-1", "topic": TOPIC, "frames": labels}
    (folder / "bag.labels.json").write_text(json.dumps(text))
    return folder / "bag"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help="where there is room for a megabyte a frame")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder, prefix="hetnet_replay_cost_") as name:
        with ProcessPoolExecutor(1, get_context("spawn")) as other:
            path = other.submit(write_bag, Path(name), args.frames).result()
        size = sum(file.stat().st_size for file in path.iterdir())
        inspector = WatchedInspector(PartInspector.load(args.model, "cpu"))
        inspector.warm_up()
        started = time.perf_counter()
        bag, showcase = open_bag(path), Showcase(inspector.calibration)
        labels = read_labels(Path(name) / "bag.labels.json")
        run = replay_offline(inspector, bag, choose_topics(bag), labels, FrameRules(frozen_after=0), showcase, progress=sys.stderr.isatty())
        result = measure(run)
        write_json(Path(name) / "result.json", result)
        write_report(Path(name) / "report.html", result, showcase.frames())
        whole = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{len(run.frames)} frames, bag of {size / 1e9:.2f} GB; bare inspection {1e3 * inspector.bare / args.frames:.1f} ms "
          f"a frame")
    print(f"ratio of the whole replay to bare inspection: {whole / inspector.bare:.3f}")
    print(f"peak memory: {peak:.2f} GB")


if __name__ == "__main__":
    main()
