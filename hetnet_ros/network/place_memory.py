"""What good parts look like at each place, and how far a patch is from the nearest of it (ours).

A student that has learned what is normal rebuilds a faint dent nearly as well as plain metal.  Features of taught parts, kept
place by place, are not rebuilt but compared: the distance to the nearest one sees other defects than the students do, and is
one more stage of the map.  The nearest-patch idea is PatchCore's (Roth et al., CVPR 2022), which keeps one memory for the whole
image; here a patch is compared with what stood at its own place, so the memory is small, its search is one product of matrices,
and what is normal elsewhere does not excuse it.  For parts that lie still.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 128
"""Principal directions that features are kept in: no defect was found less for it, and a third of the numbers."""


class PlaceMemory(nn.Module):
    """Feature (B, channels, H, W) -> cosine distance to the nearest one kept at its place, (B, H, W) in [0, 1].

    size: features kept at each place, at most.  cells: H * W; 1 for a memory of images as a whole.  width: principal directions
    kept of the channels, all where there are fewer.  Empty until :meth:`remember`; then all distances are 1.

    What is kept is each unit vector less the place's mean, and half its squared length: of unit vectors the cosine distance is
    half the squared Euclidean one, and of small differences bfloat16 keeps more than of products near 1.
    """

    def __init__(self, size: int, cells: int, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        width = min(width, channels)
        self.register_buffer("basis", torch.zeros(channels, width))
        self.register_buffer("mean", torch.zeros(cells, 1, width))
        self.register_buffer("kept", torch.zeros(cells, size, width, dtype=torch.float16))
        self.register_buffer("half_squares", torch.ones(cells, 1, size))

    def forward(self, feature: Tensor) -> Tensor:
        asked = self._projected(feature, self.basis) - self.mean
        nearest = (self.half_squares - asked @ self.kept.to(asked.dtype).transpose(1, 2)).amin(2)
        distance = nearest + asked.square().sum(2) / 2
        return distance.clamp(0, 1).t().unflatten(1, feature.shape[-2:])

    @torch.no_grad()
    def remember(self, features: Tensor) -> None:
        """Keep of good parts' features (N, channels, H, W), N at least 2, those that differ most at each place: each further
        one is the farthest from all kept before (PatchCore's coreset).  What was kept before is forgotten."""
        across = F.normalize(features, dim=1).permute(0, 2, 3, 1).flatten(0, 2)
        self.basis.copy_(torch.linalg.eigh(across.t() @ across).eigenvectors[:, -self.basis.shape[1]:])
        there = self._projected(features, self.basis)
        self.mean.copy_(there.mean(1, keepdim=True))
        self.kept.zero_()
        self.half_squares.fill_(1)
        places = torch.arange(len(there), device=there.device)
        farthest = (there - self.mean).square().sum(2).argmin(1)  # the first one is the most common
        apart = torch.full(there.shape[:2], torch.inf, device=there.device)
        for slot in range(min(len(features), self.kept.shape[1])):
            found = there[places, farthest][:, None]
            self.kept[:, slot] = (found - self.mean)[:, 0].half()
            self.half_squares[:, 0, slot] = self.kept[:, slot].float().square().sum(1) / 2
            apart = torch.minimum(apart, (there - found).square().sum(2))
            farthest = apart.argmax(1)

    @staticmethod
    def _projected(feature: Tensor, basis: Tensor) -> Tensor:
        """(B, channels, H, W) -> unit vectors at each place, (H * W, B, width)."""
        return F.normalize(feature.flatten(2).permute(2, 0, 1).to(basis.dtype) @ basis, dim=2, eps=1e-6)
