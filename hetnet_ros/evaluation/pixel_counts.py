"""How often each anomaly value occurs on normal pixels, on defective pixels and in defect regions.

Ranking metrics over pixels need only these counts.  Kept per image they are small, and those of any group of images (a
defect type, a surface, an illumination) are added up in milliseconds, where sorting a data set's pixels for every group
would take gigabytes.  Values are binned by the leading bits of their float32 representation, which keeps their order:
two values share a bin only if they differ by less than 1/4096 of their size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

_DROPPED_BITS = 11  # of float32's 23 mantissa bits; 12 remain


@dataclass(frozen=True)
class PixelCounts:
    """Histograms over bins that are numbered in the order of the values, ascending; only bins in use are listed.

    normal_bins, normal: uint32 (N,) and int64 (N,), pixels outside every defect region.
    defect_bins, defective: uint32 (D,) and int64 (D,), pixels inside one.
    coverage: float64 (D,), the sum over regions of the share of the region's pixels that lie in the bin; sums to
    ``regions``, the number of defect regions (8-connected components of each image's ground truth).
    """

    normal_bins: np.ndarray
    normal: np.ndarray
    defect_bins: np.ndarray
    defective: np.ndarray
    coverage: np.ndarray
    regions: int


def count_pixels(raw_map: np.ndarray, mask: np.ndarray | None = None) -> PixelCounts:
    """Counts of one image.

    raw_map: float (H, W), finite.  mask: bool (H, W), True on defects; None where the image is normal everywhere.
    Raises ValueError for shapes that differ or values that are not finite.
    """
    if mask is not None and mask.shape != raw_map.shape:
        raise ValueError(f"map is {raw_map.shape} and mask is {mask.shape}")
    if not np.isfinite(raw_map).all():
        raise ValueError("the anomaly map holds values that are not finite")
    bins = _ordered_bins(np.ascontiguousarray(raw_map, np.float32))
    if mask is None or not mask.any():
        values, counts = _histogram(bins)
        nothing = np.zeros(0, np.int64)
        return PixelCounts(values, counts, nothing.astype(np.uint32), nothing, nothing.astype(np.float64), 0)
    values, counts = _histogram(bins[~mask])
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    region_of_pixel = labels[mask]
    share = 1.0 / np.bincount(region_of_pixel).clip(min=1)
    defect_bins, position, defective = np.unique(bins[mask], return_inverse=True, return_counts=True)
    coverage = np.bincount(position.ravel(), weights=share[region_of_pixel])
    return PixelCounts(values, counts, defect_bins, defective, coverage, int(region_of_pixel.max(initial=0)))


def add_counts(parts: Iterable[PixelCounts]) -> PixelCounts:
    """Counts of a group of images."""
    parts = list(parts)
    normal_bins, (normal,) = _merge([part.normal_bins for part in parts], [[part.normal for part in parts]])
    defect_bins, (defective, coverage) = _merge(
        [part.defect_bins for part in parts], [[part.defective for part in parts], [part.coverage for part in parts]]
    )
    return PixelCounts(
        normal_bins,
        normal.astype(np.int64),
        defect_bins,
        defective.astype(np.int64),
        coverage,
        sum(part.regions for part in parts),
    )


def _merge(bins: list[np.ndarray], columns: list[list[np.ndarray]]) -> tuple[np.ndarray, list[np.ndarray]]:
    if not bins:
        return np.zeros(0, np.uint32), [np.zeros(0) for _ in columns]
    merged, position = np.unique(np.concatenate(bins), return_inverse=True)
    return merged, [np.bincount(position, np.concatenate(column), minlength=len(merged)) for column in columns]


def _histogram(bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bins in use, ascending, and how often each occurs; counting, which is several times as fast as sorting."""
    if not bins.size:
        return bins.ravel(), np.zeros(0, np.int64)
    low = bins.min()
    if int(bins.max()) - int(low) > bins.size:
        return np.unique(bins, return_counts=True)
    counts = np.bincount((bins - low).ravel())
    used = np.flatnonzero(counts)
    return used.astype(np.uint32) + low, counts[used]


def _ordered_bins(values: np.ndarray) -> np.ndarray:
    """float32 -> uint32 bin numbers in the same order; IEEE 754 floats sort as integers once negatives are flipped."""
    bits = (values + np.float32(0)).view(np.uint32)  # adding 0 makes -0 to +0
    ordered = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))
    return ordered >> np.uint32(_DROPPED_BITS)
