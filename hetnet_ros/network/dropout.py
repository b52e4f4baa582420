"""Dropout that costs next to nothing on any CPU.

torch's own draws a floating-point number for each value, on CPUs that are not Intel's one after the other on one core; that
took a seventh of a training step.  Here eight values share a draw of 64 bits, a byte each.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 256


class ByteDropout(nn.Module):
    """Zeroes values with ``probability``, [0, 1), rounded to 1/256, and scales the others so that the mean stays; in training only.

    Draws from the global generator of the input's device.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.dropped = min(round(probability * LEVELS), LEVELS - 1)

    def forward(self, values: Tensor) -> Tensor:
        """Any shape and floating dtype, kept."""
        if not self.training or self.dropped == 0:
            return values
        count = values.numel()
        draws = torch.empty((count + 7) // 8, dtype=torch.int64, device=values.device).random_(-2**63, None)
        kept = draws.view(torch.uint8)[:count].view(values.shape) >= self.dropped
        return values * (kept.to(values.dtype) * (LEVELS / (LEVELS - self.dropped)))

    def extra_repr(self) -> str:
        return f"probability={self.dropped / LEVELS:.3f}"
