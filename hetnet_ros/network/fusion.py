"""ALGF and MHF, the two fusions of HetNet (paper, section III-C and the pipeline figure).

ALGF joins one local (CNN) and one global (Transformer) feature of the same level; MHF joins the three levels.
The exact form of ALGF's attention is ours: the paper says only that both features are pooled to vectors and that
cross-structure attention over the two makes a hybrid feature.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ALGF(nn.Module):
    """Adaptive local-global feature fusion for one level.

    (B, C, H, W) local and (B, D, h, w) global -> (B, width, H, W).  The local feature is size-adjusted by a 1x1
    convolution, the global one by a 1x1 convolution and bilinear interpolation.  Each is pooled to a vector, on its own
    grid; per head, the query of one structure meets the key of the other, and a softmax over the two structures weighs them
    into the hybrid feature.  Output = hybrid + local + global.

    attention=False leaves local + global (ablation); ``use_local`` / ``use_global`` drop one structure altogether.  What is left
    out draws its random numbers all the same, so that after one seed whatever is built next starts alike with and without it.
    """

    def __init__(self, local_channels: int, global_channels: int, width: int, heads: int = 8, attention: bool = True,
                 use_local: bool = True, use_global: bool = True) -> None:
        super().__init__()
        self.use_local, self.use_global = use_local, use_global
        self.heads = heads
        self.attention = attention and use_local and use_global
        local, global_ = _adjust(local_channels, width), _adjust(global_channels, width)
        query_key = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(2))
        self.local, self.global_ = local if use_local else None, global_ if use_global else None
        self.query_key = query_key if self.attention else None

    def forward(self, local: Tensor, global_: Tensor) -> Tensor:
        if not self.use_global:
            return self.local(local)
        grid, global_ = local.shape[-2:], self.global_(global_)
        if not self.use_local:
            return _raise(global_, grid)
        local = self.local(local)
        if self.attention:  # hybrid + local + global, gathered by structure: raising a feature and weighing it commute
            own, other = self._hybrid_weights(local.mean((2, 3)), global_.mean((2, 3)))
            local, global_ = (1 + own) * local, (1 + other) * global_
        return local + _raise(global_, grid)

    def _hybrid_weights(self, *pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Local and global pooled vectors (B, C) -> what each counts in the hybrid, (B, C, 1, 1); the two sum to 1."""
        b, c = pooled[0].shape
        (query_l, key_l), (query_g, key_g) = (project(vector).view(b, 2, self.heads, -1).unbind(1)
                                              for project, vector in zip(self.query_key, pooled))
        # a structure is weighed by how its key answers the other's query
        scores = torch.stack(((query_g * key_l).sum(-1), (query_l * key_g).sum(-1))) / query_l.shape[-1] ** 0.5
        weights = torch.softmax(scores, 0).repeat_interleave(c // self.heads, -1)
        return weights[0].view(b, c, 1, 1), weights[1].view(b, c, 1, 1)


class MHF(nn.Module):
    """Multi-scale hybrid feature fusion: levels (B, D_k, H_k, W_k), strides 1:2:4 apart -> (B, 3 D_3, H_3, W_3).

    Level 1 passes two 3x3 stride-2 convolutions, level 2 one, level 3 none; then they are concatenated.
    ``widths``: channels of the three levels.
    """

    def __init__(self, widths: tuple[int, int, int]) -> None:
        super().__init__()
        self.level1 = nn.Sequential(_downsample(widths[0], widths[1]), _downsample(widths[1], widths[2]))
        self.level2 = _downsample(widths[1], widths[2])

    def forward(self, levels: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        return torch.cat((self.level1(levels[0]), self.level2(levels[1]), levels[2]), 1)


def _adjust(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))


def _downsample(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())


def _raise(feature: Tensor, grid: torch.Size) -> Tensor:
    """Bilinear interpolation to another grid (H, W)."""
    return feature if feature.shape[-2:] == grid else F.interpolate(feature, grid, mode="bilinear", align_corners=False)
