"""Fills a network's memory of places with the taught images' features."""

from __future__ import annotations

import torch

from hetnet_ros.learning.feature_cache import FeatureCache
from hetnet_ros.learning.trainer import move
from hetnet_ros.network.hetnet import HetNet

MEMORY_IMAGES = 256
"""So many taught images, at most, are offered to the memory."""


@torch.inference_mode()
def remember_places(network: HetNet, cache: FeatureCache, views: int, device: torch.device) -> None:
    """Offer the taught images to the network's memory, as they are and not their varied views, sampled evenly; nothing
    where it has none.  views: cached variants of each image."""
    if network.memory is None:
        return
    images = len(cache) // views
    items = torch.linspace(0, images - 1, min(MEMORY_IMAGES, images)).long() * views
    network.memory.remember(torch.cat([network.memory_feature(move(cache.batch(chosen), device)) for chosen in items.split(16)]))
