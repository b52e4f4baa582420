"""The pictures that the parts look at: a face of the virtual cell, rendered on the spot into the shared folder, and a noisy disc
where it does not matter what is shown."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from hetnet_ros.cell import dataset
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import Reporter

FACE, WIDTH, HEIGHT = "front", 640, 480
TRAIN, TEST = 40, 16
"""Good pictures to teach from, 40 so that some are held out and no further models are taught; good and defective ones each to
test with."""
QUICK_TRAIN, QUICK_TEST = 12, 3
"""The fewest that leave the four held out which an export is checked with."""
DEFECT_SCALE = 1.5
"""Defects half as large again as the cell's: the check asks whether the card computes right, not how faint a defect may be."""


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """Render them all."""
    train, test = (QUICK_TRAIN, QUICK_TEST) if settings.quick else (TRAIN, TEST)
    recipe = dataset.Recipe((FACE,), (dataset.Condition("mid", WIDTH, HEIGHT),), train, test, test, size_scale=DEFECT_SCALE)
    with report.unit("pictures", f"{FACE} face, {WIDTH}x{HEIGHT}"):
        begun = time.perf_counter()
        count = sum(1 for _ in dataset.write(recipe, folder(settings)))
        report.row("pictures", f"{FACE} face, {WIDTH}x{HEIGHT}", to_teach=train, good=test, defective=test,
                   render_ms_each=round(1e3 * (time.perf_counter() - begun) / count, 1))


def folder(settings: Settings) -> Path:
    """Where they lie, in MVTec AD's layout."""
    return settings.folder / "cell"


def labelled_pictures(settings: Settings) -> tuple[list[Path], list[Path]]:
    """Good and defective ones."""
    found = sorted((folder(settings) / "test").glob("*/*.png"))
    return ([path for path in found if path.parent.name == "good"], [path for path in found if path.parent.name != "good"])


def disc(width: int, height: int, seed: int) -> np.ndarray:
    """uint8 (height, width, 3): a bright disc with sensor noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (0.35 * height) ** 2
    image = np.where(inside[:, :, None], (185, 175, 165), (90, 90, 90)) + rng.normal(0, 4, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8)
