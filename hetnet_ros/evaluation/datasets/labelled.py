"""What every data set loader returns: test images, each with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_files import read_mask

GOOD = "good"


@dataclass(frozen=True)
class LabelledImage:
    """A test image.  ``defect_type`` is :data:`GOOD` or the defect's name; ``mask_path`` None where none exists."""

    path: Path
    defect_type: str
    mask_path: Path | None = None

    @property
    def is_defective(self) -> bool:
        return self.defect_type != GOOD

    @property
    def name(self) -> str:
        """``<defect type>/<stem>``, unique in its data set."""
        return f"{self.defect_type}/{self.path.stem}"

    def mask(self, shape: tuple[int, int]) -> np.ndarray | None:
        """bool (H, W), True on the defect, or None where the image is good or its defect has no mask.

        Raises InputError if the mask cannot be read or is not of the image's (height, width), ``shape``.
        """
        if self.mask_path is None:
            return None
        mask = read_mask(self.mask_path)
        if mask.shape != tuple(shape):
            raise InputError(
                f"{self.mask_path} is {mask.shape[1]}x{mask.shape[0]} but its image {self.path.name} is "
                f"{shape[1]}x{shape[0]}; masks must have their image's size"
            )
        return mask


@dataclass(frozen=True)
class LabelledDataset:
    """``images`` in the order of types and names, good ones first; ``name`` is for people."""

    name: str
    path: Path
    images: tuple[LabelledImage, ...]

    @property
    def defect_types(self) -> tuple[str, ...]:
        """The names of the defect types, without :data:`GOOD`, in order of appearance."""
        return tuple(dict.fromkeys(image.defect_type for image in self.images if image.is_defective))
