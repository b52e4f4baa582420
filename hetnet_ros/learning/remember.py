"""Fills a network's memories with the taught images' features."""

from __future__ import annotations

import torch

from hetnet_ros.learning.feature_cache import FeatureCache
from hetnet_ros.learning.trainer import move
from hetnet_ros.network.hetnet import HetNet

MEMORY_IMAGES = 256
"""So many taught images, at most, are offered to a memory of places; to one of images as a whole, all that it can keep."""


@torch.inference_mode()
def remember_places(network: HetNet, cache: FeatureCache, views: int, device: torch.device) -> None:
    """Offer the taught images to each of the network's memories, as they are and not their varied views, sampled evenly.
    views: cached variants of each image."""
    images = len(cache) // views
    for memory, feature in network.memories():
        most = MEMORY_IMAGES if len(memory.kept) > 1 else memory.kept.shape[1]
        items = torch.linspace(0, images - 1, min(most, images)).long() * views
        memory.remember(torch.cat([feature(move(cache.batch(chosen), device)) for chosen in items.split(16)]))
