"""Labelled data sets, one loader a file; :func:`open_dataset` finds the one that fits a path.

A loader is a module with ``LAYOUT`` (one line that shows what it reads), ``recognises(path) -> bool`` (looks, raises
nothing) and ``read(path) -> LabelledDataset``.  A new kind of data set is one such module and one entry in LOADERS.
"""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.datasets import mvtec
from hetnet_ros.evaluation.datasets.labelled import LabelledDataset, LabelledImage

LOADERS = (mvtec,)

__all__ = ["LOADERS", "LabelledDataset", "LabelledImage", "open_dataset"]


def open_dataset(path: str | Path) -> LabelledDataset:
    """The labelled test images under ``path``.

    Raises InputError if there is no such folder, no loader knows its layout, or its labels are not usable.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such data set; check the path")
    for loader in LOADERS:
        if loader.recognises(path):
            return loader.read(path)
    raise InputError(f"{path} {_advice(path)}")


def _advice(path: Path) -> str:
    """What to give instead of ``path``, where that can be seen."""
    if path.is_dir():
        nested = [child for child in sorted(path.iterdir()) if _is_dataset(child)]
        if nested:
            return f"is not itself a data set but holds some; give one of them: {', '.join(map(str, nested[:8]))}"
        if _is_dataset(path.resolve().parent):
            return f"is a part of a data set; give the whole: {path.resolve().parent}"
    return f"is no labelled data set known here; expected {'; or '.join(loader.LAYOUT for loader in LOADERS)}"


def _is_dataset(path: Path) -> bool:
    return path.is_dir() and any(loader.recognises(path) for loader in LOADERS)
