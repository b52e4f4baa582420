"""Exposure, saturation and sharpness of an image, and the limits within which good images keep them (ours).

A blurred or badly exposed image still shows the part, so the teachers may find it familiar enough; its plain statistics
tell it at once, and say what is wrong with the camera.  They are taken at the network's size, where they cost a
millisecond and do not depend on the camera's resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

DARK, SATURATED = 10, 250
"""Grey levels: a pixel is dark up to the first, and saturated where a channel reaches the second."""
FEATURELESS = 2.0
"""Deviation of grey levels below which an image shows nothing that could be sharp."""
MARGIN = 3.0
"""How many deviations beyond the extremes of good images are tolerated."""
_LEAST_SPREAD = {"brightness": 8.0, "dark": 0.05, "saturated": 0.05, "sharpness": 0.02}
"""Deviations that are assumed at least, so that images that are all alike do not make the limits brittle, and a large defect
is not taken for a fault of the camera."""
_STEPS = ((1, 0), (0, 1), (1, 1), (1, -1))


@dataclass(frozen=True)
class ImageStatistics:
    """brightness: mean grey level, 0 to 255.  dark, saturated: shares of pixels, 0 to 1.  sharpness: common logarithm of
    the strongest steps between neighbouring pixels (their 99.5th percentile) over the deviation of all pixels, in the
    direction where it is least (motion blurs one direction only); a featureless image has sharpness 0."""

    brightness: float
    dark: float
    saturated: float
    sharpness: float


@dataclass(frozen=True)
class StatisticLimits:
    """What a good image keeps within: brightness from ``darkest`` to ``brightest``, at most these shares of ``dark`` and
    ``saturated`` pixels, at least this ``sharpness``."""

    darkest: float
    brightest: float
    dark: float
    saturated: float
    sharpness: float

    def fault(self, found: ImageStatistics) -> tuple[str, str] | None:
        """Cause (``dark``, ``bright`` or ``blurred``) and one readable line, or None if the image keeps within all."""
        if found.brightness < self.darkest or found.dark > self.dark:
            return "dark", (f"the image is too dark (lens cap, light off or exposure too short?): brightness "
                            f"{found.brightness:.0f} of 255 with {found.dark:.0%} black, good images keep above "
                            f"{self.darkest:.0f} and below {self.dark:.0%}")
        if found.brightness > self.brightest or found.saturated > self.saturated:
            return "bright", (f"the image is too bright (overexposed?): brightness {found.brightness:.0f} of 255 with "
                              f"{found.saturated:.0%} saturated, good images keep below {self.brightest:.0f} and "
                              f"{self.saturated:.0%}")
        if found.sharpness < self.sharpness:
            return "blurred", (f"the image is blurred (motion or focus?): sharpness {found.sharpness:.2f}, good images keep "
                               f"above {self.sharpness:.2f}")
        return None


def measure(rgb: np.ndarray) -> ImageStatistics:
    """Statistics of uint8 (S, S, 3), the image at the network's size."""
    grey = cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2GRAY)
    quiet = cv2.GaussianBlur(grey, (0, 0), 0.7)  # the sensor's noise is no sharpness
    deviation = float(grey.std())
    strongest = min(_strongest_step(quiet, dx, dy) for dx, dy in _STEPS)
    sharpness = 0.0 if deviation < FEATURELESS else float(np.log10((strongest + 0.01) / deviation))
    red, green, blue = cv2.split(rgb)
    brightest = cv2.max(cv2.max(red, green), blue)  # numpy takes as long for this as for all the rest
    return ImageStatistics(float(grey.mean()), float((grey <= DARK).mean()), float((brightest >= SATURATED).mean()),
                           sharpness)


def fit_statistics(good: list[ImageStatistics]) -> StatisticLimits:
    """Limits from good images and their augmented views, one or more."""
    def spread(name: str) -> tuple[float, float, float]:
        values = np.array([getattr(one, name) for one in good], np.float64)
        return float(values.min()), float(values.max()), MARGIN * max(float(values.std()), _LEAST_SPREAD[name])

    darkest, brightest, slack = spread("brightness")
    (_, dark, dark_slack), (_, saturated, saturated_slack) = spread("dark"), spread("saturated")
    softest, _, soft_slack = spread("sharpness")
    return StatisticLimits(darkest - slack, brightest + slack, dark + dark_slack, saturated + saturated_slack,
                           softest - soft_slack)


def _strongest_step(grey: np.ndarray, dx: int, dy: int) -> float:
    """99.5th percentile of the difference between pixels (dx, dy) apart; dx >= 0."""
    height, width = grey.shape
    top, bottom = max(0, dy), height + min(0, dy)
    steps = np.abs(grey[top:bottom, dx:] - grey[top - dy:bottom - dy, :width - dx]).ravel()
    rank = int(0.995 * (steps.size - 1))
    return float(np.partition(steps, rank)[rank])
