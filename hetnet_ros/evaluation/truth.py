"""The ground truth looked through before the work: masks that mark nothing, or what is good, would give figures that mean nothing.

A mask lies on the pixels as they are stored.  Where a camera stored a picture turned, with an EXIF tag that says how, tools show it
upright and draw the mask so: the sizes tell, unless the picture is square or was turned by 180 degrees.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from tqdm import tqdm

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_files import lost_link, read_mask

if TYPE_CHECKING:
    from hetnet_ros.evaluation.datasets import LabelledDataset

_ORIENTATION = 0x0112
_BACK = {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270}
"""How a picture that is shown upright by an orientation is turned back to how it is stored."""


def read_truth(paths: Sequence[Path], image: Path, shape: tuple[int, int]) -> np.ndarray:
    """The union of an image's masks, bool (H, W), on its pixels as stored; shape: the image's (height, width).

    Raises InputError if a mask cannot be read, or is neither of the image's size nor of that of the upright image.
    """
    union = np.zeros(shape, bool)
    for path in paths:
        mask = read_mask(path)
        if mask.shape != union.shape and mask.shape == union.shape[::-1]:
            back = _BACK.get(_orientation(image))
            mask = mask if back is None else np.asarray(Image.fromarray(mask.astype(np.uint8)).transpose(back)) != 0
        if mask.shape != union.shape:
            raise InputError(f"{path} is {mask.shape[1]}x{mask.shape[0]} but its image {image.name} is {shape[1]}x{shape[0]}; "
                             "masks must have their image's size")
        union |= mask
    return union


def check_truth(dataset: LabelledDataset, progress: bool = False) -> tuple[str, ...]:
    """A line for each thing about the masks that may be right and may be not.

    Raises InputError where an image or a mask is a link to nowhere, a mask is not of its image's size, a defective image's mask marks
    nothing, or most of them mark what is good.
    """
    for image in dataset.images:
        for path in (image.path, *image.mask_paths):
            lost = lost_link(path)
            if lost:
                raise InputError(lost)
    masked = [image for image in dataset.images if image.mask_paths]
    turned = []

    def masks() -> Iterable[tuple[Path, np.ndarray]]:
        for image in tqdm(masked, desc="reading masks", unit="image", disable=not progress, leave=False):
            shape = _shape(image.path)
            if shape is None:
                continue  # what is wrong with it is said where it is read
            orientation = _orientation(image.path)
            doubtful = 2 <= orientation <= 4 or (orientation >= 5 and shape[0] == shape[1])
            if doubtful and orientation != _orientation(image.mask_paths[0]):
                turned.append(image.path)
            yield image.mask_paths[0], read_truth(image.mask_paths, image.path, shape)

    remarks = check_marks(masks())
    if turned:
        remarks += (f"{len(turned)} images, the first is {turned[0].name}, have an EXIF tag that turns them, and their size does not "
                    "tell whether their masks were drawn before or after that: masks are taken to lie on the pixels as stored; if the "
                    "report shows them elsewhere, store the images upright",)
    return remarks


def check_marks(masks: Iterable[tuple[Path, np.ndarray]]) -> tuple[str, ...]:
    """Lines about masks of defects, each with its file, that mark nearly everything.

    Raises InputError where one marks nothing, or most of them mark the whole edge and more than half of the picture: a defect is
    seldom so large, and the ground around it is, in a mask that is inverted or has another value than 0 for what is good.
    """
    count, empty, large = 0, [], []
    for path, mask in masks:
        count += 1
        if not mask.any():
            empty.append(path)
        elif mask.mean() > 0.5 and mask[[0, -1]].all() and mask[:, [0, -1]].all():
            large.append(path)
    if empty:
        raise InputError(f"{empty[0]} marks nothing, though its image is labelled as defective ({len(empty)} of {count} masks are so): draw "
                         "the defect with a value other than 0 in a colour channel, or take the image out of the set")
    if 2 * len(large) > count:
        raise InputError(f"{len(large)} of {count} masks, the first is {large[0]}, mark the whole edge and most of the picture, so they "
                         "seem to be inverted: masks are 0 on what is good, and anything else, in a colour channel, on the defect")
    if large:
        return (f"{len(large)} of {count} masks, the first is {large[0]}, mark the whole edge and most of the picture: are they inverted?",)
    return ()


def _shape(path: Path) -> tuple[int, int] | None:
    """(height, width) as stored, None where Pillow cannot tell."""
    header = _header(path)
    return None if header is None else header[0]


def _orientation(path: Path) -> int:
    header = _header(path)
    return 1 if header is None else header[1]


def _header(path: Path) -> tuple[tuple[int, int], int] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                # Pillow decodes all of a PNG to look for a tag that it has not met yet.
                told = image.format != "PNG" or {"exif", "Raw profile type exif"} & image.info.keys()
                orientation = image.getexif().get(_ORIENTATION, 1) if told else 1
                # Of a TIFF Pillow gives the size as turned.
                shape = (image.tag_v2[257], image.tag_v2[256]) if image.format == "TIFF" else (image.height, image.width)
                return shape, orientation if orientation in range(1, 9) else 1
    except Exception:  # Pillow raises many types on bad data; reading the file says more
        return None
