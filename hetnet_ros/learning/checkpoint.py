"""Checkpoints of a teaching run: weights and optimiser state in one safetensors file, no pickle.

A fingerprint of settings, seed and images guards ``--resume``: a checkpoint only goes on with the run it came from.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hetnet_ros import plain_json
from hetnet_ros.errors import InputError
from hetnet_ros.learning.preset import Preset
from hetnet_ros.learning.trainer import Trainer
from hetnet_ros.network.tensor_files import read_tensors, save_tensors
from hetnet_ros.user_files import MB

LIMIT = 4096 * MB
"""Of a checkpoint: the network with two moments of each parameter."""
_KEY = "hetnet_checkpoint"
_HEADER_LIMIT = 16 * MB
_STATES = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file in memory.  run: the fingerprint of what it belongs to.  step: steps done.  loss: the running mean, NaN before
    the first step."""

    path: Path
    run: str
    step: int
    loss: float
    tensors: dict[str, Tensor]


def checkpoint_path(model: Path) -> Path:
    """Where the checkpoint of a model file lies: ``MODEL.checkpoint.safetensors``."""
    return model.parent / f"{model.name.removesuffix('.safetensors')}.checkpoint.safetensors"


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
    meta = json.dumps({"run": run, "step": trainer.step, "loss": trainer.loss if math.isfinite(trainer.loss) else None})
    save_tensors(path, {k: v.contiguous() for k, v in tensors.items()}, {_KEY: meta})


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file; raises InputError where it is absent or no checkpoint."""
    metadata, tensors = read_tensors(path, "checkpoint", LIMIT, "leave out --resume")
    try:
        meta = plain_json.parse(metadata[_KEY])
        run, step, loss = meta["run"], meta["step"], meta["loss"]
        if type(run) is not str or type(step) is not int or step < 0 or type(loss) not in (float, int, type(None)):
            raise ValueError
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{path} is no hetnet checkpoint: start again without --resume") from None
    return Checkpoint(path, run, step, math.nan if loss is None else float(loss), tensors)


def load_checkpoint(path: Path, trainer: Trainer, run: str) -> None:
    """Put the trainer where the checkpoint left off.

    Raises InputError where the file is absent, no checkpoint, or of another run.
    """
    found = read_checkpoint(path)
    if found.run != run:
        raise InputError(f"checkpoint {path} belongs to a run with other images, settings or seed: repeat the command "
                         "that made it, or start again without --resume")
    wanted = {f"network.{name}": tensor for name, tensor in trainer.network.trained_state().items()}
    parameters = trainer.network.trained_parameters()
    states = {f"optimizer.{index}.{name}": torch.zeros(()) if name == "step" else like
              for index, like in enumerate(parameters) for name in _STATES}
    known = {**wanted, **states}
    wrong = sorted(set(wanted) - set(found.tensors)) or sorted(
        name for name, tensor in found.tensors.items() if name not in known or tensor.shape != known[name].shape)
    if wrong or not all(bool(torch.isfinite(tensor).all()) for tensor in found.tensors.values()):
        raise InputError(f"checkpoint {path} is damaged: start again without --resume")
    trainer.network.load_state_dict({name[len("network."):]: found.tensors[name] for name in wanted}, strict=False)
    state: dict[int, dict[str, Tensor]] = {}
    for name in sorted(set(states) & set(found.tensors)):
        _, index, kind = name.split(".", 2)
        value, like = found.tensors[name], parameters[int(index)]
        if kind != "step":  # the fused optimiser wants the parameter's own memory layout
            value = torch.empty_like(like, requires_grad=False).copy_(value)
        state.setdefault(int(index), {})[kind] = value
    whole = trainer.optimizer.state_dict()
    whole["state"] = state
    trainer.optimizer.load_state_dict(whole)
    trainer.step, trainer.loss = found.step, found.loss
