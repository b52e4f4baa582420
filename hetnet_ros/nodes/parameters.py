"""The inspector's parameters: one table that declares and bounds each, and one frozen value that the code reads.

What one parameter's declaration cannot say (a well-formed region, settings that are fixed once a model is loaded) is
checked in :func:`changed`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_NAME, fits_name, shown
from hetnet_ros.inspection.backends.interface import CHOICES
from hetnet_ros.inspection.frame_policy import FrameRules
from hetnet_ros.inspection.image_files import MIN_SIDE_PX
from hetnet_ros.inspection.result import Box
from hetnet_ros.inspection.this_machine import MOST_THREADS
from hetnet_ros.nodes.declaration import Declaration

if TYPE_CHECKING:
    from rclpy.node import Node


@dataclass(frozen=True)
class InspectorParameters:
    """The values in force; names as in :data:`DECLARATIONS`, with dots as underscores.  Times in s, rates in Hz."""

    model: str
    device: str
    backend: str
    public_key: str
    allow_cpu_fallback: bool
    threads: int
    part_id: str
    roi: tuple[int, ...]
    accept_roi: bool
    min_region_share: float
    max_rate: float
    max_age: float
    max_clock_skew: float
    input_timeout: float
    image_transport: str
    image_qos_reliability: str
    image_qos_depth: int
    anomaly_map_max_rate: float
    mask_max_rate: float
    overlay_max_rate: float
    diagnostics_period: float
    autostart: bool
    geometry_enabled: bool
    geometry_rectified: bool
    geometry_stamp_tolerance: float
    geometry_wait: float
    geometry_keep_out_margin: float
    target_frame: str
    recipe: str
    frozen_after: int
    cameras: tuple[str, ...]
    inspect_part_timeout: float
    inspect_part_concurrent: str
    inspect_part_tries: int
    inspect_part_combination: str

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras; none where there is one without a name."""
        return tuple(name for name in self.cameras if name)

    @property
    def roi_box(self) -> Box | None:
        """The region to inspect, or None for the whole image."""
        return Box(*self.roi) if any(self.roi) else None

    @property
    def frame_rules(self) -> FrameRules:
        """What is asked of a frame."""
        return FrameRules(self.roi_box, self.max_age, self.max_clock_skew, self.frozen_after, self.min_region_share)


