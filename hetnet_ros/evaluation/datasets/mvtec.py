"""MVTec AD's layout: ``test/<type>/*.png``, with ``ground_truth/<type>/<stem>_mask.png`` for every type but ``good``.

MPDD (metal parts) has the very same layout, VisA as its authors' script converts it has masks of the images' own
names, and most industrial sets take small liberties, so a mask may carry the image's own name, end in ``_gt``
instead, and be of any image format. A category without a ``ground_truth`` folder is accepted: its pixel metrics are
undefined. Sources: MVTec's own description, Bergmann et al. (IJCV 2021); Jezek et al. (ICUMT 2021) and its loader in
anomalib.
"""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.evaluation.datasets.folders import images_in, subfolders
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset
from hetnet_ros.evaluation.datasets.type_folders import masks_beside, read_types

LAYOUT = "MVTec AD, MPDD (test/<type>/<stem>.png, ground_truth/<type>/<stem>_mask.png)"

_MASK_SUFFIXES = ("_mask", "", "_gt")


def matches(path: Path) -> bool:
    """Whether ``path`` has a ``test`` folder with type folders, and no masks in folders of their own (LOCO's)."""
    types = {folder.name for folder in subfolders(path / "test")}
    if not types or ("ok" in types and GOOD not in types):
        return False
    return not any(subfolders(folder) for folder in subfolders(path / "ground_truth"))


def read(path: Path) -> LabelledDataset:
    """All test images of the category folder ``path``.

    Raises InputError for a set without images, two images of one type that share a stem, or masks that are missing for
    some images while others have theirs.
    """
    return read_types(path, GOOD, masks_beside(_MASK_SUFFIXES), "{stem}_mask.png")


def training_images(path: Path) -> list[Path]:
    """Those in ``train/good``."""
    return images_in(path / "train" / GOOD)
