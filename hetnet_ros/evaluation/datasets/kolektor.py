"""KolektorSDD's layout: a folder for each part, ``kos01/Part0.jpg`` with ``Part0_label.bmp``, empty if good.

Every image has a label, and the set comes without a split for learning from good images alone. Here all defective
images are tested, and the good images of every fifth commutator, counted from the last; those of the others are for
teaching, so no good surface is both taught and tested. Figures are therefore not those of the supervised three-fold
protocol. Sources: Tabernik et al. (Journal of Intelligent Manufacturing 2020) and the set's loader in anomalib.
"""

from __future__ import annotations

import re
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets.folders import subfolders
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset, LabelledImage
from hetnet_ros.inspection.image_files import list_images, read_mask

LAYOUT = "KolektorSDD (kos01/Part0.jpg with Part0_label.bmp)"

_LABEL = "_label"


def matches(path: Path) -> bool:
    """Whether ``path`` has a folder such as ``kos01`` with labels in it."""
    return any(any(folder.glob(f"*{_LABEL}.*")) for folder in _commutators(path))


def read(path: Path) -> LabelledDataset:
    """The test images, named ``<type>/kos01_Part0``; InputError where a label is missing or cannot be read."""
    tested = _commutators(path)[::-5]
    images = [image for folder in _commutators(path) for image in _images(folder)]
    good = [image for image in images if not image.is_defective and image.path.parent in tested]
    return LabelledDataset(path.resolve().name, path, (*good, *(image for image in images if image.is_defective)))


def training_images(path: Path) -> list[Path]:
    """The good images of the commutators whose good images are not tested."""
    tested = _commutators(path)[::-5]
    folders = [folder for folder in _commutators(path) if folder not in tested]
    return [image.path for folder in folders for image in _images(folder) if not image.is_defective]


def _commutators(path: Path) -> list[Path]:
    return [folder for folder in subfolders(path) if re.fullmatch(r"kos\d+", folder.name)]


def _images(folder: Path) -> list[LabelledImage]:
    files = list_images(folder)
    labels = {file.stem: file for file in files if file.stem.endswith(_LABEL)}
    images = []
    for file in files:
        if file.stem in labels:
            continue
        label = labels.get(file.stem + _LABEL)
        if label is None:
            raise InputError(f"{file} has no label; add {file.stem}{_LABEL}.bmp, all zero if the image is good")
        key = f"{folder.name}_{file.stem}"
        defective = read_mask(label).any()
        images.append(
            LabelledImage(file, "defect", (label,), key) if defective else LabelledImage(file, GOOD, key=key)
        )
    return images
