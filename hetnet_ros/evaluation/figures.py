"""The three figures of one group of images, together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hetnet_ros.evaluation.metric import Metric
from hetnet_ros.evaluation.metrics import aupro, image_auroc, pixel_auroc
from hetnet_ros.evaluation.pixel_counts import PixelCounts


@dataclass(frozen=True)
class Figures:
    """Image AUROC, pixel AUROC and AUPRO."""

    image_auroc: Metric
    pixel_auroc: Metric
    aupro: Metric


def figures(scores: Sequence[float], defective: Sequence[bool], counts: PixelCounts) -> Figures:
    """Figures of images with these raw scores and labels, and of their pixels' counts."""
    return Figures(image_auroc(scores, defective), pixel_auroc(counts), aupro(counts))


def undefined_figures(reason: str) -> Figures:
    """Three figures that do not exist, for one reason."""
    return Figures(*[Metric.undefined(reason)] * 3)


def mean_figures(parts: Sequence[Figures], what: str) -> Figures:
    """Each figure's mean over those of ``parts`` that define it; ``what`` is what to call a part where none does."""

    def mean(of: Callable[[Figures], Metric]) -> Metric:
        values = [of(part).value for part in parts if of(part).defined]
        return Metric(float(np.mean(values))) if values else Metric.undefined(f"no {what} defines it")

    return Figures(mean(lambda f: f.image_auroc), mean(lambda f: f.pixel_auroc), mean(lambda f: f.aupro))
