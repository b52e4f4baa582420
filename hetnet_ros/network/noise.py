"""LMGN, local multivariate Gaussian noise (paper, section III-E), used in training only.

For each patch position the mean and covariance of the CNN teacher's features are estimated over the training set, in a
neighbourhood of that position.  In each step random *noise boxes* of the features are replaced by samples
x ~ N(mu_ij, Sigma_ij): features that are plausible one by one, but not where and with whom they stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional as F


class LocalGaussian:
    """Per-position multivariate normal of one feature stage.

    mean: float32 (C, H, W).  factor: Cholesky factors of the regularised covariances, (H * W, C, C), float32 or
    float16; sampling is mu + L z.
    """

    def __init__(self, mean: Tensor, factor: Tensor) -> None:
        self.mean = mean
        self.factor = factor

    @classmethod
    def fit(cls, batches: Callable[[], Iterable[Tensor]], neighbourhood: int = 3, ridge: float = 1e-2,
            block_bytes: int = 256 * 2**20) -> LocalGaussian:
        """Estimate from features (B, C, H, W) that ``batches()`` yields, afresh at each call.

        neighbourhood: odd side of the window whose patches count for its centre.  ridge: added to the diagonal,
        relative to the mean variance of the stage.  Second moments are gathered in blocks of rows of at most
        ``block_bytes``, one pass over the data a block, so a stage of any size fits in memory.
        Raises ValueError for an even neighbourhood or no data.
        """
        if neighbourhood < 1 or neighbourhood % 2 == 0:
            raise ValueError(f"neighbourhood must be odd and positive, got {neighbourhood}")
        count, total = 0, None
        for features in batches():
            features = features.float()
            total = features.sum(0) if total is None else total + features.sum(0)
            count += features.shape[0]
        if not count:
            raise ValueError("no features to fit")
        channels, height, width = total.shape
        centre = total / count  # moments are gathered about it: fewer digits are lost
        first = _window_mean(centre[None], neighbourhood)[0]
        halo = neighbourhood // 2
        rows = max(1, int(block_bytes // (4 * channels * channels * width)) - 2 * halo)
        factors = []
        for top in range(0, height, rows):
            bottom = min(height, top + rows)
            low, high = max(0, top - halo), min(height, bottom + halo)
            second = torch.zeros((high - low) * width, channels, channels)
            for features in batches():
                x = (features.float() - centre)[:, :, low:high].permute(2, 3, 1, 0).flatten(0, 1)  # (HW, C, B)
                second.baddbmm_(x, x.transpose(1, 2))
            second = (second / count).view(high - low, width, channels * channels).permute(2, 0, 1)[None]
            offset = centre[:, low:high].permute(1, 2, 0)  # window statistics mix positions of different means
            outer = (offset[..., :, None] * offset[..., None, :]).flatten(2).permute(2, 0, 1)[None]
            window = _window_mean(second + outer, neighbourhood)[0, :, top - low:bottom - low]
            mean = first[:, top:bottom].permute(1, 2, 0).flatten(0, 1)
            covariance = window.flatten(1).t().reshape(-1, channels, channels) - mean[:, :, None] * mean[:, None, :]
            factors.append(_cholesky(covariance, ridge))
        return cls(first, torch.cat(factors))

    def sample(self, batch: int, positions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw (batch, C, P) features at ``positions``, int64 indices (P,) into the flattened H x W grid."""
        factor = self.factor[positions].to(self.mean.dtype)
        noise = torch.randn(positions.numel(), self.mean.shape[0], batch, generator=generator,
                            dtype=self.mean.dtype).to(self.mean.device)
        drawn = torch.bmm(factor, noise) + self.mean.flatten(1).t()[positions][:, :, None]
        return drawn.permute(2, 1, 0)


class IsotropicGaussian:
    """Plain Gaussian noise, the paper's baseline: the feature plus N(0, scale^2 var) with one variance per channel."""

    def __init__(self, deviation: Tensor, scale: float = 1.0) -> None:
        self.deviation = deviation * scale  # (C,)


def add_noise_boxes(stages: tuple[Tensor, ...], gaussians: list[LocalGaussian | IsotropicGaussian], boxes: int,
                    max_side: float, generator: torch.Generator | None = None) -> tuple[Tensor, ...]:
    """Replace random boxes of every stage (B, C_k, H_k, W_k) by noise, at the same places of the image in all stages.

    boxes: how many per step, shared by the batch's images after a random cyclic shift of the batch.  max_side: largest
    side relative to the image, in (0, 1].  Returns new tensors; the given ones are not touched.
    """
    noisy = [stage.clone() for stage in stages]
    batch = stages[0].shape[0]
    for _ in range(boxes):
        size = torch.rand(2, generator=generator) * max_side
        corner = torch.rand(2, generator=generator) * (1 - size)
        chosen = torch.rand(batch, generator=generator) < 0.5
        if not bool(chosen.any()):
            continue
        for stage, gaussian in zip(noisy, gaussians):
            _, _, height, width = stage.shape
            top, left = int(corner[0] * height), int(corner[1] * width)
            bottom = max(top + 1, round(float(corner[0] + size[0]) * height))
            right = max(left + 1, round(float(corner[1] + size[1]) * width))
            rows = torch.arange(top, min(bottom, height))
            columns = torch.arange(left, min(right, width))
            selected = chosen.nonzero()[:, 0]
            shape = (selected.numel(), stage.shape[1], rows.numel(), columns.numel())
            if isinstance(gaussian, LocalGaussian):
                positions = (rows[:, None] * width + columns[None]).flatten().to(gaussian.factor.device)
                patch = gaussian.sample(selected.numel(), positions, generator).reshape(shape)
            else:
                noise = torch.randn(shape, generator=generator).to(stage.device)
                region = stage[selected][:, :, rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
                patch = region + noise * gaussian.deviation.view(1, -1, 1, 1)
            stage[selected[:, None, None], :, rows[None, :, None], columns[None, None, :]] = \
                patch.permute(0, 2, 3, 1).to(stage.dtype)
    return tuple(noisy)


def _window_mean(maps: Tensor, window: int) -> Tensor:
    return F.avg_pool2d(maps, window, stride=1, padding=window // 2, count_include_pad=False)


def _cholesky(covariance: Tensor, ridge: float) -> Tensor:
    """Cholesky factors with a ridge relative to the mean variance; the ridge grows where a matrix is still not positive."""
    channels = covariance.shape[-1]
    identity = torch.eye(channels, dtype=covariance.dtype)
    level = ridge * covariance.diagonal(dim1=-2, dim2=-1).mean().clamp_min(1e-12)
    covariance = (covariance + covariance.transpose(1, 2)) / 2
    for _ in range(8):
        factor, info = torch.linalg.cholesky_ex(covariance + level * identity)
        if not bool(info.any()):
            return factor
        level = level * 10
    raise ValueError("covariances are not positive even with a large ridge: features hold NaN or infinity")
