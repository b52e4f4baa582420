"""HTE, the heterogeneous teacher encoders (paper, section III-B): a frozen CNN for local features and a frozen
Transformer for global ones, both looking at the same image.

Any timm model with ``forward_intermediates`` serves as either; layers after the last one used are pruned, since the
teachers are where inference time goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import timm
import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn
from torch.nn import functional as F

from hetnet_ros.errors import InputError
from hetnet_ros.network.config import TeacherConfig
from hetnet_ros.network.weights import TeacherWeights

MOST_GAIN = 4.0
"""Images are made brighter or darker by at most this factor: beyond it noise and saturation are all there is."""


@dataclass(frozen=True)
class TeacherFeatures:
    """Features of a batch, shallow to deep: ``local[k]`` (B, C_k, H_k, W_k) of the CNN, three or, for its memory, four, and
    ``global_[k]`` (B, D, h, w) of the Transformer, three."""

    local: tuple[Tensor, ...]
    global_: tuple[Tensor, ...]


class Teacher(nn.Module):
    """One frozen feature extractor: (B, 3, H, W) RGB in [0, 1] -> a feature map for each of its indices, shallow to deep.

    The image is resized to the teacher's own input size (bilinear, antialiased when shrinking) and normalised inside.
    """

    def __init__(self, config: TeacherConfig, weights: TeacherWeights | None) -> None:
        super().__init__()
        self.config = config
        if weights is not None and weights.blocks is not None and max(config.indices) >= weights.blocks:
            raise InputError(f"teacher {config.model} is wanted up to block {max(config.indices)} and the weights from "
                             f"{weights.source} hold blocks 0 to {weights.blocks - 1}: bring full weights (an offline bundle made "
                             f"without --half, or --weights {config.model}=FILE)")
        model = timm.create_model(config.model, pretrained=False)
        if weights is not None:
            model.load_state_dict(weights.tensors, strict=True)
        _set_input_size(model, config)
        model.prune_intermediate_layers(list(config.indices), prune_norm=True, prune_head=True)
        self.model = model
        self.register_buffer("mean", torch.tensor(config.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)
        super().train(False)

    def train(self, mode: bool = True) -> Teacher:
        """A teacher is always in evaluation mode: batch statistics must not move."""
        return super().train(False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        size = (self.config.input_size, self.config.input_size)
        if image.shape[-2:] != size:
            image = F.interpolate(image, size, mode="bilinear", antialias=True, align_corners=False)
        image = (image - self.mean) / self.std
        options = {"norm": False} if hasattr(self.model, "patch_embed") else {}
        return tuple(self.model.forward_intermediates(
            image, indices=list(self.config.indices), stop_early=True, output_fmt="NCHW", intermediates_only=True,
            **options))


def _set_input_size(model: nn.Module, config: TeacherConfig) -> None:
    """Give a Transformer its input and patch size; its position embeddings are resampled the way they were trained, its
    patch embedding by the pseudo-inverse of the patches' resize (FlexiViT, Beyer et al., CVPR 2023; timm)."""
    if not (hasattr(model, "set_input_size") and hasattr(model, "patch_embed")):
        return
    positions = getattr(model, "pos_embed", None)
    model.set_input_size(img_size=config.input_size, patch_size=config.patch_size or None)
    if positions is not None and not config.position_antialias:
        prefix = 0 if getattr(model, "no_embed_class", False) else model.num_prefix_tokens
        with torch.no_grad():
            model.pos_embed.copy_(resample_abs_pos_embed(
                positions, new_size=list(model.patch_embed.grid_size), num_prefix_tokens=prefix, antialias=False))


class HeterogeneousTeachers(nn.Module):
    """HTE: both teachers on one batch of images (B, 3, S, S), RGB in [0, 1].

    brightness: the mean that each image is brought to first, by a factor of at most :data:`MOST_GAIN` either way; 0 leaves
    images as they are.
    """

    def __init__(self, cnn: Teacher, transformer: Teacher, brightness: float = 0.0) -> None:
        super().__init__()
        self.cnn = cnn
        self.transformer = transformer
        self.brightness = brightness

    @torch.no_grad()
    def forward(self, image: Tensor) -> TeacherFeatures:
        if self.brightness:
            gain = self.brightness / image.mean((1, 2, 3), keepdim=True).clamp_min(1 / 255)
            image = image * gain.clamp(1 / MOST_GAIN, MOST_GAIN)
        return TeacherFeatures(self.cnn(image), self.transformer(image))

    @torch.no_grad()
    def feature_shapes(self, image_size: int) -> tuple[tuple[torch.Size, ...], tuple[torch.Size, ...]]:
        """Shapes (C, H, W) of the local and of the global features for a square image of ``image_size``."""
        device = self.cnn.mean.device
        features = self(torch.zeros(1, 3, image_size, image_size, device=device))
        return tuple(f.shape[1:] for f in features.local), tuple(f.shape[1:] for f in features.global_)
