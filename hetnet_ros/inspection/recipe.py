"""What is looked at in each view: a YAML file that gives views a region of interest and, if they need one, a model.

    views:
      front:
        polygon: [[40, 30], [600, 30], [600, 440], [40, 440]]
      back:
        mask: back_mask.png          # white where to look, of the camera's size; path from this file
        model: back.safetensors
    default:                         # views without an entry, and images that no goal asked for
      box: [0, 0, 640, 400]          # x, y, width, height
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.image_files import read_mask
from hetnet_ros.inspection.region_of_interest import Region
from hetnet_ros.inspection.result import Box
from hetnet_ros.plain_yaml import read_yaml

_FARTHEST_PX = 1_000_000
"""No camera's picture is as large."""


@dataclass(frozen=True, eq=False)
class ViewRecipe:
    """region: outside of it nothing counts; None: no restriction.  model: path of the view's own model, empty for the
    inspector's."""

    region: Region | None = None
    model: str = ""


@dataclass(frozen=True, eq=False)
class Recipe:
    """The views by name, and what holds for any other."""

    views: Mapping[str, ViewRecipe] = field(default_factory=dict)
    default: ViewRecipe = ViewRecipe()

    def view(self, view_id: str) -> ViewRecipe:
        """What holds for ``view_id``; it need not be listed."""
        return self.views.get(view_id, self.default)

    @property
    def models(self) -> tuple[str, ...]:
        """Paths of all models named, each once."""
        named = [view.model for view in (*self.views.values(), self.default) if view.model]
        return tuple(dict.fromkeys(named))


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe.  Raises InputError for a file that cannot be read or has anything in it that is not known."""
    path = Path(path)
    values = read_yaml(path, "recipe")
    if not isinstance(values, dict) or set(values) - {"views", "default"}:
        raise InputError(f"recipe {path} must have the keys 'views' and 'default' and no other")
    views = {} if values.get("views") is None else values["views"]
    if not isinstance(views, dict):
        raise InputError(f"recipe {path}: 'views' must map names of views to their settings")
    return Recipe({name: _view(entry, f"recipe {path}, view {name}", path.parent) for name, entry in views.items()},
                  _view(values.get("default"), f"recipe {path}, default", path.parent))


def _view(entry: object, where: str, folder: Path) -> ViewRecipe:
    entry = {} if entry is None else entry
    if not isinstance(entry, dict) or set(entry) - {"box", "polygon", "mask", "model"}:
        raise InputError(f"{where}: known settings are box, polygon, mask and model")
    for name in ("mask", "model"):
        if name in entry and (not isinstance(entry[name], str) or not entry[name]):
            raise InputError(f"{where}: {name} is {shown(repr(entry[name]), 60)}, no path: write one, in quotes if it looks like a number")
    box = polygon = mask = None
    if "box" in entry:
        box = _numbers(entry["box"], 4, f"{where}: box must be four whole numbers: x, y, width, height")
        if any(value != int(value) for value in box) or min(box) < 0 or min(box[2:]) < 1:
            raise InputError(f"{where}: box must be four whole numbers: x and y from 0, width and height from 1")
        box = Box(*(int(value) for value in box))
    if "polygon" in entry:
        said = f"{where}: polygon must be a list of three or more corners [x, y]"
        if not isinstance(entry["polygon"], list) or len(entry["polygon"]) < 3:
            raise InputError(said)
        polygon = tuple(_numbers(corner, 2, said) for corner in entry["polygon"])
    if "mask" in entry:
        mask = read_mask(folder / entry["mask"])
        if not mask.any():
            raise InputError(f"{where}: the mask {entry['mask']} is black all over; paint white where to look")
    region = Region(box, polygon or (), mask, "recipe") if {"box", "polygon", "mask"} & set(entry) else None
    if region is not None and region.flaw is not None:
        raise InputError(f"{where}: {region.flaw}")
    return ViewRecipe(region, str(folder / entry["model"]) if "model" in entry else "")


def _numbers(values: object, count: int, said: str) -> tuple[float, ...]:
    if not isinstance(values, list) or len(values) != count or any(type(v) not in (int, float) for v in values):
        raise InputError(said)
    if not all(abs(value) <= _FARTHEST_PX for value in values):  # of which neither infinity nor "not a number" is one
        raise InputError(f"{said}, each of at most {_FARTHEST_PX:,} px")
    return tuple(float(value) for value in values)
