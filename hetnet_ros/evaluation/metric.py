"""A measured value that may not exist, and then says why."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """``value`` is a fraction in 0..1, or NaN where the data do not define it; ``reason`` then is one readable line."""

    value: float
    reason: str = ""

    @classmethod
    def undefined(cls, reason: str) -> Metric:
        return cls(math.nan, reason)

    @property
    def defined(self) -> bool:
        return not math.isnan(self.value)
