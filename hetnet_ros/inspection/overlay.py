"""The picture a person looks at when something is flagged.

Heat is laid only over what is anomalous, so that a good part looks like its photograph and a flagged one shows both the
place and the surface under it.  Everything scales with the image, and the picture keeps the source image's size.
"""

from __future__ import annotations

import cv2
import numpy as np

from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.maps import source_mask
from hetnet_ros.inspection.resizing import resized
from hetnet_ros.inspection.result import Inspection, Verdict

#: RGB of each verdict, used for banner, frame and outline; told apart in common kinds of colour blindness.
VERDICT_COLOURS = {
    Verdict.PASS: (38, 160, 82),
    Verdict.REJECT: (214, 45, 42),
    Verdict.UNCERTAIN: (230, 145, 20),
}

_HEAT_FROM, _HEAT_FULL, _HEAT_ALPHA = 0.35, 0.9, 0.5  # calibrated values between which heat fades in, and its opacity
_COOL, _HOT = np.array((255, 190, 0), np.float32), np.array((235, 0, 60), np.float32)  # amber to crimson
_OUTLINE = (255, 255, 255)
_BANNER_MIN_SIDE = 96  # a smaller picture has no room for words, only for the frame


def draw_overlay(rgb: np.ndarray, inspection: Inspection, calibration: Calibration) -> np.ndarray:
    """uint8 (H, W, 3) RGB of the inspected image -> uint8 (H, W, 3) RGB with heat, outlines and a verdict banner.

    The banner is at the upper edge, or at the lower one where it hides less of what is anomalous.  ``rgb`` is left as it is.
    An inspection without a map gets its banner only.
    """
    picture = rgb.copy()
    line = max(1, round(min(rgb.shape[:2]) / 320))
    mask = None
    if inspection.anomaly_map is not None:
        mask = source_mask(inspection, calibration)
        _blend_heat(picture, inspection, calibration)
        _outline(picture, mask, line)
    _dim_outside(picture, inspection, line)
    _banner(picture, inspection, line, mask)
    return picture


def _blend_heat(picture: np.ndarray, inspection: Inspection, calibration: Calibration) -> None:
    """Colour and opacity are computed at the map's resolution and enlarged: cheap for large cameras, and smooth."""
    roi = inspection.roi
    values = np.nan_to_num(calibration.calibrated_map(inspection.anomaly_map))
    rise = np.clip((values - _HEAT_FROM) / (_HEAT_FULL - _HEAT_FROM), 0, 1)
    rise = resized(rise, (roi.height, roi.width))
    region = picture[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]
    hot = rise > 0
    rise = rise[hot][:, None]
    alpha = _HEAT_ALPHA * rise * rise * (3 - 2 * rise)
    colour = _COOL + (_HOT - _COOL) * rise
    region[hot] = (region[hot] * (1 - alpha) + colour * alpha + 0.5).astype(np.uint8)


def _outline(picture: np.ndarray, mask: np.ndarray, line: int) -> None:
    """A bright line with a dark edge shows on any surface."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, (20, 20, 20), 3 * line, cv2.LINE_AA)
    cv2.drawContours(picture, outlines, -1, _OUTLINE, line, cv2.LINE_AA)


def _dim_outside(picture: np.ndarray, inspection: Inspection, line: int) -> None:
    """Dim what did not count: outside of what was inspected, and of the region of interest."""
    roi, region = inspection.roi, inspection.region
    corners = region.outline if region is not None else ()
    if (roi.height, roi.width) == tuple(picture.shape[:2]) and not corners:
        return
    if not corners:
        corners = ((roi.x, roi.y), (roi.x + roi.width - 1, roi.y), (roi.x + roi.width - 1, roi.y + roi.height - 1),
                   (roi.x, roi.y + roi.height - 1))
    edge, outside = np.rint(corners).astype(np.int32), np.ones(picture.shape[:2], np.uint8)
    cv2.fillPoly(outside, [edge], 0)
    np.floor_divide(picture, 2, out=picture, where=outside[..., None] > 0)
    cv2.polylines(picture, [edge], True, (235, 235, 235), line)


def _banner(picture: np.ndarray, inspection: Inspection, line: int, mask: np.ndarray | None) -> None:
    height, width = picture.shape[:2]
    colour = VERDICT_COLOURS[inspection.verdict]
    if min(height, width) >= _BANNER_MIN_SIDE:
        _words(picture, inspection, colour, mask)
    cv2.rectangle(picture, (0, 0), (width - 1, height - 1), colour, 2 * line)


def _words(picture: np.ndarray, inspection: Inspection, colour: tuple[int, int, int], mask: np.ndarray | None) -> None:
    """``REJECT`` on its colour, the figures beside it on a darkened strip; less is said where less fits."""
    height, width = picture.shape[:2]
    font, tall = cv2.FONT_HERSHEY_DUPLEX, max(12, round(0.045 * min(height, width)))
    pad = max(3, tall // 3)
    strip = tall + 2 * pad
    below = mask is not None and np.count_nonzero(mask[:strip]) > np.count_nonzero(mask[-strip:])
    banner = picture[-strip:] if below else picture[:strip]
    scale = cv2.getFontScaleFromHeight(font, tall - 2, 1)
    thickness = max(1, round(scale * 1.4))

    def put(text: str, x: int, size: float, ink: tuple[int, int, int]) -> None:
        drop = cv2.getTextSize(text, font, size, thickness)[0][1]
        cv2.putText(banner, text, (x, (strip + drop) // 2), font, size, ink, thickness, cv2.LINE_AA)

    def extent(text: str, size: float) -> int:
        return cv2.getTextSize(text, font, size, thickness)[0][0]

    verdict = inspection.verdict.name
    chip = extent(verdict, scale) + 2 * pad
    banner[:] = (banner * 0.35).astype(np.uint8)
    banner[:, :chip] = colour
    put(verdict, pad, scale, (255, 255, 255))
    for text in _figures(inspection):
        if chip + pad + extent(text, 0.8 * scale) + pad <= width:
            put(text, chip + pad, 0.8 * scale, (255, 255, 255))
            return


def _figures(inspection: Inspection) -> list[str]:
    """What the banner may say, longest first."""
    if not np.isfinite(inspection.score):
        return [inspection.reason.replace("_", " "), ""]
    count = len(inspection.defects)
    score, chance = f"score {inspection.score:.2f}", f"p {inspection.p_value:.3f}"
    regions = f"{count} region{'' if count == 1 else 's'}"
    texts = [f"{score}   {chance}   {regions}", f"{score}  {regions}", score, f"{inspection.score:.2f}", ""]
    if inspection.verdict is Verdict.UNCERTAIN and inspection.reason:
        texts.insert(0, f"{inspection.reason.replace('_', ' ')}   {texts[0]}")
    return texts
