"""The anomaly map: how far the student's features are from the teacher's, per pixel (paper, section III-F).

Cosine distances of all stages, weighted, upsampled to the image and summed, then smoothed; the image's score is read
from the smoothed map.  The weights are ours: each stage counts by how little its distances vary on good images, so that a
noisy stage does not drown a quiet one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine similarity over channels: two (B, C, H, W) -> (B, H, W), in [0, 2]."""
    return 1 - F.cosine_similarity(a, b, dim=1, eps=1e-6)


class AnomalyMap(nn.Module):
    """Distances of each stage (B, H_k, W_k) -> map (B, S, S) >= 0 and image score (B,).

    stages: how many; their weights are 1 until :meth:`weigh`.  sigma: Gaussian smoothing, px; 0 switches it off.
    score: ``max``, or ``top`` for the mean of the ``top_fraction`` largest values.
    """

    def __init__(self, image_size: int, stages: int, sigma: float, score: str = "max",
                 top_fraction: float = 0.002) -> None:
        super().__init__()
        self.size = (image_size, image_size)
        self.register_buffer("weights", torch.ones(stages))
        self.score = score
        self.top = max(1, int(round(top_fraction * image_size * image_size)))
        radius = math.ceil(3 * sigma)
        offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (offsets / max(sigma, 1e-6)) ** 2)
        self.radius = radius
        self.register_buffer("kernel", kernel / kernel.sum(), persistent=False)

    def forward(self, distances: list[Tensor]) -> tuple[Tensor, Tensor]:
        raised = [F.interpolate((weight * distance)[:, None], self.size, mode="bilinear", align_corners=False)
                  for weight, distance in zip(self.weights, distances)]
        smooth = self._smooth(sum(raised[1:], raised[0]))[:, 0]
        flat = smooth.flatten(1)
        score = flat.amax(1) if self.score == "max" else flat.topk(self.top, 1).values.mean(1)
        return smooth, score

    @torch.no_grad()
    def weigh(self, distances: list[Tensor]) -> None:
        """Weigh each stage by the reciprocal root of its distances' (N, H_k, W_k) deviation on good images; the weights'
        mean stays 1.  Between equal weights and full standardisation: the latter finds more on parts that lie anyhow and
        blurs outlines on parts that lie still.  Where good images do not vary at all, a thousandth counts."""
        inverse = torch.stack([d.std().clamp_min(1e-3).rsqrt() for d in distances])
        self.weights.copy_(inverse / inverse.mean())

    def _smooth(self, maps: Tensor) -> Tensor:
        if self.radius == 0:
            return maps
        kernel = self.kernel.to(maps.dtype)
        maps = F.pad(maps, (self.radius,) * 4, mode="reflect")
        maps = F.conv2d(maps, kernel.view(1, 1, 1, -1))
        return F.conv2d(maps, kernel.view(1, 1, -1, 1))
