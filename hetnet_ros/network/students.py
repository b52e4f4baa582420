"""The students SR (reconstruction) and SD (denoising): decoders of one shape, each opening with a one-class embedding
(paper, section III-D; the bottleneck follows reverse distillation, Deng and Li, CVPR 2022).

Both turn the fused multi-scale feature back into the CNN teacher's three stages.  Ours is the decoder's kind: it works on
the tokens of the coarsest grid with attention that is linear in their number, and each token tells the finer stages of its
own cell.  Nearly all of it are products of matrices, so thousands of steps take minutes on a CPU; and attention that
cannot focus, behind a bottleneck with dropout, is bad at copying what it has not been taught (Guo et al., Dinomaly,
CVPR 2025).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hetnet_ros.network.dropout import ByteDropout


class OCE(nn.Module):
    """One-class embedding: fused feature (B, channels, H, W) -> tokens (B, H * W, width).

    A noisy bottleneck: what passes it must survive dropout, so it keeps what is common to good parts.
    """

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.LayerNorm(channels), ByteDropout(dropout), nn.Linear(channels, 2 * width), nn.GELU(), ByteDropout(dropout),
            nn.Linear(2 * width, width), ByteDropout(dropout))

    def forward(self, fused: Tensor) -> Tensor:
        return self.reduce(fused.flatten(2).transpose(1, 2))


class LinearAttention(nn.Module):
    """Self-attention whose cost grows linearly with the tokens (Katharopoulos et al., ICML 2020): (B, N, width), the same out."""

    def __init__(self, width: int, heads: int = 8) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        b, n, width = tokens.shape
        query_key, value = self.qkv(tokens).split((2 * width, width), 2)
        positive = query_key.clamp_max(0).exp() + query_key.relu()  # elu + 1, without its slow kernel for bfloat16
        query, key = positive.view(b, n, 2, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        value = value.view(b, n, self.heads, width // self.heads).transpose(1, 2)
        norm = query @ key.mean(2, keepdim=True).transpose(2, 3)
        mixed = (query @ (key.transpose(2, 3) @ value / n)) / norm
        return self.out(mixed.transpose(1, 2).reshape(b, n, width))


class TokenBlock(nn.Module):
    """Linear attention, then a two-layer perceptron, each behind a layer norm and added to its input; shape is kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), LinearAttention(width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class StageHead(nn.Module):
    """Tokens (B, H * W, width) -> a stage whose grid is ``finer`` times as fine, (B, channels, finer H, finer W)."""

    def __init__(self, width: int, channels: int, finer: int) -> None:
        super().__init__()
        self.finer = finer
        self.project = nn.Linear(width, channels * finer * finer)

    def forward(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        coarse = self.project(tokens).transpose(1, 2).unflatten(2, grid)
        return F.pixel_shuffle(coarse, self.finer) if self.finer > 1 else coarse


class Student(nn.Module):
    """A student decoder; SR and SD are two of these with weights of their own.

    (B, channels, H_3, W_3) -> tuple of reproduced features: the CNN's stages, shallow to deep, (B, C_k, H_k, W_k), and,
    when ``global_channels`` > 0, the Transformer's feature (B, global_channels, H_3, W_3) as a last element (ours).
    stages: channels C_k of each stage, and how many times finer than the last its grid is.  depth: token blocks.
    places: H_3 * W_3, for a learned position embedding that tells each token where it stands (ours): plain metal is rebuilt
    only where it belongs, and a missing hole is seen.  0: none, and a student knows nothing of places.
    """

    def __init__(self, channels: int, stages: tuple[tuple[int, int], ...], width: int, depth: int, dropout: float,
                 global_channels: int = 0, places: int = 0) -> None:
        super().__init__()
        self.embedding = OCE(channels, width, dropout)
        self.places = nn.Parameter(torch.zeros(1, places, width)) if places else None
        self.blocks = nn.ModuleList(TokenBlock(width) for _ in range(depth))
        if global_channels:
            stages = (*stages, (global_channels, 1))
        self.heads = nn.ModuleList(StageHead(width, *stage) for stage in stages)

    def forward(self, fused: Tensor) -> tuple[Tensor, ...]:
        tokens = self.embedding(fused)
        if self.places is not None:
            tokens = tokens + self.places.to(tokens.dtype)
        merged = torch.zeros_like(tokens)
        for block in self.blocks:
            tokens = block(tokens)
            merged = merged + tokens
        merged = merged / len(self.blocks)
        return tuple(head(merged, fused.shape[-2:]) for head in self.heads)
