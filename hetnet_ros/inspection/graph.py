"""One graph from 8-bit images to raw map, score and descriptor: what is exported, and what the torch backend computes.

Exporters and runtimes know no antialiased resize of tensors, and not all of them the cosine similarity.  Resizing is linear
and its sizes are fixed, so while a graph is traced it becomes a product with two constant matrices, taken from torch's own
resize: exact, whatever the network does with it.  Maps of one channel take the same way, since it is also several times
faster than the runtimes' resize of them.  ``repeat_interleave`` would become forty operations that crash OpenVINO.
"""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from hetnet_ros.network.hetnet import HetNet

OPSET = 17
INPUT, OUTPUTS = "images", ("maps", "scores", "descriptors")
"""Names in every exported graph: uint8 (B, S, S, 3) -> float32 (B, S, S), (B,) and (B, D)."""


def images_to_tensor(images: Tensor) -> Tensor:
    """uint8 (B, S, S, 3) -> float32 (B, 3, S, S) in [0, 1]."""
    return images.permute(0, 3, 1, 2).float() / 255


class ImageGraph(nn.Module):
    """HetNet behind its preprocessing."""

    def __init__(self, network: HetNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """uint8 (B, S, S, 3) RGB -> raw map (B, S, S), raw score (B,), descriptor (B, D)."""
        return self.network(images_to_tensor(images))


class Traceable(TorchFunctionMode):
    """While entered, replaces what runtimes lack by what all of them have; the values stay the same up to rounding."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is F.interpolate and _as_matrices(*args, **kwargs):
            return _resize_by_matrices(*args, **kwargs)
        if func is F.cosine_similarity:
            return _cosine_similarity(*args, **kwargs)
        if func is Tensor.repeat_interleave and not (isinstance(args[1], Tensor) and args[1].dim()):
            return _repeat_interleave(*args, **kwargs)
        return func(*args, **kwargs)


def export_onnx(network: HetNet, path: Path) -> None:
    """Write ``network`` (in evaluation mode, on the CPU) as an ONNX file; the number of images stays open."""
    size = network.config.image_size
    example = torch.randint(0, 256, (1, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    write_onnx(ImageGraph(network), example, path, OUTPUTS)


def write_onnx(module: nn.Module, example: Tensor, path: Path, outputs: tuple[str, ...]) -> None:
    """Write a module of one input as an ONNX file; the first axis of input and outputs stays open."""
    module.eval()  # the exporter puts back the mode it found
    axes = {name: {0: "batch"} for name in (INPUT, *outputs)}
    with warnings.catch_warnings(), torch.no_grad(), Traceable():
        warnings.simplefilter("ignore")  # the tracer remarks on every shape that it takes for constant, as is meant
        module(example)  # resize matrices made now are constants to the tracer; made under it they would be operations
        torch.onnx.export(module, (example,), str(path), dynamo=False, opset_version=OPSET, input_names=[INPUT],
                          output_names=list(outputs), dynamic_axes=axes)


def _as_matrices(image: Tensor, size=None, scale_factor=None, mode: str = "nearest", align_corners: bool | None = None,
                     recompute_scale_factor: bool | None = None, antialias: bool = False) -> bool:
    """Whether a resize is to become matrices: antialiased, or bilinear of one channel."""
    return antialias or (mode == "bilinear" and not align_corners and size is not None and int(image.shape[1]) == 1)


def _resize_by_matrices(image: Tensor, size, scale_factor=None, mode: str = "bilinear", align_corners: bool | None = False,
                        recompute_scale_factor: bool | None = None, antialias: bool = False) -> Tensor:
    """F.interpolate over the last two axes of (B, C, H, W) as R image C^T, R and C being the resize of a unit matrix."""
    if size is None:
        raise ValueError("an antialiased resize is exported only with a fixed size")
    height, width = (size, size) if isinstance(size, int) else size
    rows, columns = (_resize_matrix(int(source), int(target), mode, antialias)
                     for source, target in ((image.shape[-2], height), (image.shape[-1], width)))
    return rows.to(image) @ image @ columns.T.to(image)


@functools.lru_cache(maxsize=32)
def _resize_matrix(source: int, target: int, mode: str, antialias: bool) -> Tensor:
    """float32 (target, source) that resizes a column of ``source`` values."""
    unit = torch.eye(source)[None, None]
    return F.interpolate(unit, (target, source), mode=mode, align_corners=False, antialias=antialias)[0, 0]


def _cosine_similarity(a: Tensor, b: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    def length(x: Tensor) -> Tensor:
        return (x * x).sum(dim).sqrt().clamp_min(eps)

    return (a * b).sum(dim) / (length(a) * length(b))


def _repeat_interleave(x: Tensor, repeats: int | Tensor, dim: int) -> Tensor:
    """``repeats`` is a number, which the tracer may hand over as a tensor without axes."""
    dim = dim % x.dim()
    return torch.stack([x] * int(repeats), dim + 1).flatten(dim, dim + 1)