DECLARATIONS = (
    Declaration(
        "model",
        "",
        "Path of the .safetensors model to load on configure. ~/load_model replaces it later.",
        frozen="loaded",
    ),
    Declaration(
        "device",
        "auto",
        "Where the network runs; auto takes CUDA when there is a usable GPU.",
        choices=("auto", "cuda", "cpu"),
        frozen="loaded",
    ),
    Declaration(
        "backend",
        "file",
        "What runs the model: file (torch, or what it was exported for), auto (the fastest here, measured once), or one by name.",
        choices=CHOICES,
        frozen="loaded",
    ),
    Declaration(
        "public_key",
        "",
        "Path of the public keys (PEM, of hetnet sign) of which one must have signed each model; empty: any model is taken.",
        frozen="always",
    ),
    Declaration(
        "allow_cpu_fallback", False, "Go on with the CPU when CUDA is missing or fails; otherwise that is an error."
    ),
    Declaration(
        "threads",
        0,
        "CPU threads of the network; 0 leaves the choice to the library (one for each core).",
        low=0,
        high=MOST_THREADS,
        frozen="loaded",
    ),
    Declaration("part_id", "", "Name of the part in published messages; empty takes the name in the model's card."),
    Declaration(
        "roi", [0, 0, 0, 0], "Part of the image to inspect, px: x, y, width, height. All zero: the whole image."
    ),
    Declaration(
        "accept_roi",
        False,
        "Listen to ~/roi, which restricts what counts until the next goal of ~/inspect_part has ended, or cleanup.",
        frozen="always",
    ),
    Declaration(
        "min_region_share",
        0.1,
        "How much must count of what the model looks at in a whole image; less gives UNCERTAIN 'roi_too_small'.",
        low=0.001,
        high=1.0,
    ),
    Declaration(
        "max_rate",
        0.0,
        "Largest rate of inspections, Hz, to leave the processor to others; 0: as many as it can.",
        low=0.0,
        high=1000.0,
    ),
    Declaration(
        "max_age",
        2.0,
        "Largest age of a frame, from its stamp to the verdict, s; older ones give UNCERTAIN 'stale'. "
        "0 switches this and the other checks of stamps off.",
        low=0.0,
        high=3600.0,
    ),
    Declaration(
        "max_clock_skew",
        0.5,
        "How far a stamp may lie ahead of this node's clock, and how long that may stand still, s; more gives UNCERTAIN "
        "'stamp_in_future' or 'clock_stopped'.",
        low=0.0,
        high=60.0,
    ),
    Declaration(
        "input_timeout",
        2.0,
        "Without an image for this long while active, diagnostics turn to ERROR, s.",
        low=0.1,
        high=3600.0,
    ),
    Declaration(
        "image_transport",
        "raw",
        "raw subscribes to image, compressed to image/compressed.",
        choices=("raw", "compressed"),
        frozen="always",
    ),
    Declaration(
        "image_qos.reliability",
        "match",
        "Reliability of the image subscription; match follows the publisher.",
        choices=("match", "reliable", "best_effort"),
        frozen="always",
    ),
    Declaration(
        "image_qos.depth",
        1,
        "Queue depth of the image subscription (keep last). The newest frame wins in any case.",
        low=1,
        high=100,
        frozen="always",
    ),
    Declaration(
        "anomaly_map.max_rate",
        5.0,
        "Cap on ~/anomaly_map, Hz; 0 publishes one for each inspection.",
        low=0.0,
        high=1000.0,
    ),
    Declaration("mask.max_rate", 5.0, "Cap on ~/mask, Hz; 0 publishes one for each inspection.", low=0.0, high=1000.0),
    Declaration(
        "overlay.max_rate", 5.0, "Cap on ~/overlay, Hz; 0 publishes one for each inspection.", low=0.0, high=1000.0
    ),
    Declaration("diagnostics_period", 1.0, "Time between two messages on /diagnostics, s.", low=0.1, high=60.0),
    Declaration(
        "autostart",
        False,
        "Configure and activate at start, without a lifecycle manager or launch file.",
        frozen="always",
    ),
    Declaration(
        "recipe",
        "",
        "YAML file with a region of interest, and if needed a model, for each view; empty: none.",
        frozen="loaded",
    ),
    Declaration(
        "frozen_after",
        2,
        "The same picture so many times under new stamps gives UNCERTAIN 'frozen_camera'; 0 switches this off, for still or "
        "simulated images.",
        low=0,
        high=1000,
    ),
    Declaration(
        "cameras",
        [""],
        "Names of several cameras, whose images come on NAME/image; [''] or empty: one camera on image.",
        frozen="always",
    ),
    Declaration(
        "inspect_part.timeout", 10.0, "Time for a goal of ~/inspect_part that names none, s.", low=0.1, high=3600.0
    ),
    Declaration(
        "inspect_part.concurrent",
        "queue",
        "What becomes of a goal while another is inspected: it waits, is refused, or ends the other.",
        choices=("queue", "refuse", "preempt"),
    ),
    Declaration(
        "inspect_part.combination",
        "bonferroni",
        "How views are combined; fisher finds more, and keeps the promised rate if good parts' views are independent.",
        choices=("bonferroni", "fisher"),
    ),
    Declaration(
        "inspect_part.tries",
        3,
        "Frames with a fault after which a view counts as faulty.",
        low=1,
        high=100,
    ),
    Declaration(
        "geometry.enabled", False, "Subscribe to camera_info and depth, and give defects their pose in space."
    ),
    Declaration("geometry.rectified", False, "The images are rectified: use camera_info's P instead of K and D."),
    Declaration(
        "geometry.stamp_tolerance",
        0.01,
        "Largest difference between the stamps of an image and its depth, s.",
        low=0.0,
        high=10.0,
    ),
    Declaration(
        "geometry.wait", 0.1, "How long to wait for the depth of a defective image, s.", low=0.0, high=5.0
    ),
    Declaration(
        "geometry.keep_out_margin", 0.005, "Margin around a defect's extent in ~/keep_out, m.", low=0.0, high=1.0
    ),
    Declaration("target_frame", "", "Frame of defects' poses, by tf2; empty: the camera's optical frame."),
)


