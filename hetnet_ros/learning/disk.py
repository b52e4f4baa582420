"""A taught model and the disk: room is asked for before the teaching, and where the model's own place fails after all, the model
goes to another rather than being lost."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import MAX_EXAMPLES
from hetnet_ros.inspection.domain import MAX_REFERENCES
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.resources import cache_directory
from hetnet_ros.whole_files import check_room

_STATES_OF_OPTIMISER = 2
"""Numbers that the optimiser keeps for each that is taught."""
_CARD_BYTES = 2**18
"""The card and the tensors' names, with room to spare."""


def check_model_room(output: Path, network: HetNet, images: np.ndarray, resume: bool) -> None:
    """Raise InputError where the disk of ``output`` has not the room for the model and the checkpoint beside it.

    images: those to teach, uint8 (N, S, S, 3).  resume: the checkpoint is there already.
    """
    needed = model_bytes(network, images) + (0 if resume else checkpoint_bytes(network))
    check_room(output.parent, needed, "teaching, with the checkpoint beside the model,")


def model_bytes(network: HetNet, images: np.ndarray) -> int:
    """Size of the model file at most, bytes."""
    _, stages = network.teachers.feature_shapes(images.shape[1])
    descriptors = 2 * MAX_REFERENCES * 2 * stages[-1][0]  # float16, each mean and spread of the last stage's channels
    examples = min(2 * MAX_EXAMPLES, len(images)) * images[0].nbytes
    return _trained_bytes(network) + descriptors + examples + 8 * len(images) + _CARD_BYTES


def checkpoint_bytes(network: HetNet) -> int:
    """Size of a checkpoint at most, bytes."""
    return (1 + _STATES_OF_OPTIMISER) * _trained_bytes(network) + _CARD_BYTES


def _trained_bytes(network: HetNet) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in network.trained_state().values())


def save_somewhere(output: Path, save: Callable[[Path], str]) -> str:
    """``save(output)``; where that fails, the same into a new folder of the cache, or of the temporary files.

    Raises InputError that says where the model is now.
    """
    try:
        return save(output)
    except InputError as error:
        for folder in (cache_directory(), Path(tempfile.gettempdir())):
            place = _saved_below(folder, output.name, save)
            if place is not None:
                raise InputError(f"{error}; the taught model is kept as {place}: move it to where it belongs") from None
        raise


def _saved_below(folder: Path, name: str, save: Callable[[Path], str]) -> Path | None:
    """Where it was saved, in a new folder below ``folder``; None if it could not be."""
    own = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        own = tempfile.mkdtemp(prefix="taught_", dir=folder)
        save(Path(own) / name)
    except (InputError, OSError):
        if own is not None:
            shutil.rmtree(own, ignore_errors=True)
        return None
    return Path(own) / name
