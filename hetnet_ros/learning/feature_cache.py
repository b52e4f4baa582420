"""Teacher features of all training views, computed once and kept in half precision (ours).

The teachers are frozen, so a view's features never change: training then touches only fusion and students, which is
what makes teaching a part in minutes on a CPU possible.  Features stay in memory up to a budget and go to a
memory-mapped temporary file beyond it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.preprocessing import to_tensor
from hetnet_ros.learning.augmentation import make_view
from hetnet_ros.learning.preset import TrainingConfig
from hetnet_ros.network.descriptor import image_descriptor
from hetnet_ros.network.precision import fast_autocast
from hetnet_ros.network.teachers import HeterogeneousTeachers, TeacherFeatures


class FeatureCache:
    """Features of N images x K views; item ``n * K + k`` is view k of image n, view 0 the unchanged image.

    stages: float16 tensors (N * K, C, H, W), the CNN's, then the Transformer's three.  on_disk tells where they are.
    """

    def __init__(self, shapes: list[torch.Size], items: int, budget_bytes: int, directory: Path | None = None) -> None:
        needed = 2 * items * sum(shape.numel() for shape in shapes)
        self.on_disk = needed > budget_bytes
        self._folder = None
        if not self.on_disk:
            self.stages = [torch.empty((items, *shape), dtype=torch.float16) for shape in shapes]
            return
        self._folder = tempfile.TemporaryDirectory(prefix="hetnet_features_", dir=directory)
        free = shutil.disk_usage(self._folder.name).free
        if needed > free - 2**30:
            self.close()
            raise InputError(f"the feature cache needs {needed / 2**30:.1f} GiB but only {free / 2**30:.1f} GiB are free in "
                             f"{directory or tempfile.gettempdir()}: set TMPDIR elsewhere, or lower views or max_images")
        self.stages = [torch.from_numpy(np.lib.format.open_memmap(
            f"{self._folder.name}/stage{k}.npy", mode="w+", dtype=np.float16, shape=(items, *shape)))
            for k, shape in enumerate(shapes)]

    def __len__(self) -> int:
        return self.stages[0].shape[0]

    def put(self, start: int, features: TeacherFeatures) -> None:
        """Store a batch at items ``start`` and following."""
        for stage, values in zip(self.stages, (*features.local, *features.global_)):
            stage[start:start + values.shape[0]] = values

    def batch(self, items: Tensor) -> TeacherFeatures:
        """float32 features of ``items``, int64 (B,)."""
        found = [stage[items].float() for stage in self.stages]
        return TeacherFeatures(tuple(found[:-3]), tuple(found[-3:]))

    def descriptors(self, limit: int) -> Tensor:
        """Image descriptors of at most ``limit`` views, sampled evenly: float32 (N, 2 D)."""
        items = torch.linspace(0, len(self) - 1, min(limit, len(self))).round().long()
        return torch.cat([image_descriptor(TeacherFeatures((), (self.stages[-1][chosen].float(),)))
                          for chosen in items.split(32)])

    def local_batches(self, stage: int, size: int = 32) -> Iterator[Tensor]:
        """All features of one CNN stage, in order, in float32 batches."""
        for start in range(0, len(self), size):
            yield self.stages[stage][start:start + size].float()

    def close(self) -> None:
        """Give memory and disk back."""
        self.stages = []
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def fill_cache(teachers: HeterogeneousTeachers, images: np.ndarray, config: TrainingConfig, seed: int,
               device: torch.device, batch: int = 16, progress: bool = True) -> FeatureCache:
    """Compute all views of uint8 (N, S, S, 3) images.  View k of image n depends on (seed, n, k) alone."""
    local, global_ = teachers.feature_shapes(images.shape[1])
    items = len(images) * config.views
    cache = FeatureCache([*local, *global_], items, config.cache_mb * 2**20)
    try:
        with tqdm(total=items, desc="teacher features", unit="view", disable=not progress) as bar:
            for start in range(0, items, batch):
                views = [view_of(images, item, config, seed) for item in range(start, min(items, start + batch))]
                with torch.inference_mode(), fast_autocast(device):
                    features = teachers(to_tensor(np.stack(views)).to(device))
                if not all(bool(torch.isfinite(f.half()).all()) for f in (*features.local, *features.global_)):
                    raise InputError("a teacher gave features that do not fit half precision: use another teacher or stage")
                cache.put(start, features)
                bar.update(len(views))
    except BaseException:
        cache.close()
        raise
    return cache


def view_of(images: np.ndarray, item: int, config: TrainingConfig, seed: int) -> np.ndarray:
    """View ``item % views`` of image ``item // views``, uint8 (S, S, 3); view 0 is the image itself."""
    n, k = divmod(item, config.views)
    if k == 0:
        return images[n]
    return make_view(images[n], config.rotation, config.light, np.random.default_rng((seed, n, k)))
