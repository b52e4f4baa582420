"""The defect-free images a part is taught from, read once into memory at the network's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.image_files import IMAGE_SUFFIXES, largest_sample, list_images, lost_link, read_rgb
from hetnet_ros.inspection.preprocessing import cropped
from hetnet_ros.inspection.sample_depth import FULL, depth_of
from hetnet_ros.learning.copies import copied_from, joined

MIN_IMAGES = 4


@dataclass(frozen=True)
class GoodImages:
    """images: uint8 (N, S, S, 3) RGB, cropped.  paths: where each came from.  min_size, max_size: (height, width) on disk, px.
    skipped: one line for each file that could not be used.  parts: int64 (N,), equal for images that show the same part, or are
    copies of each other, and are therefore alike; None where each shows another.  copies: how many are copies of others.
    sample_bits: by how many bits 16-bit values were scaled.  largest_sample: the largest of them, None where there are none."""

    images: np.ndarray
    paths: tuple[Path, ...]
    min_size: tuple[int, int]
    max_size: tuple[int, int]
    skipped: tuple[str, ...]
    parts: np.ndarray | None = None
    copies: int = 0
    sample_bits: int = FULL
    largest_sample: int | None = None

    @property
    def part_numbers(self) -> np.ndarray:
        """int64 (N,): ``parts``, or a number of its own for each image."""
        return np.arange(len(self.images)) if self.parts is None else self.parts


def independent(images: np.ndarray, parts: np.ndarray | None, where: Path) -> tuple[np.ndarray | None, int]:
    """``parts`` with copies joined, and the number of copies.  Raises InputError where fewer than four different images remain."""
    copies = copied_from(images)
    count = int((copies != np.arange(len(copies))).sum())
    if len(images) - count < MIN_IMAGES:
        raise InputError(f"{where} holds {len(images)} usable images, but only {len(images) - count} different ones, the others are "
                         f"copies: teaching needs at least {MIN_IMAGES} pictures of different parts, 20 or more for verdicts you can rely on")
    return joined(parts, copies, MIN_IMAGES), count


def good_folder(data: Path) -> Path:
    """``data`` itself, or its ``train/good`` where it is a category folder in MVTec layout."""
    nested = data / "train" / "good"
    if nested.is_dir():
        return nested
    if not data.exists():
        raise InputError(f"{data} does not exist: give a folder of defect-free images or a rosbag2 recording")
    if not data.is_dir():
        raise InputError(f"{data} is a file: give a folder of defect-free images, an MVTec-layout category folder "
                         "or a rosbag2 recording")
    return data


def read_cropped(path: Path, crop: Crop, size: int, bits: int = FULL) -> tuple[np.ndarray, tuple[int, int]]:
    """What the network sees of an image file, uint8 (size, size, 3), and the file's (height, width).

    Raises InputError, with the path, for a file that cannot be read or is too small for the crop.
    """
    rgb = read_rgb(path, bits)
    try:
        return cropped(rgb, crop, size), rgb.shape[:2]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def load_good_images(data: Path, size: int, max_images: int, progress: bool = True,
                     paths: Sequence[Path] | None = None, crop: Crop = Crop(), bits: int | None = None) -> GoodImages:
    """Read a folder's images, or ``paths`` where they are given, cut to ``crop`` and resized to ``size``; more than
    ``max_images`` are sampled evenly over the sorted names.

    bits: how many of 16 the pictures use; None: by the largest value of all of them.
    Files that cannot be read are skipped and listed; copies of a picture show one part.  Raises InputError where fewer than four
    different images remain.
    """
    folder = Path(data) if paths is not None else good_folder(Path(data))
    paths = list_images(folder) if paths is None else list(paths)
    if len(paths) > max_images:
        paths = [paths[i] for i in np.linspace(0, len(paths) - 1, max_images).round().astype(int)]
    largest = max((value for value in map(largest_sample, paths) if value is not None), default=None)
    bits = depth_of(largest) if bits is None else bits
    images, kept, sizes, skipped = [], [], [], []
    for path in tqdm(paths, desc="reading images", unit="img", disable=not progress, leave=False):
        try:
            if lost := lost_link(path):
                raise InputError(lost)
            image, shape = read_cropped(path, crop, size, bits)
        except InputError as error:
            skipped.append(str(error))
            continue
        images.append(image)
        kept.append(path)
        sizes.append(shape)
    if len(images) < MIN_IMAGES:
        found = (f"{len(images)} usable image{'s' if len(images) != 1 else ''} of {len(paths)}" if paths else
                 f"no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
        why = f" (first problem: {skipped[0]})" if skipped else ""
        raise InputError(f"{folder} holds {found}{why}: teaching needs at least {MIN_IMAGES} defect-free images, 20 or "
                         "more for verdicts you can rely on")
    heights, widths = zip(*sizes)
    together = np.stack(images)
    return GoodImages(together, tuple(kept), (min(heights), min(widths)), (max(heights), max(widths)), tuple(skipped),
                      *independent(together, None, folder), bits, largest)
