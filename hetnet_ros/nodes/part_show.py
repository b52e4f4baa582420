"""Shows parts to an inspector one at a time and collects its verdicts: the client that a demonstration or a check
needs.

It speaks to the virtual camera and the inspector only as any other node could: parameters to choose the part,
lifecycle services to start the inspector, topics for pictures, truth and verdicts, matched by their stamps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.image_conversion import image_to_rgb
from hetnet_ros.inspection.result import Box
from hetnet_ros.msg import Inspection
from hetnet_ros.nodes.inspector_client import InspectorClient

_VERDICT_SECONDS = 30.0
_OVERLAY_SECONDS = 3.0


@dataclass(frozen=True, eq=False)
class ShownPart:
    """One part that was shown, and what the inspector made of it.

    truth: ``good``, or the kind of the defect; truth_box: where it is in the picture, None for a good part.
    verdict: as in Inspection.msg; reason, detail, score, p_value: its fields.  latency_ms: from the image's stamp to
    the arrival of the verdict here.  overlay: uint8 RGB, the inspector's overlay of this very picture (the bare
    picture if it did not arrive).
    """

    index: int
    part_id: str
    truth: str
    truth_box: Box | None
    verdict: int
    reason: str
    detail: str
    score: float
    p_value: float
    latency_ms: float
    overlay: np.ndarray

    @property
    def mistake(self) -> str:
        """What is wrong with the verdict: ``missed``, ``false reject``, or nothing."""
        if self.truth != "good" and self.verdict == Inspection.PASS:
            return "missed"
        if self.truth == "good" and self.verdict == Inspection.REJECT:
            return "false reject"
        return ""


class PartShow(InspectorClient):
    """The client.  ``still_well`` is called while it waits, and raises if a node it depends on has ended."""

    def __init__(self, namespace: str, still_well: Callable[[], None]) -> None:
        super().__init__("part_show", namespace, still_well)
        self._truths: dict[tuple[int, int], Inspection] = {}
        self._verdicts: dict[tuple[int, int], tuple[Inspection, float]] = {}
        self._pictures: dict[tuple[int, int], Image] = {}
        self._overlays: dict[tuple[int, int], Image] = {}
        self._listen(Inspection, "virtual_camera/truth", lambda m: self._truths.__setitem__(_stamp(m), m))
        self._listen(Inspection, "inspector/inspection", self._on_verdict)
        self._listen(Image, "image", lambda m: self._pictures.__setitem__(_stamp(m), m))
        self._listen(Image, "inspector/overlay", lambda m: self._overlays.__setitem__(_stamp(m), m))

    def show(self, indices: Iterable[int]) -> Iterator[ShownPart]:
        """Show these parts in turn; each is given as soon as its verdict is there."""
        for index in indices:
            for kept in (self._truths, self._verdicts, self._pictures, self._overlays):
                kept.clear()
            self._set(Parameter("part_index", value=index))
            stamp = self.wait(
                lambda wanted=f"_{index:04d}": self._judged(wanted), _VERDICT_SECONDS, f"the verdict on part {index}"
            )
            deadline = time.monotonic() + _OVERLAY_SECONDS
            while stamp not in self._overlays and time.monotonic() < deadline:
                self.spin()
            yield self._shown(index, stamp)

    def _judged(self, suffix: str) -> tuple[int, int] | None:
        for stamp, truth in self._truths.items():
            if truth.part_id.endswith(suffix) and stamp in self._verdicts and stamp in self._pictures:
                return stamp
        return None

    def _shown(self, index: int, stamp: tuple[int, int]) -> ShownPart:
        truth, (verdict, arrived) = self._truths[stamp], self._verdicts[stamp]
        box = None
        if truth.defects:
            roi = truth.defects[0].box
            box = Box(roi.x_offset, roi.y_offset, roi.width, roi.height)
        return ShownPart(
            index,
            truth.part_id,
            "good" if truth.verdict == Inspection.PASS else truth.reason,
            box,
            verdict.verdict,
            verdict.reason,
            verdict.detail,
            verdict.score,
            verdict.p_value,
            (arrived - (stamp[0] + stamp[1] * 1e-9)) * 1e3,
            image_to_rgb(self._overlays.get(stamp, self._pictures[stamp])).copy(),
        )

    # ---- ROS ---------------------------------------------------------------------------------------------------------

    def _listen(self, kind: type, topic: str, callback: Callable[[Any], None]) -> None:
        self.node.create_subscription(kind, f"{self.namespace}/{topic}", callback, 10)

    def _on_verdict(self, message: Inspection) -> None:
        self._verdicts[_stamp(message)] = (message, self.node.get_clock().now().nanoseconds * 1e-9)

    def _set(self, *parameters: Parameter) -> None:
        request = SetParameters.Request(parameters=[parameter.to_parameter_msg() for parameter in parameters])
        for result in self.call(SetParameters, "virtual_camera/set_parameters", request).results:
            if not result.successful:
                raise InputError(f"the virtual camera refused a parameter: {result.reason}")


def _stamp(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec
