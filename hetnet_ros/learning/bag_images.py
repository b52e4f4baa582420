"""Good images out of a recording: few of its frames, as unlike each other as can be.

Neighbouring frames of a bag are nearly the same picture, and teaching from all of them teaches the longest stop of the
robot.  So each frame is reduced to a thumbnail, and frames are chosen one by one, each the farthest from all chosen so far
(k-centre greedy; Gonzalez 1985).  The bag is read twice, and only thumbnails and the chosen images are ever in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.bags import Bag, BagFrame, choose_topics, image_frames, largest_sample, open_bag
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.image_files import MIN_SIDE_PX
from hetnet_ros.inspection.preprocessing import cut
from hetnet_ros.inspection.resizing import resized
from hetnet_ros.inspection.result import Box
from hetnet_ros.inspection.sample_depth import depth_of
from hetnet_ros.learning.good_images import MIN_IMAGES, GoodImages, independent

MOST_IMAGES = 100
"""How many frames are taken unless the caller says otherwise."""
STRETCHES = 40
"""Into how many stretches a recording is cut where it does not tell its parts."""
_THUMBNAIL = (15, 20)


@dataclass(frozen=True)
class BagSource:
    """Which frames of a bag may be taught from.

    topic: the image topic, empty for the only one.  usable: frame numbers known to show good parts, None for all.
    most: how many frames to take.  parts: the part that a frame number shows; empty where that is not known.
    """

    path: Path
    topic: str = ""
    usable: frozenset[int] | None = None
    most: int = MOST_IMAGES
    parts: Mapping[int, str] = field(default_factory=dict)


def load_bag_images(source: BagSource, size: int, progress: bool = True, crop: Crop = Crop(), bits: int | None = None) -> GoodImages:
    """The chosen frames, cut to ``crop`` and resized to ``size``.

    bits: how many of 16 the frames use; None: by the largest value of all that may be taught from.

    Raises InputError for a bag or topic that cannot be used, or where fewer than four frames remain.
    """
    largest = largest_sample(_frames(source, open_bag(source.path), progress, "looking for the bits in use"))
    bits = depth_of(largest) if bits is None else bits
    skipped: list[str] = []
    numbers, thumbnails = [], []
    for frame, rgb, box in _usable(source, crop, bits, skipped, progress, "looking through the bag"):
        numbers.append(frame.index)
        thumbnails.append(_thumbnail(rgb[box.y:box.y + box.height, box.x:box.x + box.width]))
    if len(numbers) < MIN_IMAGES:
        why = f" (first problem: {skipped[0]})" if skipped else ""
        raise InputError(f"{source.path} holds {len(numbers)} usable frames{why}: teaching needs at least {MIN_IMAGES} "
                         "frames of defect-free parts, 20 or more for verdicts you can rely on")
    chosen = {numbers[place] for place in most_diverse(np.stack(thumbnails), source.most)}
    images, paths, sizes, taken = [], [], [], []
    for frame, rgb, box in _usable(source, crop, bits, [], progress, "reading images"):
        if frame.index in chosen:
            images.append(cut(rgb, box, size))
            paths.append(source.path / f"{frame.index}")
            sizes.append(rgb.shape[:2])
            taken.append(frame.index)
    heights, widths = zip(*sizes)
    together = np.stack(images)
    return GoodImages(together, tuple(paths), (min(heights), min(widths)), (max(heights), max(widths)), tuple(skipped),
                      *independent(together, parts_of(taken, source.parts), source.path), bits, largest)


def parts_of(frames: list[int], parts: Mapping[int, str]) -> np.ndarray:
    """Which part each of the ascending ``frames`` shows, int64 (N,).

    Frames without a known part are counted as one part for each of :data:`STRETCHES` stretches of the recording, and so are
    all frames where fewer than four parts are known: what is held out must not be the neighbour, almost the twin, of
    what is taught.
    """
    stretches = [f"stretch {place * STRETCHES // len(frames)}" for place in range(len(frames))]
    names = [parts.get(frame) or stretch for frame, stretch in zip(frames, stretches)]
    if len(set(names)) < MIN_IMAGES:
        names = stretches
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def most_diverse(points: np.ndarray, count: int) -> np.ndarray:
    """Indices, ascending, of at most ``count`` of ``points`` (N, D): the one nearest to the mean, then always the one
    farthest from all chosen."""
    points = points.astype(np.float32)
    first = int(np.argmin(((points - points.mean(0)) ** 2).sum(1)))
    chosen = [first]
    distance = ((points - points[first]) ** 2).sum(1)
    while len(chosen) < min(count, len(points)):
        farthest = int(np.argmax(distance))
        chosen.append(farthest)
        distance = np.minimum(distance, ((points - points[farthest]) ** 2).sum(1))
        distance[chosen] = -1
    return np.sort(chosen)


def _frames(source: BagSource, bag: Bag, progress: bool, what: str) -> Iterator[BagFrame]:
    """Each frame that may be taught from."""
    topics = choose_topics(bag, [source.topic] if source.topic else [])
    frames = tqdm(image_frames(bag, topics), desc=what, unit="frame", total=topics[0].count, disable=not progress,
                  leave=False)
    return (frame for frame in frames if source.usable is None or frame.index in source.usable)


def _usable(source: BagSource, crop: Crop, bits: int, skipped: list[str], progress: bool,
            what: str) -> Iterator[tuple[BagFrame, np.ndarray, Box]]:
    """Each frame that may be taught from, decoded, and the part of it that is looked at."""
    bag = open_bag(source.path)
    for frame in _frames(source, bag, progress, what):
        try:
            rgb = frame.rgb(bits)
            if min(rgb.shape[:2]) < MIN_SIDE_PX:
                skipped.append(f"frame {frame.index} is only {rgb.shape[1]}x{rgb.shape[0]} pixels")
                continue
            box = crop.of(Box(0, 0, rgb.shape[1], rgb.shape[0]))
        except InputError as error:
            skipped.append(f"frame {frame.index}: {error}")
            continue
        yield frame, rgb, box
    skipped.extend(bag.losses)


def _thumbnail(rgb: np.ndarray) -> np.ndarray:
    """uint8 (900,): the image on a coarse grid."""
    return resized(rgb, _THUMBNAIL).reshape(-1)
