"""The description of a cell: its arm, viewpoints, stations, recipes and policy, read from one YAML file.

config/cell.yaml is an example with every key.  All of it is checked when it is read, so that a misspelt viewpoint stops the
planner before the arm moves and not in front of the third part.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

from hetnet_ros.configuration import from_mapping
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.plain_yaml import read_yaml

BACKENDS = ("virtual_cell", "moveit")
SAFE_SIDES = ("reject", "reinspect")


@dataclass(frozen=True)
class PoseTarget:
    """Where the arm's tip is to be: ``position`` in m and ``orientation`` as a quaternion (x, y, z, w) in ``frame_id``."""

    frame_id: str
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if not self.frame_id:
            raise InputError("a pose has no frame_id: name the frame that its numbers are in")
        if not all(math.isfinite(v) for v in (*self.position, *self.orientation)):
            raise InputError("a pose holds a number that is not finite")
        length = math.sqrt(sum(v * v for v in self.orientation))
        if abs(length - 1.0) > 1e-2:
            raise InputError(f"a pose has a quaternion of length {length:.3f}: give x, y, z, w of length 1")


@dataclass(frozen=True)
class CameraView:
    """Where the virtual cell's camera is to be; ranges as those of the virtual_camera node's parameters."""

    tilt_deg: float = 0.0
    azimuth_deg: float = 0.0
    distance_mm: float = 400.0

    def __post_init__(self) -> None:
        for name, low, high in (("tilt_deg", 0, 45), ("azimuth_deg", -360, 360), ("distance_mm", 150, 2000)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"a view has {name} {getattr(self, name):g}: use {low} to {high}")


@dataclass(frozen=True)
class Target:
    """A place to move to: a state named in the robot's SRDF, a pose of its tip, and for the virtual cell a view.

    A view may be absent: the virtual cell has no bins to move to.
    """

    named: str = ""
    pose: PoseTarget | None = None
    view: CameraView | None = None


@dataclass(frozen=True)
class MoveItConfig:
    """How MoveIt 2 is asked.  Names are those of the robot's MoveIt configuration; scalings 0 to 1; times in s."""

    action: str = "move_action"
    move_group: str = "move_group"
    group: str = "manipulator"
    tip_link: str = "tool0"
    gripper_group: str = ""
    gripper_open: str = "open"
    gripper_closed: str = "closed"
    velocity_scaling: float = 0.3
    acceleration_scaling: float = 0.3
    planning_time: float = 5.0
    planning_attempts: int = 5
    position_tolerance: float = 0.001
    orientation_tolerance: float = 0.01
    joint_tolerance: float = 0.001

    def __post_init__(self) -> None:
        for name in ("velocity_scaling", "acceleration_scaling"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"arm.moveit.{name} is {getattr(self, name):g}: use more than 0, at most 1")
        for name in ("planning_time", "planning_attempts", "position_tolerance", "orientation_tolerance", "joint_tolerance"):
            if not getattr(self, name) > 0:
                raise InputError(f"arm.moveit.{name} is {getattr(self, name):g}: use more than 0")


@dataclass(frozen=True)
class ArmConfig:
    """Which arm: ``virtual_cell`` moves the camera node of that name, ``moveit`` a robot."""

    backend: str
    camera: str = "virtual_camera"
    moveit: MoveItConfig = field(default_factory=MoveItConfig)

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise InputError(f"arm.backend is {self.backend!r}: use one of {', '.join(BACKENDS)}")


@dataclass(frozen=True)
class Stations:
    """Where parts are taken from and put."""

    pick: Target
    good: Target
    reject: Target
    reinspect: Target


@dataclass(frozen=True)
class Recipe:
    """How a kind of part is inspected: from which viewpoints, all of which must be seen; their names are the goal's view_ids.

    part_id: name sent with the goal.  model_id: when given, verdicts of any other model do not count.
    """

    viewpoints: tuple[str, ...]
    part_id: str = ""
    model_id: str = ""


