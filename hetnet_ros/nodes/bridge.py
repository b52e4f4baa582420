"""cv_bridge, for encodings that the node's own converter does not know, where it is installed and trustworthy.

The package's own converter covers every encoding of the interface and checks frames against their headers; cv_bridge
adds whatever else a distribution has taught it.  It is asked only after a round trip has shown that it works with the
NumPy and OpenCV it was imported with, which in several distributions it does not.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from hetnet_ros.inspection.image_conversion import compressed_to_rgb, image_to_rgb
from hetnet_ros.inspection.picture_budget import CameraBudget
from hetnet_ros.inspection.sample_depth import FULL


def decode(message: Any, bits: int = FULL, budget: CameraBudget | None = None) -> np.ndarray:
    """The pixels of a sensor_msgs/Image or CompressedImage, uint8 RGB (H, W, 3).

    bits: how many of 16 its values use, see ``sample_depth.py``.  budget: knows how large the camera's pictures are; None: not known.
    Raises BadImage.
    """
    if hasattr(message, "encoding"):
        return image_to_rgb(message, cv_bridge_fallback(), bits)
    rgb = compressed_to_rgb(message.data, message.format, bits, budget.usual_pixels if budget else 0)
    if budget:
        budget.note(rgb.shape)
    return rgb


@functools.lru_cache(maxsize=1)
def cv_bridge_fallback() -> Callable[[Image], np.ndarray] | None:
    """A converter from Image to uint8 RGB (H, W, 3), or None where cv_bridge is absent or fails its round trip."""
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        sample = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
        returned = bridge.imgmsg_to_cv2(bridge.cv2_to_imgmsg(sample, "bgr8"), "rgb8")
        if not np.array_equal(returned, sample[:, :, ::-1]):
            return None
    except Exception:  # a broken build fails in many ways, at import or at the first call; each means: do without
        return None

    def convert(message: Image) -> np.ndarray:
        if message.encoding[:1].isdigit():
            raise ValueError("it does not say which channel is which")  # cv_bridge would take 8UC3 for RGB unasked
        return np.asarray(bridge.imgmsg_to_cv2(message, "rgb8"))

    return convert
