"""Where on the image each stage of the map looks, measured on good images (ours).

Strided convolutions with one-sided padding, as EfficientNet has them, look beside the centre of the cell they are drawn at,
by up to half a cell.  A region's centroid would inherit that, and so would the point that a gripper is sent to.  So spots of
known place are put on good images and the stages' answers are measured against it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hetnet_ros.inspection.preprocessing import to_tensor
from hetnet_ros.network.hetnet import HetNet

SPOT = 1 / 40
"""Deviation of a spot's window relative to the image's side."""

WINDOW = 0.15
"""Half the side of the square about a spot in which its answer is measured, relative to the image's side."""


@torch.inference_mode()
def stage_offsets(network: HetNet, images: np.ndarray, device: torch.device, seed: int, spots: int = 24) -> Tensor:
    """How far (x, y) the map's stages look beyond where they are drawn, in px at image size: (stages, 2).

    images: good ones, uint8 (N, S, S, 3).  The median over ``spots`` spots on images and places drawn by ``seed``;
    zero where no spot was seen.
    """
    rng = np.random.default_rng((seed, 11))
    size = images.shape[1]
    found: list[np.ndarray] = []
    for _ in range(spots):
        image = images[rng.integers(len(images))]
        centre = rng.uniform(0.25, 0.75, 2) * size
        pair = to_tensor(np.stack([image, with_spot(image, centre)])).to(device)
        distances = network.stage_distances(network.teachers(pair))
        found.append(np.stack([_answer(d[1] - d[0], centre, size) for d in distances]))
    answers = np.stack(found)
    offsets = np.zeros(answers.shape[1:])
    for stage in range(len(offsets)):
        valid = answers[~np.isnan(answers[:, stage, 0]), stage]
        if len(valid):
            offsets[stage] = np.median(valid, axis=0)
    return torch.from_numpy(offsets).float()


def with_spot(image: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The image, uint8 (S, S, 3), turned bright where it is dark there, else dark, under a Gaussian window about ``centre`` (x, y), px
    from the image's corner."""
    size = image.shape[0]
    along = np.arange(size) + 0.5
    x, y = (np.exp(-0.5 * ((along - place) / (SPOT * size)) ** 2) for place in centre)
    window = (y[:, None] * x[None])[..., None]
    opposite = 255.0 if (image * window).sum() < 128 * 3 * window.sum() else 0.0
    return np.round(image * (1 - window) + opposite * window).astype(np.uint8)


def _answer(change: Tensor, centre: np.ndarray, size: int) -> np.ndarray:
    """A spot's place less the centroid of a stage's change (H, W) about it: (x, y) px; NaN where nothing changed, or where one
    distance stands for the whole image."""
    height, width = change.shape
    if height * width == 1:
        return np.full(2, np.nan)
    y, x = ((np.arange(n) + 0.5) * size / n for n in (height, width))
    inside = (np.abs(y - centre[1]) < WINDOW * size)[:, None] & (np.abs(x - centre[0]) < WINDOW * size)[None]
    weight = np.where(inside, change.float().clamp_min(0).cpu().numpy(), 0.0)
    weight = np.where(weight > 0.2 * weight.max(), weight, 0.0)
    if weight.sum() < 1e-6:
        return np.full(2, np.nan)
    return centre - np.array([(weight.sum(0) * x).sum(), (weight.sum(1) * y).sum()]) / weight.sum()
