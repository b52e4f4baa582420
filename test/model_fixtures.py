"""A small real model for tests: HetNet with small teachers of random weights, taught on made-up images in seconds.

Its teachers' weights lie in a cache folder of the test session (``HETNET_CACHE``), so that the model loads the way any
other does, also in node processes that tests start.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

TINY_PRESET = """
network:
  cnn: {model: tf_efficientnet_lite0, indices: [1, 2, 3], input_size: 64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
  transformer: {model: vit_tiny_patch16_224, indices: [0, 1, 2], input_size: 64, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
  image_size: 64
  fusion_widths: [8, 16, 16]
  embedding: 32
  depth: 2
  dropout: 0.0
  smoothing_sigma: 1.0
  combination: geometric
  image_level: 0.5
  place_level: 0.5
  place_embedding: true
  place_memory: 8
training: {steps: 120, batch: 4, views: 1, warmup: 5, learning_rate: 0.01, cache_mb: 64, calibration: split, exposure: changing}
"""


def made_up_part(seed: int, defect: bool = False, move: int = 1) -> np.ndarray:
    """uint8 (96, 128, 3): a bright disc on a grey ground, moved by the seed by up to ``move`` px; a defect is a dark cross on it."""
    rng = np.random.default_rng(seed)
    image = np.full((96, 128, 3), 90, np.uint8)
    centre = (64 + int(rng.integers(-move, move + 1)), 48 + int(rng.integers(-move, move + 1)))
    cv2.circle(image, centre, 30, (190, 180, 170), -1, cv2.LINE_AA)
    if defect:
        cv2.line(image, (54, 38), (74, 58), (20, 20, 20), 4)
        cv2.line(image, (74, 38), (54, 58), (20, 20, 20), 4)
    noise = rng.normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def write_images(folder: Path, images: list[np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f"{index:03d}.png"), image[:, :, ::-1])
    return folder


@pytest.fixture(scope="session")
def weights_cache(tmp_path_factory) -> Path:
    """A weights cache with random teachers, in force for this process and its children."""
    import timm
    import torch
    from safetensors.torch import save_file

    cache = tmp_path_factory.mktemp("cache")
    (cache / "weights").mkdir()
    for name in ("tf_efficientnet_lite0", "vit_tiny_patch16_224"):
        torch.manual_seed(0)
        save_file(timm.create_model(name).state_dict(), cache / "weights" / f"{name}.safetensors")
    before = os.environ.get("HETNET_CACHE")
    os.environ["HETNET_CACHE"] = str(cache)
    yield cache
    if before is None:
        del os.environ["HETNET_CACHE"]
    else:
        os.environ["HETNET_CACHE"] = before


@pytest.fixture(scope="session")
def tiny_preset(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("preset") / "tiny.yaml"
    path.write_text(TINY_PRESET)
    return path


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory) -> Path:
    """A category folder in MVTec layout: 16 good images to teach, 6 good and 6 defective ones to test, with masks."""
    root = tmp_path_factory.mktemp("data") / "disc"
    write_images(root / "train" / "good", [made_up_part(i) for i in range(16)])
    write_images(root / "test" / "good", [made_up_part(100 + i) for i in range(6)])
    write_images(root / "test" / "cross", [made_up_part(200 + i, defect=True) for i in range(6)])
    masks = root / "ground_truth" / "cross"
    masks.mkdir(parents=True)
    for index in range(6):
        mask = np.zeros((96, 128), np.uint8)
        cv2.line(mask, (54, 38), (74, 58), 255, 4)
        cv2.line(mask, (74, 38), (54, 58), 255, 4)
        cv2.imwrite(str(masks / f"{index:03d}_mask.png"), mask)
    return root


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, weights_cache, tiny_preset, tiny_data) -> Path:
    """A model file taught on ``tiny_data``."""
    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach

    path = tmp_path_factory.mktemp("model") / "disc.safetensors"
    teach(tiny_data, path, load_preset(str(tiny_preset)), device="cpu", progress=False)
    return path
