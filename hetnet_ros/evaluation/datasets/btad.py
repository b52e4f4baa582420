"""BTAD's layout (beanTech): MVTec AD's with ``ok`` and ``ko`` for types, and masks of the images' own names.

Images and masks are PNG or BMP, not always the same of both. Sources: Mishra et al., "VT-ADL" (ISIE 2021) and the
set's loader in anomalib.
"""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.evaluation.datasets.folders import images_in, subfolders
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset
from hetnet_ros.evaluation.datasets.type_folders import masks_beside, read_types

LAYOUT = "BTAD (test/ok, test/ko, ground_truth/ko/<stem>.png)"


def matches(path: Path) -> bool:
    """Whether ``test`` has a folder ``ok`` and none called ``good``."""
    types = {folder.name for folder in subfolders(path / "test")}
    nested = any(subfolders(folder) for folder in subfolders(path / "ground_truth"))
    return "ok" in types and GOOD not in types and not nested


def read(path: Path) -> LabelledDataset:
    """All test images of one product's folder; InputError where some defective ones have no mask and others have."""
    return read_types(path, "ok", masks_beside(("", "_mask", "_gt")), "{stem}.png")


def training_images(path: Path) -> list[Path]:
    """Those in ``train/ok``."""
    return images_in(path / "train" / "ok")
