"""The anomaly map: how far the student's features are from the teacher's, per pixel (paper, section III-F).

Cosine distances of all stages, weighted, upsampled to the image and summed, then smoothed; the image's score is read
from the smoothed map.
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
    """Stages of teacher and student -> map (B, S, S) >= 0 and image score (B,).

    weights: one factor a stage.  sigma: Gaussian smoothing, px; 0 switches it off.  score: ``max``, or ``top`` for the
    mean of the ``top_fraction`` largest values.
    """

    def __init__(self, image_size: int, weights: tuple[float, ...], sigma: float, score: str = "max",
                 top_fraction: float = 0.002) -> None:
        super().__init__()
        self.size = (image_size, image_size)
        self.weights = weights
        self.score = score
        self.top = max(1, int(round(top_fraction * image_size * image_size)))
        radius = math.ceil(3 * sigma)
        offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
        kernel = torch.exp(-0.5 * (offsets / max(sigma, 1e-6)) ** 2)
        self.radius = radius
        self.register_buffer("kernel", kernel / kernel.sum(), persistent=False)

    def forward(self, teacher: tuple[Tensor, ...], student: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        total = None
        for wanted, got, weight in zip(teacher, student, self.weights):
            if weight == 0:
                continue
            distance = weight * cosine_distance(wanted, got)[:, None]
            distance = F.interpolate(distance, self.size, mode="bilinear", align_corners=False)
            total = distance if total is None else total + distance
        smooth = self._smooth(total)[:, 0]
        flat = smooth.flatten(1)
        score = flat.amax(1) if self.score == "max" else flat.topk(self.top, 1).values.mean(1)
        return smooth, score

    def _smooth(self, maps: Tensor) -> Tensor:
        if self.radius == 0:
            return maps
        kernel = self.kernel.to(maps.dtype)
        maps = F.pad(maps, (self.radius,) * 4, mode="reflect")
        maps = F.conv2d(maps, kernel.view(1, 1, 1, -1))
        return F.conv2d(maps, kernel.view(1, 1, -1, 1))
