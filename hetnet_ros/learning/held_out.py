"""What good images that a network was not taught on say of it: the weights of the map's stages, and their scores.

Beside them the taught images say what is read where, which needs more images than are held out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from hetnet_ros.inspection.backends.torch_backend import TorchBackend
from hetnet_ros.inspection.domain import MapSpread
from hetnet_ros.inspection.preprocessing import to_tensor
from hetnet_ros.learning.feature_cache import FeatureCache
from hetnet_ros.learning.trainer import move
from hetnet_ros.network.anomaly_map import StageScale
from hetnet_ros.network.hetnet import HetNet

PLACE_VIEWS = 256
"""So many taught views, at most, tell what good images read where."""


@dataclass(frozen=True)
class Scores:
    """Of images no model was taught on: raw scores, largest and median map values (N,), and the map's stages."""

    scores: np.ndarray
    peaks: np.ndarray
    levels: np.ndarray
    stages: StageScale


def score_held_out(network: HetNet, cache: FeatureCache, images: np.ndarray, device: torch.device, balance: float) -> Scores:
    """Weigh the map's stages by the held-out images, uint8 (N, S, S, 3), learn from the taught ones what is read where, and
    score the held-out ones.  cache: the taught images' features.  balance: see AnomalyMap.weigh."""
    backend = TorchBackend(network, device)
    batches = [to_tensor(images[start:start + 8]) for start in range(0, len(images), 8)]
    with torch.inference_mode():
        parts = [network.stage_distances(network.teachers(batch.to(device))) for batch in batches]
    network.anomaly_map.weigh([torch.cat(stage) for stage in zip(*parts)], balance)
    learn_places(network, cache, device)
    outputs = [backend(batch) for batch in batches]
    maps = np.concatenate([output.maps for output in outputs])
    return Scores(np.concatenate([output.scores for output in outputs]), maps.max((1, 2)),
                  np.array([MapSpread.of(one).level for one in maps]), network.anomaly_map.scale)


@torch.inference_mode()
def learn_places(network: HetNet, cache: FeatureCache, device: torch.device) -> None:
    """What the taught views read where, sampled evenly from the cache, by the students alone: the memory holds these very images."""
    items = torch.linspace(0, len(cache) - 1, min(PLACE_VIEWS, len(cache))).long()
    network.anomaly_map.learn_places(network.student_distances(move(cache.batch(chosen), device)) for chosen in items.split(8))
