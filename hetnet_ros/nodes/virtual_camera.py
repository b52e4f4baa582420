"""The ``virtual_camera`` node: the virtual inspection cell behind a camera's topics.

It shows one part after another on ``image``, ``camera_info`` and ``depth``, and tells the truth about each picture on
``~/truth`` in the inspector's own message type, so that verdicts and truth are compared stamp by stamp.  Pictures are
made on a thread of their own: parameters and services answer at once, and a slow machine costs frames, not
responsiveness.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from hetnet_ros.cell.camera import CameraPose, PinholeCamera
from hetnet_ros.cell.conditions import ILLUMINATIONS, OPTICAL_FAULTS, with_fault
from hetnet_ros.cell.defects import KINDS
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.parts import Part, Shot, draw_part, draw_shot, photograph
from hetnet_ros.cell.scene import Render
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_conversion import fill_image
from hetnet_ros.msg import Inspection
from hetnet_ros.nodes.declaration import Declaration
from hetnet_ros.nodes.process import run_node
from hetnet_ros.nodes.truth import camera_info_message, truth_message

RCLError = rclpy_implementation.RCLError

FAULTS = ("none", *OPTICAL_FAULTS, "wrong_part", "frozen")

DECLARATIONS = (
    Declaration("face", "front", "Face of the part that is shown.", choices=tuple(FACES)),
    Declaration("seed", 0, "Seed of the row of parts; the same seed shows the same parts.", low=0, high=2**31 - 1),
    Declaration("illumination", "mid", "Level of light.", choices=ILLUMINATIONS),
    Declaration(
        "jitter",
        1.0,
        "How much pose and light vary from part to part; 1 is an ordinary cell, 0 none.",
        low=0.0,
        high=3.0,
    ),
    Declaration("rate_hz", 5.0, "Pictures per second; fewer where the machine is too slow.", low=0.1, high=100.0),
    Declaration(
        "part_index", -1, "Number of the part to show; -1 shows one after another from 0 on.", low=-1, high=2**31 - 1
    ),
    Declaration(
        "frames_per_part",
        10,
        "Pictures of each part before the next one, where part_index is -1.",
        low=1,
        high=1_000_000,
    ),
    Declaration("defect_probability", 0.5, "Share of defective parts.", low=0.0, high=1.0),
    Declaration("defect_kinds", list(KINDS), f"Kinds of defects that occur, of {', '.join(KINDS)}."),
    Declaration("defect_scale", 1.0, "Factor on the defects' sizes.", low=0.3, high=3.0),
    Declaration("fault", "none", "Fault of the cell to show.", choices=FAULTS),
    Declaration("width", 640, "Image width, px.", low=64, high=4096),
    Declaration("height", 480, "Image height, px.", low=48, high=4096),
    Declaration("tilt_deg", 0.0, "Angle between the camera's view and the face's normal, degrees.", low=0.0, high=45.0),
    Declaration(
        "azimuth_deg",
        0.0,
        "Side to which the camera is tilted, degrees counter-clockwise from the face's x.",
        low=-360.0,
        high=360.0,
    ),
    Declaration("distance_mm", 400.0, "Distance from the camera to the face, mm.", low=150.0, high=2000.0),
    Declaration("part_in_work", False, "Set by a planner from when it begins with a part until it has put it down."),
    Declaration("publish_depth", True, "Publish depth."),
    Declaration("publish_truth", True, "Publish ~/truth and ~/truth_mask."),
    Declaration(
        "reliability",
        "reliable",
        "Quality of service of image, camera_info and depth.",
        choices=("reliable", "best_effort"),
        frozen="always",
    ),
    Declaration("frame_id", "camera_optical_frame", "Frame of the images (REP 103 optical frame).", frozen="always"),
)


@dataclass(frozen=True)
class CameraParameters:
    """The values in force; names as in :data:`DECLARATIONS`."""

    face: str
    seed: int
    illumination: str
    jitter: float
    rate_hz: float
    part_index: int
    frames_per_part: int
    defect_probability: float
    defect_kinds: tuple[str, ...]
    defect_scale: float
    fault: str
    width: int
    height: int
    tilt_deg: float
    azimuth_deg: float
    distance_mm: float
    part_in_work: bool
    publish_depth: bool
    publish_truth: bool
    reliability: str
    frame_id: str

    @property
    def viewpoint(self) -> CameraPose:
        return CameraPose(self.tilt_deg, self.azimuth_deg, 0.0, self.distance_mm)

    def part(self, index: int) -> Part:
        """Part ``index``; with the fault ``wrong_part`` it shows another face than it should."""
        names = tuple(FACES)
        face = names[(names.index(self.face) + 1) % len(names)] if self.fault == "wrong_part" else self.face
        return draw_part(
            face, self.seed, index, self.defect_probability, self.defect_kinds, self.defect_scale, self.jitter
        )

    def shot(self, part: Part, number: int) -> Shot:
        """Picture ``number`` of a part: light and pose hold still while the part lies there, the noise does not."""
        shot = replace(draw_shot(part, 0, self.illumination, self.jitter, self.viewpoint), number=number)
        if self.fault in OPTICAL_FAULTS:
            shot = replace(
                shot, conditions=with_fault(shot.conditions, self.fault, np.random.default_rng((part.seed, 17)))
            )
        return shot


def _checked(values: dict[str, Any]) -> CameraParameters:
    for entry in DECLARATIONS:
        if entry.choices and values[entry.name] not in entry.choices:
            raise InputError(f"{entry.name} is {values[entry.name]!r}; it must be one of {', '.join(entry.choices)}")
    kinds = tuple(values["defect_kinds"] or ())
    for kind in kinds:
        if kind not in KINDS:
            raise InputError(f"defect_kinds holds {kind!r}; choose from {', '.join(KINDS)}")
    return CameraParameters(**{**values, "defect_kinds": kinds})


class VirtualCamera(Node):
    """The node; see the module's docstring and docs/virtual_cell.md."""

    def __init__(self, **options: Any) -> None:
        """``options`` go to :class:`rclpy.node.Node`.  Raises InputError for a parameter value that is not allowed."""
        super().__init__("virtual_camera", **options)
        for entry in DECLARATIONS:
            self.declare_parameter(entry.name, entry.default, entry.descriptor())
        self._settings = _checked({entry.name: self.get_parameter(entry.name).value for entry in DECLARATIONS})
        known = {entry.name for entry in DECLARATIONS} | {"use_sim_time", "start_type_description_service"}
        for name in self._parameter_overrides:
            if name not in known and not name.startswith("qos_overrides"):
                self.get_logger().warning(f"parameter {name} is not known and has no effect")
        reliability = (
            ReliabilityPolicy.BEST_EFFORT if self._settings.reliability == "best_effort" else ReliabilityPolicy.RELIABLE
        )
        newest = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability, durability=DurabilityPolicy.VOLATILE
        )
        self._image = self.create_publisher(Image, "image", newest)
        self._info = self.create_publisher(CameraInfo, "camera_info", newest)
        self._depth = self.create_publisher(Image, "depth", newest)
        self._truth = self.create_publisher(Inspection, "~/truth", 10)
        self._truth_mask = self.create_publisher(Image, "~/truth_mask", 1)
        self.add_on_set_parameters_callback(self._on_parameters)
        self.create_service(Trigger, "~/next_part", self._on_next_part, callback_group=MutuallyExclusiveCallbackGroup())
        self._wake, self._ending = threading.Condition(), False
        self._index, self._frame = max(self._settings.part_index, 0), 0
        self._thread = threading.Thread(target=self._work, name="virtual_camera", daemon=True)
        self._thread.start()
        self.get_logger().info(
            f"showing face {self._settings.face} at {self._settings.rate_hz:g} Hz, "
            f"{self._settings.width}x{self._settings.height}"
        )

    def destroy_node(self) -> None:
        """Stop the camera before its publishers go."""
        with self._wake:
            self._ending = True
            self._wake.notify_all()
        self._thread.join(timeout=2.0)
        super().destroy_node()

    # ---- parameters and services -------------------------------------------------------------------------------------

    def _on_parameters(self, given: Sequence[Parameter]) -> SetParametersResult:
        changes = {
            parameter.name: parameter.value
            for parameter in given
            if parameter.name in CameraParameters.__dataclass_fields__
        }
        for name, value in changes.items():
            if value is None:
                return SetParametersResult(successful=False, reason=f"{name} cannot be removed")
        try:
            settings = _checked({**vars(self._settings), **changes})
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        with self._wake:
            if settings.part_index != self._settings.part_index:
                self._index, self._frame = max(settings.part_index, 0), 0
            self._settings = settings
            self._wake.notify_all()
        return SetParametersResult(successful=True)

    def _on_next_part(self, _request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        with self._wake:
            index = self._index + 1
            if self._settings.part_index < 0:
                self._index, self._frame = index, 0
        if self._settings.part_index >= 0:
            self.set_parameters([Parameter("part_index", value=index)])
        response.success, response.message = True, f"showing part {index}"
        return response

    # ---- the camera --------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Take and publish pictures until told to stop."""
        due, frozen, taken = time.monotonic(), None, 0
        while True:
            with self._wake:
                self._wake.wait_for(
                    lambda: self._ending or time.monotonic() >= due, timeout=max(0.0, due - time.monotonic())
                )
                if self._ending or not rclpy.ok(context=self.context):
                    return
                if time.monotonic() < due:
                    continue
                settings, index, frame = self._settings, self._index, self._frame
            due = max(due + 1 / settings.rate_hz, time.monotonic())  # a camera that was held up does not catch up
            try:
                part = settings.part(index)
                if settings.fault != "frozen" or frozen is None:
                    frozen = (
                        part,
                        photograph(
                            part, settings.shot(part, taken), PinholeCamera.of_size(settings.width, settings.height)
                        ),
                    )
                    taken += 1  # a sensor's noise never comes again, also when the same part is shown again
                self._advance(settings, index, frame)
                self._publish(settings, *frozen)
            except RCLError as error:  # a saturated reliable publisher, or the end of the context
                if rclpy.ok(context=self.context):
                    self.get_logger().error(f"a picture could not be published: {error}", throttle_duration_sec=5.0)
            except Exception:  # a defect of ours: say so and go on, because a camera that has died looks like a lost cable
                if not self._ending and rclpy.ok(context=self.context):
                    self.get_logger().error(
                        f"a picture could not be taken:\n{traceback.format_exc()}", throttle_duration_sec=5.0
                    )

    def _advance(self, settings: CameraParameters, index: int, frame: int) -> None:
        with self._wake:
            if (self._index, self._frame) != (index, frame):
                return  # somebody asked for another part meanwhile
            self._frame = frame + 1
            if settings.part_index < 0 and self._frame >= settings.frames_per_part:
                self._index, self._frame = index + 1, 0

    def _publish(self, settings: CameraParameters, part: Part, picture: Render) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=settings.frame_id)
        self._send_image(self._image, header, "rgb8", lambda: picture.rgb)
        self._info.publish(camera_info_message(header, picture.camera))
        if settings.publish_depth:
            self._send_image(self._depth, header, "32FC1", lambda: picture.depth)
        if settings.publish_truth:
            self._truth.publish(truth_message(header, part, picture, settings.fault))
            self._send_image(self._truth_mask, header, "mono8", lambda: picture.mask)

    def _send_image(self, publisher: Any, header: Header, encoding: str, pixels: Callable[[], np.ndarray]) -> None:
        if publisher.get_subscription_count():
            message = Image(header=header)
            fill_image(message, pixels(), encoding)
            publisher.publish(message)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to stop; returns the exit code."""
    return run_node(VirtualCamera, args, threads=2)


if __name__ == "__main__":
    sys.exit(main())
