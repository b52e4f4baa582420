"""Labelled data sets, one loader a file; :func:`open_dataset` finds the one that fits a path.

A loader is a module with ``LAYOUT`` (a few words that show what it reads), ``matches(path) -> bool`` (looks, raises
nothing), ``read(path) -> LabelledDataset`` and ``training_images(path) -> list[Path]`` (the good ones that are set
apart for teaching). A new kind of data set is one such module and one entry in LOADERS; at most one loader may match
a path.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import btad, kolektor, kolektor2, msc_ad, mvtec, mvtec_loco, plain, visa
from hetnet_ros.evaluation.datasets.labelled import LabelledDataset, LabelledImage
from hetnet_ros.inspection.image_files import lost_link

LOADERS = (mvtec, mvtec_loco, visa, msc_ad, btad, kolektor, kolektor2, plain)

__all__ = ["LOADERS", "LabelledDataset", "LabelledImage", "good_training_images", "open_dataset"]


def open_dataset(path: str | Path) -> LabelledDataset:
    """The labelled test images under ``path``.

    Raises InputError if there is no such folder, no loader or more than one knows its layout, or its labels are not
    usable.
    """
    path = Path(path)
    return _loader(path).read(path)


def good_training_images(path: str | Path) -> list[Path]:
    """The defect-free images that the data set under ``path`` sets apart for teaching; none of them is tested.

    Raises InputError as :func:`open_dataset` does, and where there are no such images.
    """
    path = Path(path)
    images = _loader(path).training_images(path)
    if not images:
        raise InputError(f"{path} holds no good training images; check that it is complete")
    return images


def _loader(path: Path) -> ModuleType:
    if not path.exists():
        raise InputError(f"{path}: no such data set; check the path")
    _refuse_lost_folders(path)
    fitting = _fitting(path)
    if len(fitting) > 1:
        layouts = " and ".join(loader.LAYOUT for loader in fitting)
        raise InputError(f"{path} fits more than one layout: {layouts}; move what does not belong to the set elsewhere")
    if not fitting:
        raise InputError(f"{path} {_advice(path)}")
    return fitting[0]


def _refuse_lost_folders(path: Path) -> None:
    """A folder that is a link to nowhere would look as if it had never been: a whole kind of defect would go untested."""
    for folder in (path, *(path / name for name in ("test", "train", "ground_truth"))):
        try:
            lost = [lost_link(child) for child in sorted(folder.iterdir()) if not child.suffix] if folder.is_dir() else []
        except OSError:
            continue  # the loader says so
        for line in filter(None, lost):
            raise InputError(line)


def _fitting(path: Path) -> list[ModuleType]:
    return [loader for loader in LOADERS if loader.matches(path)] if path.is_dir() else []


def _advice(path: Path) -> str:
    """What to give instead of ``path``, where that can be seen."""
    if path.is_dir():
        nested = [child for child in sorted(path.iterdir()) if _fitting(child)]
        if nested:
            return f"is not itself a data set but holds some; give one of them: {', '.join(map(str, nested[:8]))}"
        if _fitting(path.resolve().parent):
            return f"is a part of a data set; give the whole: {path.resolve().parent}"
    return f"is no labelled data set known here; looked for {'; '.join(loader.LAYOUT for loader in LOADERS)}"
