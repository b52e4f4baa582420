"""KolektorSDD2's layout: images flat in ``train`` and ``test``, each with its mask, ``20000.png`` and
``20000_GT.png``.

An image is good where its mask is empty. The training part holds some defective images, for supervised methods;
teaching leaves them out. Sources: Bozic et al., "Mixed supervision for surface-defect detection" (Computers in
Industry 2021) and public loaders of the set.
"""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets.folders import images_in
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset, LabelledImage
from hetnet_ros.inspection.image_files import read_mask

LAYOUT = "KolektorSDD2 (test/20000.png with 20000_GT.png)"

_MASK = "_GT"


def matches(path: Path) -> bool:
    """Whether masks lie among the images of ``test``."""
    return any((path / "test").glob(f"*{_MASK}.png"))


def read(path: Path) -> LabelledDataset:
    """The test images; InputError where a mask is missing or cannot be read."""
    images = sorted(_images(path / "test"), key=lambda image: image.is_defective)  # stable: good ones first
    return LabelledDataset(path.resolve().name, path, tuple(images))


def training_images(path: Path) -> list[Path]:
    """The good images in ``train``."""
    return [image.path for image in _images(path / "train") if not image.is_defective]


def _images(folder: Path) -> list[LabelledImage]:
    files = images_in(folder)
    masks = {file.stem: file for file in files if file.stem.endswith(_MASK)}
    images = []
    for file in files:
        if file.stem in masks:
            continue
        mask = masks.get(file.stem + _MASK)
        if mask is None:
            raise InputError(f"{file} has no mask; add {file.stem}{_MASK}.png, all zero if the image is good")
        images.append(LabelledImage(file, "defect", (mask,)) if read_mask(mask).any() else LabelledImage(file, GOOD))
    return images