def declare(node: Node) -> InspectorParameters:
    """Declare every parameter on ``node`` and return the values given at start.

    Raises InputError for a value that is not allowed; rclpy's own exception for one out of its range.
    """
    for entry in DECLARATIONS:
        node.declare_parameter(entry.name, entry.default, entry.descriptor())
    return _build({entry.name: node.get_parameter(entry.name).value for entry in DECLARATIONS})


def changed(current: InspectorParameters, changes: Mapping[str, object], *, loaded: bool) -> InspectorParameters:
    """``current`` with ``changes`` (by ROS name) applied, after checking what the descriptors cannot.

    loaded: whether a model is loaded, so that it and its device stay as they are.
    Raises InputError, worded for whoever set the parameter.
    """
    values = {entry.name: getattr(current, _field(entry.name)) for entry in DECLARATIONS}
    for entry in DECLARATIONS:
        if entry.name not in changes:
            continue
        if changes[entry.name] is None:
            raise InputError(f"{entry.name} cannot be removed")
        if loaded and entry.frozen == "loaded" and changes[entry.name] != values[entry.name]:
            way = "call ~/load_model or " if entry.name == "model" else ""
            raise InputError(
                f"{entry.name} is fixed while a model is loaded: {way}clean the node up, set it, configure again"
            )
        values[entry.name] = changes[entry.name]
    return _build(values)


_BEARING = ("roi", "max_age", "max_clock_skew", "frozen_after", "min_region_share", "part_id")


def bearing_changes(before: InspectorParameters, after: InspectorParameters) -> list[str]:
    """The parameters that differ and bear on verdicts; views judged before and after such a change are not of one part."""
    return [name for name in _BEARING if getattr(before, name) != getattr(after, name)]


def unknown_names(given: Iterable[str]) -> list[str]:
    """One warning for each parameter name given at start that no parameter has (a typing error would go unnoticed)."""
    known = [entry.name for entry in DECLARATIONS]
    elsewhere = ("use_sim_time", "start_type_description_service", "qos_overrides")
    warnings = []
    for name in given:
        if name not in known and not name.startswith(elsewhere):
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
            warnings.append(f"parameter {name} is not known and has no effect{hint}")
    return warnings


def _build(values: Mapping[str, object]) -> InspectorParameters:
    fields = {_field(entry.name): entry.checked(values[entry.name]) for entry in DECLARATIONS}
    roi = fields["roi"] = tuple(fields["roi"])  # type: ignore[arg-type]
    fields["cameras"] = tuple(fields["cameras"])  # type: ignore[arg-type]
    if any(roi) and (min(roi) < 0 or min(roi[2:]) < MIN_SIDE_PX):
        raise InputError(f"roi is {list(roi)}; x and y must be 0 or more, width and height {MIN_SIDE_PX} or more (or all four 0)")
    if not fits_name(str(fields["part_id"])):
        raise InputError(f"part_id is {shown(fields['part_id'], 60)!r}: give at most {MOST_IN_NAME} printable characters")
    return InspectorParameters(**fields)  # type: ignore[arg-type]


def _field(name: str) -> str:
    return name.replace(".", "_")
