"""The two losses of HetNet (paper, section III-F): distillation, teacher to SR, and denoising, SR to SD.

Both are cosine distances per patch, averaged over a stage and summed over the stages.  Focusing the average on the
patches that are hardest to reproduce is ours; it lets rare normal detail count beside plain background.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hetnet_ros.network.anomaly_map import cosine_distance


def stage_loss(target: tuple[Tensor, ...], output: tuple[Tensor, ...], weights: tuple[float, ...],
               hard_fraction: float = 1.0) -> Tensor:
    """Weighted sum over stages of the mean cosine distance between features (B, C, H, W); scalar.

    hard_fraction: share of a stage's patches, the most distant ones, that carry gradient at full weight; the rest
    count a tenth.  1.0 weighs all alike.  The target gets no gradient.
    """
    total = output[0].new_zeros(())
    for wanted, got, weight in zip(target, output, weights):
        distance = cosine_distance(wanted.detach().float(), got.float())
        if hard_fraction < 1.0:
            flat = distance.flatten().detach()
            k = max(1, int(flat.numel() * (1 - hard_fraction)))
            bound = flat.kthvalue(k).values
            distance = torch.where(distance > bound, distance, 0.1 * distance)
        total = total + weight * distance.mean()
    return total


def flat_loss(target: tuple[Tensor, ...], output: tuple[Tensor, ...], weights: tuple[float, ...]) -> Tensor:
    """The same with each image's whole stage as one vector (the form of reverse distillation); scalar."""
    total = output[0].new_zeros(())
    for wanted, got, weight in zip(target, output, weights):
        total = total + weight * (1 - F.cosine_similarity(wanted.detach().flatten(1), got.flatten(1))).mean()
    return total
