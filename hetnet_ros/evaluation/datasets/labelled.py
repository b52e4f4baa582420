"""What every data set loader returns: test images, each with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.inspection.image_files import read_mask

GOOD = "good"


@dataclass(frozen=True)
class LabelledImage:
    """A test image.

    defect_type: :data:`GOOD` or the defect's name.  mask_paths: empty where no mask exists; of several, the union
    counts.  key: what to call the image within its type where its stem is not unique.  condition: what the layout says.
    """

    path: Path
    defect_type: str
    mask_paths: tuple[Path, ...] = ()
    key: str = ""
    condition: Condition = Condition()

    @property
    def is_defective(self) -> bool:
        return self.defect_type != GOOD

    @property
    def name(self) -> str:
        """``<defect type>/<key or stem>``, unique in its data set."""
        return f"{self.defect_type}/{self.key or self.path.stem}"

    def mask(self, shape: tuple[int, int]) -> np.ndarray | None:
        """bool (H, W), True on the defect, or None where the image is good or its defect has no mask.

        Raises InputError if a mask cannot be read or is not of the image's (height, width), ``shape``.
        """
        if not self.mask_paths:
            return None
        union = np.zeros(shape, bool)
        for path in self.mask_paths:
            mask = read_mask(path, shape)
            if mask.shape != union.shape:
                raise InputError(
                    f"{path} is {mask.shape[1]}x{mask.shape[0]} but its image {self.path.name} is "
                    f"{shape[1]}x{shape[0]}; masks must have their image's size"
                )
            union |= mask
        return union


@dataclass(frozen=True)
class LabelledDataset:
    """``images`` in the order of types and names, good ones first; ``name`` is for people.

    Raises InputError where there is no image, or two have one name.
    """

    name: str
    path: Path
    images: tuple[LabelledImage, ...]

    def __post_init__(self) -> None:
        if not self.images:
            raise InputError(f"{self.path} holds no test images; check that it is complete")
        seen: dict[str, Path] = {}
        for image in self.images:
            if image.name in seen:
                raise InputError(f"{image.path} and {seen[image.name].name} differ only in their suffix; "
                                 "rename or remove one")
            seen[image.name] = image.path

    @property
    def defect_types(self) -> tuple[str, ...]:
        """The names of the defect types, without :data:`GOOD`, in order of appearance."""
        return tuple(dict.fromkeys(image.defect_type for image in self.images if image.is_defective))

    def relative_path(self, image: LabelledImage) -> str:
        """The image's path below the data set, with forward slashes."""
        return image.path.relative_to(self.path).as_posix()
