"""MVTec AD's layout: ``test/<type>/*.png``, with ``ground_truth/<type>/<stem>_mask.png`` for every type but ``good``.

Most industrial sets copy it with small liberties, so a mask may also carry the image's own name or end in ``_gt``, and
may be of any image format.  A category without a ``ground_truth`` folder is accepted: its pixel metrics are undefined.
"""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset, LabelledImage
from hetnet_ros.inspection.image_files import list_images, natural_order

LAYOUT = "a category folder in MVTec layout (test/<type>/<image>, ground_truth/<type>/<image>_mask.png)"

_MASK_SUFFIXES = ("_mask", "", "_gt")


def recognises(path: Path) -> bool:
    """Whether ``path`` has a ``test`` folder with folders in it."""
    test = path / "test"
    return test.is_dir() and any(child.is_dir() for child in test.iterdir())


def read(path: Path) -> LabelledDataset:
    """All test images of the category folder ``path``.

    Raises InputError for a set without images, two images of one type that share a stem, or masks that are missing for
    some images while others have theirs.
    """
    folders = [child for child in (path / "test").iterdir() if child.is_dir() and not child.name.startswith(".")]
    folders.sort(key=lambda folder: (folder.name != GOOD, natural_order(folder)))
    masks_exist = (path / "ground_truth").is_dir()
    images: list[LabelledImage] = []
    for folder in folders:
        images += _read_type(path, folder.name, masks_exist)
    if not images:
        raise InputError(f"{path / 'test'} holds no images; put them into test/<type>/")
    return LabelledDataset(path.resolve().name, path, tuple(images))


def _read_type(path: Path, defect_type: str, masks_exist: bool) -> list[LabelledImage]:
    files = list_images(path / "test" / defect_type)
    seen: dict[str, Path] = {}
    for file in files:
        if file.stem in seen:
            raise InputError(f"{file} and {seen[file.stem].name} differ only in their suffix; rename or remove one")
        seen[file.stem] = file
    if defect_type == GOOD or not masks_exist:
        return [LabelledImage(file, defect_type) for file in files]
    truth = path / "ground_truth" / defect_type
    by_stem = {mask.stem: mask for mask in list_images(truth)} if truth.is_dir() else {}
    images = [LabelledImage(file, defect_type, _mask_of(file.stem, by_stem)) for file in files]
    without = [image for image in images if image.mask_path is None]
    if without:
        raise InputError(
            f"{truth} has no mask for {len(without)} of {len(images)} images, the first is {without[0].path.name}; "
            f"add {without[0].path.stem}_mask.png, or remove the whole ground_truth folder to score images only"
        )
    return images


def _mask_of(stem: str, by_stem: dict[str, Path]) -> Path | None:
    return next((by_stem[stem + suffix] for suffix in _MASK_SUFFIXES if stem + suffix in by_stem), None)
