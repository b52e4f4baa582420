"""Cross-conformal calibration for few good images: every image is scored by a model that was not taught on it.

Holding images out of thirty leaves a handful to calibrate with.  Instead the images are cut into folds, one more model is
taught without each fold, and the images of the fold are scored by it (Vovk 2015).  The model that is kept was taught on
all of them; the fold models have seen less, so their scores are rather too large than too small and the promised rate
errs to the safe side for good parts (ours: the original asks all fold models for every new image).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from hetnet_ros.learning.alignment import stage_offsets
from hetnet_ros.learning.feature_cache import FeatureCache
from hetnet_ros.learning.held_out import Scores, score_held_out
from hetnet_ros.learning.preset import TrainingConfig
from hetnet_ros.learning.remember import remember_places
from hetnet_ros.learning.trainer import Trainer, settle_batch_norm
from hetnet_ros.network.anomaly_map import StageScale
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.teachers import TeacherFeatures

FOLDS = 3
CROSS_BELOW = 40
"""With fewer good images than this, cross-conformal calibration is chosen unless the preset says otherwise."""


def folds_for(count: int, calibration: str) -> int:
    """How many folds ``count`` good images are cut into; 0: hold some out.  calibration: ``auto``, ``split``, ``cross``."""
    return FOLDS if calibration == "cross" or (calibration == "auto" and count < CROSS_BELOW) else 0


def cross_scores(new_network: Callable[[], HetNet], cache: FeatureCache, images: np.ndarray, parts: np.ndarray,
                 config: TrainingConfig, folds: int, seed: int, device: torch.device, progress: bool) -> Scores:
    """Teach one model without each fold and score the fold by it.

    images: uint8 (N, S, S, 3), the cache's.  parts: int64 (N,), which part each shows; a fold holds whole parts.
    Returns one score for each part, that of its first image.
    """
    names, first = np.unique(parts, return_index=True)
    order = np.random.default_rng((seed, folds)).permutation(len(names))
    scores, peaks, levels = np.empty((3, len(images)))
    scales = []
    for fold in range(folds):
        held = np.flatnonzero(np.isin(parts, names[order[fold::folds]]))
        kept = np.setdiff1d(np.arange(len(images)), held)
        torch.manual_seed(seed)
        network = new_network().to(device)
        view = CacheSubset(cache, kept, config.views)
        Trainer(network, view, config, seed, device).run(lambda _: None, progress)
        settle_batch_norm(network, view, device)
        remember_places(network, view, config.views, device)
        network.anomaly_map.align(stage_offsets(network, images[kept], device, seed))
        found = score_held_out(network, view, images[held], device, config.stage_balance)
        scores[held], peaks[held], levels[held] = found.scores, found.peaks, found.levels
        scales.append(found.stages)
    return Scores(scores[first], peaks[first], levels[first], StageScale.mean(scales))


class CacheSubset:
    """The views of some images of a feature cache, seen as a cache of their own."""

    def __init__(self, cache: FeatureCache, images: np.ndarray, views: int) -> None:
        self._cache = cache
        self._items = torch.from_numpy((images[:, None] * views + np.arange(views)).reshape(-1))

    def __len__(self) -> int:
        return len(self._items)

    def batch(self, items: Tensor) -> TeacherFeatures:
        """float32 features of ``items``, int64 (B,), counted within the subset."""
        return self._cache.batch(self._items[items])

    def local_batches(self, stage: int, size: int = 32) -> Iterator[Tensor]:
        """All features of one CNN stage, in order, in float32 batches."""
        for chosen in self._items.split(size):
            yield self._cache.stages[stage][chosen].float()
