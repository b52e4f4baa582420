"""MSC-AD as a tree of category folders in MVTec AD's layout, whose folder names spell surface, illumination,
resolution.

The set (castings: 6 surfaces, 3 illuminations, 4 resolutions) is not public to us and no description of its files was
found, so this is a reading of its paper's grid, not of its disk: any depth up to three and any order of folders is
taken, such as ``back/high/150/test/good`` or ``back/high_150/test/good``. A single MVTec category with conditions in
its *file* names (as the virtual cell writes it) needs no loader of its own.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.datasets import mvtec
from hetnet_ros.evaluation.datasets.folders import subfolders
from hetnet_ros.evaluation.datasets.labelled import LabelledDataset
from hetnet_ros.evaluation.msc_ad_grid import condition_of_folders

LAYOUT = "MSC-AD (MVTec AD's layout below folders that name surface, illumination and resolution)"

_DEPTH = 3
_LEAST_AXES = 2  # folders that differ in one word, such as left and right, may as well be two parts


def matches(path: Path) -> bool:
    """Whether all category folders below ``path`` lie in folders named by the grid, on the same two or three axes."""
    spelled = [condition for _, condition in _categories(path)]
    axes = {tuple(axis for axis, _ in condition.values) for condition in spelled if condition is not None}
    return None not in spelled and len(axes) == 1 and len(axes.pop()) >= _LEAST_AXES


def read(path: Path) -> LabelledDataset:
    """The test images of all conditions together; InputError as :func:`mvtec.read`."""
    images = []
    for folder, condition in _categories(path):
        prefix = "_".join(folder.relative_to(path).parts)
        for image in mvtec.read(folder).images:
            images.append(replace(image, key=f"{prefix}_{image.path.stem}", condition=condition or Condition()))
    images.sort(key=lambda image: (image.is_defective, image.defect_type))
    return LabelledDataset(path.resolve().name, path, tuple(images))


def training_images(path: Path) -> list[Path]:
    """The good training images of all conditions."""
    return [image for folder, _ in _categories(path) for image in mvtec.training_images(folder)]


def _categories(path: Path) -> list[tuple[Path, Condition | None]]:
    """The category folders below ``path`` and their conditions, None where a name is not of the grid.

    Only folders named by the grid are searched, so that a look at any folder is quick.
    """
    found: list[tuple[Path, Condition | None]] = []
    level = [path]
    for _ in range(_DEPTH):
        children = [child for folder in level for child in subfolders(folder)]
        spelled = [(child, condition_of_folders(child.relative_to(path).parts)) for child in children]
        found += [(child, condition) for child, condition in spelled if mvtec.matches(child)]
        level = [child for child, condition in spelled if condition is not None and not mvtec.matches(child)]
    return found
