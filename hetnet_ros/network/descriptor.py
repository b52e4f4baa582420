"""One vector that says what kind of image this is, read off the global teacher (ours).

A distance map tells how well each patch is rebuilt, and a blank image is rebuilt very well: plain patches are normal
nearly everywhere.  What betrays a lens cap, an overexposed camera or another part is the image as a whole.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from hetnet_ros.network.teachers import TeacherFeatures


def image_descriptor(features: TeacherFeatures) -> Tensor:
    """Mean and deviation over all patches of the Transformer's deepest block, unit length: (B, 2 D)."""
    return pooled(features.global_[-1])


def pooled(feature: Tensor) -> Tensor:
    """Mean and deviation of a feature (B, D, h, w) over all patches, unit length: (B, 2 D)."""
    patches = feature.flatten(2)
    return F.normalize(torch.cat((patches.mean(2), patches.std(2)), 1), dim=1)
