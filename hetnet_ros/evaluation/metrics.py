"""The three figures anomaly detectors are compared by: image AUROC, pixel AUROC and AUPRO.

AUROC comes from scikit-learn.  AUPRO (Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021, section 5) is
ours: the area under the mean coverage of the defect regions over the false positive rate of the normal pixels, up to a
rate of 0.3, divided by 0.3.  Every region counts the same, however large.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from hetnet_ros.evaluation.metric import Metric
from hetnet_ros.evaluation.pixel_counts import PixelCounts

FPR_LIMIT = 0.3


def image_auroc(scores: Sequence[float], defective: Sequence[bool]) -> Metric:
    """Chance that a defective image scores above a good one, ties counting half; raw or calibrated scores alike."""
    if not np.isfinite(scores).all():
        return Metric.undefined("an image has no finite score")
    if not any(defective):
        return Metric.undefined("there is no defective image")
    if all(defective):
        return Metric.undefined("there is no good image")
    return Metric(float(roc_auc_score(defective, scores)))


def pixel_auroc(counts: PixelCounts) -> Metric:
    """Chance that a defective pixel's value lies above a normal one's; values within 1/4096 count as ties."""
    missing = _missing(counts)
    if missing:
        return Metric.undefined(missing)
    truth = np.repeat([0, 1], [len(counts.normal_bins), len(counts.defect_bins)])
    values = np.concatenate([counts.normal_bins, counts.defect_bins])
    weights = np.concatenate([counts.normal, counts.defective])
    return Metric(float(roc_auc_score(truth, values, sample_weight=weights)))


def aupro(counts: PixelCounts, fpr_limit: float = FPR_LIMIT) -> Metric:
    """Area under the per-region overlap curve for false positive rates up to ``fpr_limit``, scaled to 0..1.

    The curve is joined by straight lines between the thresholds at bin edges, so the error against thresholds at every
    value is at most half the sum, over bins, of rate gained times overlap gained: below 1e-4 on images of common size.
    """
    if not 0 < fpr_limit <= 1:
        raise ValueError(f"fpr_limit must be in (0, 1], got {fpr_limit}")
    missing = _missing(counts)
    if missing:
        return Metric.undefined(missing)
    rate, overlap = pro_curve(counts)
    kept = rate <= fpr_limit
    x = np.append(rate[kept], fpr_limit)
    y = np.append(overlap[kept], np.interp(fpr_limit, rate, overlap))
    area = float(np.sum(np.diff(x) * (y[1:] + y[:-1])) / 2 / fpr_limit)
    return Metric(min(area, 1.0))  # rounding may leave a perfect map a hair above


def pro_curve(counts: PixelCounts) -> tuple[np.ndarray, np.ndarray]:
    """False positive rate and mean region overlap, both (T,) from 0 to 1, as the threshold falls through the bins."""
    bins = np.union1d(counts.normal_bins, counts.defect_bins)
    normal, coverage = np.zeros(len(bins)), np.zeros(len(bins))
    normal[np.searchsorted(bins, counts.normal_bins)] = counts.normal
    coverage[np.searchsorted(bins, counts.defect_bins)] = counts.coverage
    rate = np.concatenate([[0.0], np.cumsum(normal[::-1]) / normal.sum()])
    overlap = np.concatenate([[0.0], np.cumsum(coverage[::-1]) / counts.regions])
    return rate, overlap


def _missing(counts: PixelCounts) -> str:
    if counts.regions == 0:
        return "there is no defect region in the ground truth"
    if counts.normal.sum() == 0:
        return "there is no normal pixel"
    return ""