@dataclass(frozen=True)
class Policy:
    """What follows from what.  ``uncertain``, ``motion_failed`` and ``inspection_failed`` name a side, ``reject`` or
    ``reinspect``; there is no setting that sends such a part to the good bin.

    stop_on_reject: a sure REJECT ends the inspection.  pick: ``after_inspection`` (camera on the arm) or ``before_inspection``
    (part in the gripper).  keep_out: defects' keep-out boxes go into the planning scene before the part is picked.
    keep_out_margin: around each, m.  halt_after: parts in a row of which no view was judged, after which the planner halts; 0: it
    never does for that.
    """

    uncertain: str = "reinspect"
    motion_failed: str = "reinspect"
    inspection_failed: str = "reinspect"
    stop_on_reject: bool = True
    pick: str = "after_inspection"
    keep_out: bool = True
    keep_out_margin: float = 0.005
    halt_after: int = 3

    def __post_init__(self) -> None:
        for name in ("uncertain", "motion_failed", "inspection_failed"):
            if getattr(self, name) not in SAFE_SIDES:
                raise InputError(f"policy.{name} is {getattr(self, name)!r}: use one of {', '.join(SAFE_SIDES)}")
        if self.pick not in ("after_inspection", "before_inspection"):
            raise InputError(f"policy.pick is {self.pick!r}: use after_inspection or before_inspection")
        if not 0 <= self.keep_out_margin <= 1:
            raise InputError(f"policy.keep_out_margin is {self.keep_out_margin:g}: use 0 to 1 m")
        if not 0 <= self.halt_after <= 1000:
            raise InputError(f"policy.halt_after is {self.halt_after}: use 0 (never) to 1000 parts")


@dataclass(frozen=True)
class Timing:
    """Limits in s.  motion: for one motion; settle: from the end of a motion to the first image that counts; inspect: for
    the verdict on one view; available: how long a server or a node may be absent, or a second one be there."""

    motion: float = 30.0
    settle: float = 0.3
    inspect: float = 15.0
    available: float = 5.0

    def __post_init__(self) -> None:
        for name, least in (("motion", 0.1), ("settle", 0.0), ("inspect", 0.1), ("available", 0.1)):
            if not least <= getattr(self, name) <= 3600:
                raise InputError(f"timing.{name} is {getattr(self, name):g}: use {least:g} to 3600 s")


@dataclass(frozen=True)
class CellConfig:
    """The whole cell.  inspector: name of the inspector node, relative to the planner's namespace unless absolute."""

    arm: ArmConfig
    viewpoints: dict[str, Target]
    stations: Stations
    recipes: dict[str, Recipe]
    inspector: str = "inspector"
    policy: Policy = field(default_factory=Policy)
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        if not self.recipes:
            raise InputError("recipes is empty: describe at least one kind of part")
        for name, recipe in self.recipes.items():
            if not recipe.viewpoints:
                raise InputError(f"recipes.{name}.viewpoints is empty: a part that is not looked at cannot pass")
            if len(set(recipe.viewpoints)) < len(recipe.viewpoints):
                raise InputError(f"recipes.{name}.viewpoints names one twice: the verdict needs different views")
            for viewpoint in recipe.viewpoints:
                if viewpoint not in self.viewpoints:
                    known = ", ".join(self.viewpoints)
                    raise InputError(f"recipes.{name} names viewpoint {viewpoint!r}, which is not among {known}")
        stations = {f"stations.{name}": getattr(self.stations, name) for name in ("pick", "good", "reject", "reinspect")}
        viewpoints = {f"viewpoints.{name}": target for name, target in self.viewpoints.items()}
        for name, target in {**viewpoints, **stations}.items():
            if self.arm.backend == "moveit" and bool(target.named) == (target.pose is not None):
                raise InputError(f"{name}: give either named or pose, as arm.backend is moveit")
            if self.arm.backend == "virtual_cell" and name in viewpoints and target.view is None:
                raise InputError(f"{name}: give a view, as arm.backend is virtual_cell")
        good, *others = ((at.named, at.pose) for at in (self.stations.good, self.stations.reject, self.stations.reinspect))
        if self.arm.backend == "moveit" and good in others:  # a view, which only the virtual cell moves to, makes no other place
            raise InputError("stations.good is the same place as stations.reject or stations.reinspect: keep them apart")

    def recipe(self, name: str) -> Recipe:
        """The recipe of this name, or the only one for an empty name.  Raises InputError."""
        if not name and len(self.recipes) == 1:
            return next(iter(self.recipes.values()))
        if name not in self.recipes:
            raise InputError(f"recipe {name!r} is not in the cell's file; choose one of {', '.join(self.recipes)}")
        return self.recipes[name]


def load_cell(path: str | Path) -> CellConfig:
    """Read and check a cell's YAML file.  Raises InputError that names the file, the key and what is allowed."""
    path = os.path.expanduser(path)  # pathlib's own raises where no home is known
    values = read_yaml(path, "cell file")
    try:
        return from_mapping(CellConfig, values, "cell")
    except InputError as error:
        raise InputError(f"cell file {shown(path)}: {error}") from None
