"""Plain folders: one with good images (``good``, ``ok`` or ``normal``) and one for each kind of defect, without masks.

What people sort from a camera's archive by hand.  Nothing says where a defect is, so pixel metrics are undefined; and
nothing sets images apart for teaching, so the good ones must not be those that the model was taught from.
"""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets.folders import images_in, subfolders
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset, LabelledImage

LAYOUT = "plain folders of images (good, and one for each kind of defect)"

_GOOD_NAMES = ("good", "ok", "normal")
_OTHER_LAYOUTS = ("test", "train", "validation", "ground_truth")


def matches(path: Path) -> bool:
    """Whether ``path`` has one folder of good images and at least one other with images, and is no part of a split."""
    folders = subfolders(path)
    names = {folder.name.lower() for folder in folders} | {path.resolve().name.lower()}
    good = [folder for folder in folders if _is_good(folder)]
    defects = [folder for folder in folders if not _is_good(folder) and images_in(folder)]
    return len(good) == 1 and bool(defects) and not names.intersection(_OTHER_LAYOUTS)


def read(path: Path) -> LabelledDataset:
    """All images, each folder a type."""
    folders = sorted(subfolders(path), key=lambda folder: not _is_good(folder))  # stable: good comes first
    images = [
        LabelledImage(file, GOOD if _is_good(folder) else folder.name)
        for folder in folders
        for file in images_in(folder)
    ]
    return LabelledDataset(path.resolve().name, path, tuple(images))


def training_images(path: Path) -> list[Path]:
    """Raises InputError: these folders have no part that is set aside for teaching."""
    raise InputError(f"{path} has no training images of its own; give a folder of good images that are not tested")


def _is_good(folder: Path) -> bool:
    return folder.name.lower() in _GOOD_NAMES
