"""Whether images are brought to one brightness before the teachers see them, decided by the good images (ours).

Where the exposure, the distance of a lamp or the tone of the material changes from image to image, brightness says nothing
of defects, and students taught on some brightnesses err on others.  Where it stays the same, it is left alone: the teachers
then see images as they are.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from hetnet_ros.learning.preset import Preset

VARIES_FROM = 0.1
"""Deviation of the good images' brightness, as a share of it, from which on it counts as changing."""


def with_brightness(preset: Preset, images: np.ndarray) -> Preset:
    """The preset whose ``network.brightness`` is what ``training.brightness`` asks for.

    images: good ones, uint8 (N, S, S, 3).  ``as_is`` leaves the network's setting; ``even`` sets it to the images' geometric
    mean; ``auto`` does so where the logarithm of their brightness deviates by at least :data:`VARIES_FROM`.
    """
    if preset.training.brightness == "as_is":
        return preset
    found = np.log(np.maximum(images.mean((1, 2, 3)) / 255, 1 / 255))
    if preset.training.brightness == "auto" and found.std() < VARIES_FROM:
        return preset
    brightness = round(float(np.exp(found.mean())), 4)
    return dataclasses.replace(preset, network=dataclasses.replace(preset.network, brightness=brightness))
