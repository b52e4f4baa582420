"""What is true about a bag's frames: good or which defect, where, and under which conditions."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.evaluation.conditions import Condition
from hetnet_ros.evaluation.datasets.labelled import GOOD
from hetnet_ros.evaluation.truth import check_marks
from hetnet_ros.foreign_text import MOST_IN_NAME, fits_name, shown
from hetnet_ros.inspection.image_files import read_mask
from hetnet_ros.inspection.result import Box


def check_label(label: str, where: str) -> None:
    """Raise InputError, which begins with ``where``, for a label that is no name, or that is meant to be :data:`GOOD` and would be a
    defect's."""
    if not fits_name(label):
        raise InputError(f"{where}: {shown(label, 60)!r} is no name: write at most {MOST_IN_NAME} printable characters")
    if label.strip().lower() == GOOD != label:
        raise InputError(f"{where}: the label is {label!r}, which would be the name of a defect: write {GOOD}")


@dataclass(frozen=True)
class FrameLabel:
    """The truth about one frame.

    label: :data:`GOOD` or the defect's name; empty where the truth is not known.  mask_path, boxes: where the defect is, if known; a mask wins
    over boxes.
    part: which part is shown, empty if not known.
    """

    label: str
    mask_path: Path | None = None
    boxes: tuple[Box, ...] = ()
    part: str = ""
    condition: Condition = Condition()

    @property
    def is_defective(self) -> bool:
        return self.label not in ("", GOOD)

    def mask(self, shape: tuple[int, int]) -> np.ndarray | None:
        """bool (H, W), True on the defect; None where the frame is good or the place is not known.

        Raises InputError for a mask that cannot be read or is not of ``shape``, and a box outside of it.
        """
        if not self.is_defective:
            return None
        if self.mask_path is not None:
            mask = read_mask(self.mask_path, shape)
            if mask.shape != tuple(shape):
                raise InputError(f"{self.mask_path} is {mask.shape[1]}x{mask.shape[0]} but its frame is "
                                 f"{shape[1]}x{shape[0]}; masks must have their frame's size")
            return mask
        if not self.boxes:
            return None
        mask = np.zeros(shape, bool)
        for box in self.boxes:
            inside = mask[max(box.y, 0) : max(box.y + box.height, 0), max(box.x, 0) : max(box.x + box.width, 0)]
            if not inside.size:
                raise InputError(f"the box {box.x} {box.y} {box.width} {box.height} of a frame labelled {self.label} lies outside of the "
                                 f"frame, {shape[1]}x{shape[0]}: correct it")
            inside[:] = True
        return mask


@dataclass(frozen=True)
class Span:
    """A label for the frames with numbers, or stamps (ns), from ``first`` to ``last``, both included."""

    first: int
    last: int
    label: FrameLabel

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, eq=False)
class Labels:
    """All labels of a bag.  frames, stamps: spans of frame numbers and of stamps, each without overlaps.

    parts: labels by part id, for frames whose part the bag tells.  topic: the image topic they are for, empty for any.
    source: the file, for people.
    """

    source: Path
    topic: str = ""
    frames: tuple[Span, ...] = ()
    stamps: tuple[Span, ...] = ()
    parts: tuple[tuple[str, FrameLabel], ...] = ()

    @cached_property
    def _sorted(self) -> tuple[list[Span], list[int], list[Span], list[int]]:
        by_frame = sorted(self.frames, key=lambda span: span.first)
        by_stamp = sorted(self.stamps, key=lambda span: span.first)
        return by_frame, [span.first for span in by_frame], by_stamp, [span.first for span in by_stamp]

    def find(self, index: int, stamp_ns: int) -> FrameLabel | None:
        """The label of a frame; its stamp decides before its number does, because numbers shift where messages are
        lost."""
        frames, frame_starts, stamps, stamp_starts = self._sorted
        return _look(stamps, stamp_starts, stamp_ns) or _look(frames, frame_starts, index)

    def check_masks(self) -> None:
        """Look through all masks before the work; raises InputError where one cannot be read or marks nothing, or most of them mark
        what is good."""
        check_marks((path, read_mask(path)) for path in self.mask_paths)

    @cached_property
    def mask_paths(self) -> tuple[Path, ...]:
        """The masks of what is defective, each once."""
        labels = [span.label for span in (*self.frames, *self.stamps)] + [label for _, label in self.parts]
        return tuple(dict.fromkeys(label.mask_path for label in labels if label.is_defective and label.mask_path is not None))

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """The conditions' axes in order of appearance."""
        labels = [span.label for span in (*self.frames, *self.stamps)] + [label for _, label in self.parts]
        return tuple(dict.fromkeys(axis for label in labels for axis, _ in label.condition.values))

    @property
    def count(self) -> int:
        """Entries in the file."""
        return max(len(self.frames), len(self.stamps), len(self.parts))

    def unrecorded(self, frames: Iterable[tuple[int, int]]) -> list[str]:
        """The entries, such as ``frame 7-300``, that name frames which are not among ``frames``, (number, stamp in ns) each: numbers
        that do not occur, or a stamp, or span of stamps, in which no frame lies.  An entry with both is found by either."""
        pairs = list(frames)
        numbers, stamps = sorted({number for number, _ in pairs}), sorted({stamp for _, stamp in pairs})
        found = {id(span.label) for span in self.stamps if _inside(stamps, span)}
        found |= {id(span.label) for span in self.frames if _inside(numbers, span) == span.last - span.first + 1}
        missing = {id(span.label): f"{kind} {span}" for kind, spans in (("stamp", self.stamps), ("frame", self.frames)) for span in spans
                   if id(span.label) not in found}
        return list(missing.values())

    def with_parts(self, part_at: Mapping[int, str]) -> Labels:
        """The labels by part turned into labels by stamp; ``part_at`` gives the part at each stamp (ns).

        Raises InputError where no labelled part occurs.
        """
        if not self.parts:
            return self
        by_part = dict(self.parts)
        taken = {span.first for span in self.stamps}
        found = [Span(stamp, stamp, by_part[part]) for stamp, part in part_at.items()
                 if part in by_part and stamp not in taken]
        if not found:
            raise InputError(f"{self.source} labels parts such as {self.parts[0][0]}, but the bag tells of no such part: it "
                             "needs a recorded topic of hetnet_ros/Inspection; else label frames or stamps")
        return replace(self, stamps=(*self.stamps, *found), parts=())


def _look(spans: list[Span], starts: list[int], value: int) -> FrameLabel | None:
    place = bisect.bisect_right(starts, value) - 1
    return spans[place].label if place >= 0 and value <= spans[place].last else None


def _inside(ordered: list[int], span: Span) -> int:
    """How many of ``ordered`` lie in the span."""
    return bisect.bisect_right(ordered, span.last) - bisect.bisect_left(ordered, span.first)
