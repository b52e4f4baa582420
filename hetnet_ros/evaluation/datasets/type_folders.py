"""The scheme that MVTec AD started and others vary: a test folder with a folder for each type, masks beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets.folders import images_in, subfolders
from hetnet_ros.evaluation.datasets.labelled import GOOD, LabelledDataset, LabelledImage
from hetnet_ros.inspection.image_files import list_images

#: From a type's folder below ``ground_truth``: image stem -> masks.
MaskFinder = Callable[[Path], Mapping[str, "tuple[Path, ...]"]]


def read_types(path: Path, good: str, masks_of: MaskFinder, mask_example: str) -> LabelledDataset:
    """All images in ``test/<type>`` below ``path``; the type named ``good`` is defect-free.

    Without a ``ground_truth`` folder no image has masks.  Raises InputError where it is there but some image has none;
    ``mask_example`` is the name to suggest then, with ``{stem}`` for the image's.
    """
    truth = path / "ground_truth"
    folders = sorted(subfolders(path / "test"), key=lambda folder: folder.name != good)  # stable: good comes first
    images: list[LabelledImage] = []
    for folder in folders:
        files = list_images(folder)
        if folder.name == good:
            images += [LabelledImage(file, GOOD) for file in files]
        elif not truth.is_dir():
            images += [LabelledImage(file, folder.name) for file in files]
        else:
            images += _with_masks(files, truth / folder.name, masks_of, mask_example)
    if not images:
        raise InputError(f"{path / 'test'} holds no images; put them into test/<type>/")
    return LabelledDataset(path.resolve().name, path, tuple(images))


def _with_masks(files: list[Path], truth: Path, masks_of: MaskFinder, example: str) -> list[LabelledImage]:
    masks = masks_of(truth)
    images = [LabelledImage(file, truth.name, masks.get(file.stem, ())) for file in files]
    without = [image for image in images if not image.mask_paths]
    if without:
        first = without[0].path
        raise InputError(
            f"{truth} has no mask for {len(without)} of {len(images)} images, the first is {first.name}; "
            f"add {example.format(stem=first.stem)}, or remove the whole ground_truth folder to score images only"
        )
    return images


def masks_beside(suffixes: tuple[str, ...]) -> MaskFinder:
    """A finder of masks named after their image, with one of ``suffixes`` behind its stem; the first suffix wins."""

    def find(truth: Path) -> Mapping[str, tuple[Path, ...]]:
        found: dict[str, tuple[Path, ...]] = {}
        masks = images_in(truth)
        for suffix in suffixes:
            for mask in masks:
                if mask.stem.endswith(suffix):
                    found.setdefault(mask.stem[: len(mask.stem) - len(suffix)], (mask,))
        return found

    return find
