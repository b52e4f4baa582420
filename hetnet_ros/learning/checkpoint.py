"""Checkpoints of a teaching run: weights and optimiser state in one safetensors file, no pickle.

A fingerprint of settings, seed and images guards ``--resume``: a checkpoint only goes on with the run it came from.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import read_tensors, save_tensors
from hetnet_ros.learning.preset import Preset
from hetnet_ros.learning.trainer import Trainer

_KEY = "hetnet_checkpoint"
_HEADER_LIMIT = 16 * 2**20


def checkpoint_path(model: Path) -> Path:
    """Where the checkpoint of a model file lies: ``MODEL.checkpoint.safetensors``."""
    return model.with_name(model.name.removesuffix(".safetensors") + ".checkpoint.safetensors")


def check_checkpoint_place(path: Path) -> None:
    """Raise InputError where ``path``, a name that was made up from the model's, is taken by a file that is no checkpoint: a model
    may be called so."""
    if not os.path.lexists(path):
        return
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            ours = _KEY in json.loads(file.read(min(size, _HEADER_LIMIT)))["__metadata__"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        ours = False
    if not ours:
        raise InputError(f"{path} is there already and is no checkpoint of hetnet train, which would keep its own under that name: move "
                         "it, or give the model another name with -o")


def fingerprint(preset: Preset, seed: int, images: np.ndarray) -> str:
    """SHA-256 over all settings, the seed and the pixels taught."""
    digest = hashlib.sha256(json.dumps([asdict(preset), seed, images.shape], sort_keys=True).encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()


def save_checkpoint(path: Path, trainer: Trainer, run: str) -> None:
    """Write the trainer's state atomically."""
    tensors = {f"network.{k}": v.detach().cpu() for k, v in trainer.network.trained_state().items()}
    for index, state in trainer.optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer.{index}.{k}": torch.as_tensor(v).detach().cpu() for k, v in state.items()})
    meta = json.dumps({"run": run, "step": trainer.step, "loss": trainer.loss})
    save_tensors(path, {k: v.contiguous() for k, v in tensors.items()}, {_KEY: meta})


def load_checkpoint(path: Path, trainer: Trainer, run: str) -> None:
    """Put the trainer where the checkpoint left off.

    Raises InputError where the file is absent, no checkpoint, or of another run.
    """
    metadata, tensors = read_tensors(path, "checkpoint")
    try:
        meta = json.loads(metadata[_KEY])
    except (KeyError, ValueError):
        raise InputError(f"{path} is no hetnet checkpoint: start again without --resume") from None
    if meta["run"] != run:
        raise InputError(f"checkpoint {path} belongs to a run with other images, settings or seed: repeat the command "
                         "that made it, or start again without --resume")
    network = {k[len("network."):]: v for k, v in tensors.items() if k.startswith("network.")}
    trainer.network.load_state_dict(network, strict=False)
    parameters = trainer.network.trained_parameters()
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            like = parameters[int(index)]
            if value.shape == like.shape:  # the fused optimiser wants the parameter's own memory layout
                value = torch.empty_like(like, requires_grad=False).copy_(value)
            state.setdefault(int(index), {})[name] = value
    whole = trainer.optimizer.state_dict()
    whole["state"] = state
    trainer.optimizer.load_state_dict(whole)
    trainer.step, trainer.loss = meta["step"], meta["loss"]
