"""What good images look like as a whole, learned beside the students: distances to each other, exposure, sharpness."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from hetnet_ros.inspection.backends.torch_backend import TorchBackend
from hetnet_ros.inspection.domain import DomainLimits, distances, fit_limits
from hetnet_ros.inspection.image_statistics import fit_statistics, measure
from hetnet_ros.inspection.preprocessing import to_tensor
from hetnet_ros.learning.feature_cache import view_of
from hetnet_ros.learning.preset import Preset
from hetnet_ros.network.hetnet import HetNet


def held_out_distances(network: HetNet, images: np.ndarray, references: np.ndarray, device: torch.device) -> np.ndarray:
    """Distance of each held-out image, uint8 (N, S, S, 3), to the nearest taught view (M, D): (N,)."""
    backend = TorchBackend(network, device)
    found = [backend(to_tensor(images[start:start + 8])).descriptors for start in range(0, len(images), 8)]
    return distances(references, np.concatenate(found))


def left_out_distances(descriptors: np.ndarray, views: int, parts: np.ndarray) -> np.ndarray:
    """Distance of each image (its first view) to the nearest view of one of another part; descriptors: (N * views, D),
    parts: int64 (N,)."""
    apart = 1 - descriptors[::views] @ descriptors.T
    apart[np.repeat(parts, views)[None] == parts[:, None]] = np.inf
    return apart.min(1)


def learn_limits(apart: np.ndarray, levels: np.ndarray, images: np.ndarray, preset: Preset, seed: int) -> DomainLimits:
    """Limits from distances and map levels of good images that were not taught, and the statistics of all good images,
    uint8 (N, S, S, 3), and of their augmented views."""
    config = preset.training
    found = [measure(view_of(images, item, config, seed)) for item in range(len(images) * config.views)]
    return fit_limits(apart, levels, fit_statistics(found), preset.network.image_level)


def image_digests(images: np.ndarray) -> Tensor:
    """int64 (N,): what tells an image, uint8 (N, S, S, 3), from all others."""
    found = [int.from_bytes(hashlib.blake2b(np.ascontiguousarray(image), digest_size=8).digest(), "little", signed=True)
             for image in images]
    return torch.tensor(found, dtype=torch.int64)
