"""The anomaly map: how far the student's features are from the teacher's, per pixel (paper, section III-F).

Cosine distances of all stages, weighted, upsampled to the image and combined, then smoothed; the image's score is read
from the smoothed map.  The paper adds the stages up.  Ours can also take their geometric mean, in which a defect must be
seen by all stages and one stage that errs alone counts little.  The weights are ours: each stage counts by how quiet it is
on good images, so that a noisy stage does not drown a quiet one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine similarity over channels: two (B, C, H, W) -> (B, H, W), in [0, 2]."""
    return 1 - F.cosine_similarity(a, b, dim=1, eps=1e-6)


@dataclass(frozen=True)
class StageScale:
    """What good images say of the map's stages: each one's weight and level, float32 (stages,)."""

    weights: Tensor
    levels: Tensor

    @classmethod
    def mean(cls, scales: Sequence[StageScale]) -> StageScale:
        return cls(torch.stack([s.weights for s in scales]).mean(0), torch.stack([s.levels for s in scales]).mean(0))


FLOOR = 0.1
"""Added to a stage's distance relative to its level before the logarithm: below it a distance says nothing."""
PLACE_PX = 16
"""Side of the cells for which is known what good images read there, px."""


class AnomalyMap(nn.Module):
    """Distances of each stage (B, H_k, W_k) -> map (B, S, S) >= 0 and image score (B,).

    shares: one for each stage, by which its weight is multiplied; weights are the shares and levels 1 until :meth:`weigh`, offsets 0
    until :meth:`align`.
    combination: ``sum`` of the weighted distances (paper), or ``geometric``: the weighted geometric mean of the distances
    relative to each stage's level.  sigma: Gaussian smoothing, px; 0 switches it off.  score: ``max``, or ``top`` for the
    mean of the ``top_fraction`` largest values.

    Of the geometric mean's logarithm, two shares (0 to 1) can be taken off.  image_level: of its mean over the image, since
    coarse resolution, dim light or a worn surface raise a good part's map as a whole.  place_level: of what good images
    read there, :meth:`learn_places`, since edges and print are harder to reproduce than plain metal.

    Raising a stage to the image (bilinear, at its offset) and smoothing are both linear and separable, so each stage
    costs two small products of matrices, and the sum of the stages is all that is ever as large as the image.  The
    geometric mean is the same on logarithms, and one exponential at the end.

    whole: with a value above 0, a further distance (B, 1, 1) follows the stages, that of the image as a whole.  It has no part in
    the map; beyond its level it multiplies the score, relative to it and to this power.  It never lowers one: a part that looks like
    a taught one is not excused for a small defect.
    """

    def __init__(self, image_size: int, shares: Sequence[float], sigma: float, combination: str = "sum", score: str = "max",
                 top_fraction: float = 0.002, image_level: float = 0.0, place_level: float = 0.0, whole: float = 0.0) -> None:
        super().__init__()
        self.size = image_size
        self.geometric = combination == "geometric"
        self.whole = whole
        self.register_buffer("shares", torch.tensor(shares, dtype=torch.float32), persistent=False)
        self.register_buffer("weights", self.shares / (self.shares.sum() if self.geometric else self.shares.mean()))
        self.register_buffer("levels", torch.ones(len(shares) + (whole > 0)))
        self.register_buffer("offsets", torch.zeros(len(shares) + (whole > 0), 2))
        self.register_buffer("smoothing", smoothing_matrix(image_size, sigma), persistent=False)
        self.image_level, self.place_level = image_level, place_level
        if place_level:
            self.register_buffer("places", torch.zeros(image_size // PLACE_PX, image_size // PLACE_PX))
        self.score = score
        self.top = max(1, int(round(top_fraction * image_size * image_size)))

    def forward(self, distances: list[Tensor]) -> tuple[Tensor, Tensor]:
        total = self._total(distances)
        if self.place_level:
            total = total - self.place_level * self.raised(self.places[None], torch.zeros_like(self.offsets[0]))
        if self.image_level:
            total = total - self.image_level * total.mean((1, 2), keepdim=True)
        total = total.exp() if self.geometric else total
        flat = total.flatten(1)
        score = flat.amax(1) if self.score == "max" else flat.topk(self.top, 1).values.mean(1)
        if self.whole:
            relative = distances[-1].flatten(1)[:, 0].to(score.dtype) / self.levels[-1]
            score = score * relative.clamp_min(1) ** self.whole
        return total, score

    def _total(self, distances: list[Tensor]) -> Tensor:
        """The stages' weighted readings at image size, smoothed: (B, S, S); what follows the stages is left aside."""
        return sum(weight * self.raised(self._readings(distance, level), offset)
                   for weight, level, offset, distance in zip(self.weights, self.levels, self.offsets, distances))

    def _readings(self, distance: Tensor, level: Tensor) -> Tensor:
        """What is added up over the stages: distances, or the logarithms of distances relative to the stage's level."""
        return torch.log(distance.clamp_min(0) / level + FLOOR) if self.geometric else distance

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
    def weigh(self, distances: list[Tensor], balance: float) -> None:
        """Weigh each stage by what good images give in it: distances (N, H_k, W_k).

        ``sum``: by the largest distance of an image, on average, to the power -``balance``, times its share; the weights' mean
        stays 1.
        ``geometric``: that distance becomes the stage's level, and the weight is how far, in logarithms, an image's
        largest reading rises above its mean one, on average, to the power -``balance``; the weights' sum stays 1.
        So 2 weighs the stages as measurements are, by the inverse of their variance, which finds more on parts that lie
        anyhow; less keeps outlines sharper on parts that lie still, and 0 weighs all alike.  No stage counts as if it erred
        by less than 0.001.  The distance of the image as a whole, where there is one, gets its mean for its level.
        """
        largest = torch.stack([d.flatten(1).amax(1).mean().clamp_min(1e-3) for d in distances])
        if not self.geometric:
            self.levels[len(self.shares):] = largest[len(self.shares):]
            inverse = largest[:len(self.shares)].pow(-balance) * self.shares
            self.weights.copy_(inverse / inverse.mean())
            return
        self.levels.copy_(largest)
        readings = [self._readings(d, level).flatten(1) for d, level, _ in zip(distances, largest, self.shares)]
        rise = torch.stack([(r.amax(1) - r.mean(1)).mean().clamp_min(1e-3) for r in readings])
        quiet = rise.pow(-balance) * self.shares
        self.weights.copy_(quiet / quiet.sum())

    @torch.no_grad()
    def learn_places(self, good: Iterable[list[Tensor]]) -> None:
        """Learn what good images read at each place beyond their mean, from distances of batches of them.  Later
        stages may be left out: what they read is then not taken off.  To be called after :meth:`weigh` and :meth:`align`; it
        does nothing where no share of it is taken off."""
        if not self.place_level:
            return
        totals = [F.avg_pool2d(self._total(distances)[:, None], PLACE_PX)[:, 0] for distances in good]
        cells = torch.cat(totals)
        self.places.copy_((cells - cells.mean((1, 2), keepdim=True)).mean(0))

    @property
    def scale(self) -> StageScale:
        return StageScale(self.weights.clone(), self.levels.clone())

    @scale.setter
    def scale(self, scale: StageScale) -> None:
        self.weights.copy_(scale.weights)
        self.levels.copy_(scale.levels)

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
