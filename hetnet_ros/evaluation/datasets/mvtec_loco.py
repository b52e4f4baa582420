"""MVTec LOCO's layout: MVTec AD's, but with a folder of masks for each image, ``ground_truth/<type>/<stem>/000.png``.

Types are ``logical_anomalies`` and ``structural_anomalies``. Each mask is one defect, its grey value names the
defect's kind, and every value but 0 counts as defective here. The set's own measure, sPRO, saturates: of a mask that
marks all places where a missing thing could be, covering a given share suffices. This loader joins an image's masks
into one binary mask, so AUPRO on LOCO is *not* sPRO and comes out lower on logical anomalies. Sources: Bergmann et
al., "Beyond Dents and Scratches" (IJCV 2022) and the set's loader in anomalib.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hetnet_ros.evaluation.datasets.folders import images_in, subfolders
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset
from hetnet_ros.evaluation.datasets.type_folders import read_types
from hetnet_ros.inspection.image_files import list_images

LAYOUT = "MVTec LOCO (test/<type>/<stem>.png, ground_truth/<type>/<stem>/000.png)"


def matches(path: Path) -> bool:
    """Whether ``path`` has test types, and masks in a folder for each image."""
    nested = any(subfolders(folder) for folder in subfolders(path / "ground_truth"))
    return nested and bool(subfolders(path / "test"))


def read(path: Path) -> LabelledDataset:
    """All test images; InputError where an anomalous one has no mask."""
    return read_types(path, GOOD, _masks, "{stem}/000.png")


def training_images(path: Path) -> list[Path]:
    """Those in ``train/good``; ``validation/good`` is left to whoever tunes something."""
    return images_in(path / "train" / GOOD)


def _masks(truth: Path) -> Mapping[str, tuple[Path, ...]]:
    return {folder.name: tuple(list_images(folder)) for folder in subfolders(truth)}
