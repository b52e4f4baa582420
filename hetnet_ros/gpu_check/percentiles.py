"""Percentiles of times, each only where there were enough of them for it to say something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEWEST = {50: 1, 95: 20, 99: 100}
"""Fewest times by percentile: with fewer than one of them beyond it, it is but another word for the worst."""


def percentiles(times_ms: Sequence[float]) -> dict[str, float]:
    """``p50_ms`` and, of 20 times, ``p95_ms``, of 100 ``p99_ms``, ms; of one time at least."""
    return {f"p{share}_ms": round(float(np.percentile(times_ms, share)), 2) for share, fewest in FEWEST.items()
            if len(times_ms) >= fewest}
