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

    stages: how many; their weights are 1 until :meth:`weigh`, their offsets 0 until :meth:`align`.  sigma: Gaussian
    smoothing, px; 0 switches it off.  score: ``max``, or ``top`` for the mean of the ``top_fraction`` largest values.

    Raising a stage to the image (bilinear, at its offset) and smoothing are both linear and separable, so each stage
    costs two small products of matrices, and the sum of the stages is all that is ever as large as the image.
    """

    def __init__(self, image_size: int, stages: int, sigma: float, score: str = "max",
                 top_fraction: float = 0.002) -> None:
        super().__init__()
        self.size = image_size
        self.register_buffer("weights", torch.ones(stages))
        self.register_buffer("offsets", torch.zeros(stages, 2))
        self.register_buffer("smoothing", smoothing_matrix(image_size, sigma), persistent=False)
        self.score = score
        self.top = max(1, int(round(top_fraction * image_size * image_size)))

    def forward(self, distances: list[Tensor]) -> tuple[Tensor, Tensor]:
        total = sum(weight * self.raised(distance, offset)
                    for weight, offset, distance in zip(self.weights, self.offsets, distances))
        flat = total.flatten(1)
        score = flat.amax(1) if self.score == "max" else flat.topk(self.top, 1).values.mean(1)
        return total, score

    def raised(self, distance: Tensor, offset: Tensor) -> Tensor:
        """One stage's distances (B, H, W) at image size, smoothed: (B, S, S).  offset: (x, y) px, see :meth:`align`."""
        rows, columns = (self.smoothing @ self._upsampling(count, shift)
                         for count, shift in zip(distance.shape[-2:], (offset[1], offset[0])))
        return rows @ distance.to(rows.dtype) @ columns.t()

    def _upsampling(self, count: int, shift: Tensor) -> Tensor:
        """(S, count): bilinear interpolation along one axis, the samples' centres moved by ``shift`` px."""
        pixel = torch.arange(self.size, device=shift.device, dtype=shift.dtype)
        place = ((pixel + 0.5 - shift) * (count / self.size) - 0.5).clamp(0, count - 1)
        cell = torch.arange(count, device=shift.device, dtype=shift.dtype)
        return (1 - (place[:, None] - cell[None]).abs()).clamp_min(0)

    @torch.no_grad()
    def weigh(self, distances: list[Tensor], balance: float = 0.5) -> None:
        """Weigh each stage by the largest distance (N, H_k, W_k) that a good image has in it, on average, to the power
        -``balance``; the weights' mean stays 1.  1: all stages err alike on good images, which finds more on parts that lie
        anyhow; less keeps outlines sharper on parts that lie still.  No stage counts as if it erred by less than 0.001."""
        largest = torch.stack([d.flatten(1).amax(1).mean().clamp_min(1e-3) for d in distances])
        inverse = largest.pow(-balance)
        self.weights.copy_(inverse / inverse.mean())

    @torch.no_grad()
    def align(self, offsets: Tensor) -> None:
        """Draw each stage's distances where they belong.  offsets: (stages, 2), how far (x, y), in px at image size, a
        stage's samples look beyond the centres of their cells: convolutions whose padding is not symmetric do."""
        self.offsets.copy_(offsets)


def smoothing_matrix(size: int, sigma: float) -> Tensor:
    """(size, size): Gaussian smoothing along one axis, mirrored at the ends; the identity for sigma 0."""
    identity = torch.eye(size)
    radius = min(math.ceil(3 * sigma), size - 1)
    if radius == 0:
        return identity
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=torch.float32) / sigma) ** 2)
    mirrored = F.pad(identity[:, None], (radius, radius), mode="reflect")
    return F.conv1d(mirrored, (kernel / kernel.sum()).view(1, 1, -1))[:, 0].t().contiguous()
