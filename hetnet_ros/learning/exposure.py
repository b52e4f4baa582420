"""Whether the good images' exposure changes from image to image, and what then is done about it (ours).

Where the exposure, the distance of a lamp or the tone of the material changes, brightness says nothing of defects, and students
taught on some brightnesses err on others: each image is brought to one brightness before the teachers see it, and the views that
are taught vary in light, contrast, sharpness and noise at full strength.  Where it stays the same, images are left as they are.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from hetnet_ros.learning.preset import Preset

CHANGES_FROM = 0.1
"""Deviation of the good images' brightness, as a share of it, from which on it counts as changing."""
CHANGING_LIGHT = 1.0
"""``training.light`` of parts whose exposure changes, at least."""


def with_exposure(preset: Preset, images: np.ndarray) -> Preset:
    """The preset for parts whose good images, uint8 (N, S, S, 3), are these, as ``training.exposure`` asks for.

    ``fixed`` leaves it; ``changing`` sets ``network.brightness`` to the images' geometric mean and ``training.light`` to
    :data:`CHANGING_LIGHT`; ``auto`` does so where the logarithm of their brightness deviates by at least :data:`CHANGES_FROM`.
    """
    training = preset.training
    if training.exposure == "fixed":
        return preset
    found = np.log(np.maximum(images.mean((1, 2, 3)) / 255, 1 / 255))
    if training.exposure == "auto" and found.std() < CHANGES_FROM:
        return preset
    brightness = round(float(np.exp(found.mean())), 4)
    return dataclasses.replace(
        preset,
        network=dataclasses.replace(preset.network, brightness=brightness),
        training=dataclasses.replace(training, light=max(training.light, CHANGING_LIGHT)),
    )
