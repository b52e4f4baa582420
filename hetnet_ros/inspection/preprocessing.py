"""From a camera image to the network's input.

The region of interest, and of it the model's crop, is cut out and resized to the network's square as 8-bit colour; the
backend does the rest.  An axis that shrinks is averaged by area, so that fine texture does not alias into false
detail and no line across a strip falls between two points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.image_files import MIN_SIDE_PX
from hetnet_ros.inspection.resizing import resized
from hetnet_ros.inspection.result import Box

if TYPE_CHECKING:
    from torch import Tensor


def checked_roi(rgb: np.ndarray, roi: Box | None) -> Box:
    """The region to inspect, clipped to nothing: it must lie inside the image.

    rgb: uint8 (H, W, 3).  Raises InputError for another dtype or shape, an image or region under 16 px, or a region
    that leaves the image.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise InputError(f"image is {rgb.dtype} of shape {rgb.shape}: give uint8 RGB of shape (height, width, 3)")
    height, width = rgb.shape[:2]
    box = roi or Box(0, 0, width, height)
    if box.width < MIN_SIDE_PX or box.height < MIN_SIDE_PX:
        raise InputError(f"region to inspect is {box.width}x{box.height} px: at least {MIN_SIDE_PX}x{MIN_SIDE_PX} is needed")
    if box.x < 0 or box.y < 0 or box.x + box.width > width or box.y + box.height > height:
        raise InputError(f"roi x={box.x} y={box.y} {box.width}x{box.height} leaves the {width}x{height} image: "
                         "set a region inside it")
    return box


def resize(rgb: np.ndarray, size: int) -> np.ndarray:
    """uint8 (H, W, 3) -> uint8 (size, size, 3); an axis that shrinks is averaged by area, one that grows is bilinear."""
    return np.ascontiguousarray(resized(rgb, (size, size)))


def cut(rgb: np.ndarray, roi: Box, size: int) -> np.ndarray:
    """uint8 (H, W, 3) and a checked region -> uint8 (size, size, 3)."""
    return resize(rgb[roi.y:roi.y + roi.height, roi.x:roi.x + roi.width], size)


def cropped(rgb: np.ndarray, crop: Crop, size: int) -> np.ndarray:
    """uint8 (H, W, 3) -> uint8 (size, size, 3): what the network sees of a whole image.  Raises InputError as Crop.of does."""
    return cut(rgb, crop.of(Box(0, 0, rgb.shape[1], rgb.shape[0])), size)


def to_tensor(batch: np.ndarray) -> Tensor:
    """uint8 (B, S, S, 3) -> float32 (B, 3, S, S) in [0, 1], for teaching."""
    import torch  # only here: inspection with an exported model needs none

    return torch.from_numpy(batch).permute(0, 3, 1, 2).float().div_(255)
