"""Defects in space, over real DDS: intrinsics and depth beside the image, poses, markers and keep-out zones from it."""

from __future__ import annotations

import importlib.util
import math
import sys
import types
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from hetnet_ros.msg import Inspection, KeepOutZones
from inspection_cell import Cell, wait_for
from model_fixtures import made_up_part
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from hetnet_ros.inspection.image_conversion import fill_image
from hetnet_ros.nodes.space_conversion import rotation_matrix
from hetnet_ros.nodes.target_frame import TargetFrame

HEIGHT, WIDTH, FOCAL = 96, 128, 300.0
SHIFT = 2  # seconds: no stamp tolerance of these tests comes near


@pytest.fixture(scope="module")
def space(executor: Any, tiny_model: Any) -> Any:
    """An active inspector with geometry enabled, and publishers of intrinsics and depth beside the image's."""
    from conftest import Inspectors

    inspectors = Inspectors(executor)
    cell = inspectors.start(
        model=str(tiny_model), device="cpu", geometry__enabled=True, geometry__wait=0.5, geometry__stamp_tolerance=0.05
    )
    assert cell.transition("configure") and cell.transition("activate")
    yield cell
    inspectors.rest()


def ruined_part() -> np.ndarray:
    """A part with a deep hole, 28 px wide around (84, 48)."""
    image = made_up_part(0)
    image[34:62, 70:98] = 0
    return image


def info(header: Header) -> CameraInfo:
    k = [FOCAL, 0.0, (WIDTH - 1) / 2, 0.0, FOCAL, (HEIGHT - 1) / 2, 0.0, 0.0, 1.0]
    return CameraInfo(header=header, height=HEIGHT, width=WIDTH, distortion_model="plumb_bob", d=[0.0] * 5, k=k)


def depth(header: Header, metres: np.ndarray | None = None, encoding: str = "32FC1") -> Image:
    """A plate 0.4 m away, unless given otherwise."""
    message = Image(header=header)
    metres = np.full((HEIGHT, WIDTH), 0.4, np.float32) if metres is None else metres
    if encoding == "16UC1":
        fill_image(message, np.round(metres * 1e3).astype(np.uint16), "16UC1")
    else:
        fill_image(message, metres.astype(np.float32), encoding)
    return message


def shifted(header: Header) -> Header:
    return Header(stamp=Time(sec=header.stamp.sec - SHIFT, nanosec=header.stamp.nanosec), frame_id=header.frame_id)


def look(cell: Cell, *, with_info: bool = True, depth_message: Any = None) -> Inspection:
    """Publish intrinsics, depth and the image of a defective part, in this order; returns its Inspection."""
    image = cell.image(ruined_part())
    if with_info:
        publisher = cell.image_publisher(message_type=CameraInfo, topic="camera_info")
        wait_for(publisher.get_subscription_count, "the subscription to camera_info")
        publisher.publish(info(image.header))
    if depth_message is not None:
        publisher = cell.image_publisher(message_type=Image, topic="depth")
        wait_for(publisher.get_subscription_count, "the subscription to depth")
        publisher.publish(depth_message(image.header))
    return cell.inspect(image)


def test_reasons_in_the_order_in_which_inputs_appear(space: Cell) -> None:
    """A node that has seen neither intrinsics nor depth, then only intrinsics, then the depth of another moment."""
    inspection = look(space, with_info=False)
    assert inspection.verdict == Inspection.REJECT and inspection.defects
    assert {d.pose_reason for d in inspection.defects} == {"no_camera_info"}
    wait_for(lambda: [d.pose_reason for d in look(space).defects[:1]] == ["no_depth"], "no_depth once intrinsics are there")
    wait_for(
        lambda: look(space, depth_message=lambda h: depth(shifted(h))).defects[0].pose_reason == "stamp_mismatch",
        "stamp_mismatch once depth is there",
    )


def located(cell: Cell, **given: Any) -> Inspection:
    """The first Inspection whose first defect has a pose: the topics may still be connecting."""
    return wait_for(
        lambda: next((i for i in [look(cell, **{"depth_message": depth, **given})] if i.defects[0].has_pose), None),
        "a defect with a pose",
    )


@pytest.mark.parametrize("topic", ["depth", "camera_info"])
def test_a_second_publisher_of_depth_or_intrinsics_costs_the_pose(space: Cell, topic: str) -> None:
    """Boxes to keep out of follow the poses: one from somebody else's depth may let the gripper into the defect."""
    located(space)
    kind = {"depth": Image, "camera_info": CameraInfo}[topic]
    second = space.node.create_publisher(kind, f"{space.namespace}/{topic}", 5)
    wait_for(second.get_subscription_count, "the inspector's subscription")
    try:
        inspection = look(space, depth_message=depth)
        assert inspection.verdict == Inspection.REJECT and {d.pose_reason for d in inspection.defects} == {"two_publishers"}
    finally:
        space.node.destroy_publisher(second)
    located(space)


@pytest.mark.parametrize("encoding", ["32FC1", "16UC1"])
def test_a_defect_is_where_its_ray_meets_the_plate(space: Cell, encoding: str) -> None:
    inspection = located(space, depth_message=lambda header: depth(header, encoding=encoding))
    defect = inspection.defects[0]
    place, ray = defect.pose.pose.position, np.array([defect.centroid.x, defect.centroid.y]) - (63.5, 47.5)
    assert [place.x, place.y, place.z] == pytest.approx([*(ray * 0.4 / FOCAL), 0.4], abs=1e-4)
    assert rotation_matrix(defect.pose.pose.orientation)[:, 2] == pytest.approx([0, 0, -1], abs=1e-3)
    assert defect.area_mm2 == pytest.approx(defect.area_px * (400 / FOCAL) ** 2, rel=0.4)
    assert defect.extent.x >= defect.extent.y > 0 and defect.frame_id == "" and defect.pose_reason == ""
    assert np.linalg.eigvalsh(np.array(defect.pose.covariance).reshape(6, 6)).min() > -1e-12


def test_markers_and_zones_say_what_the_inspection_says(space: Cell) -> None:
    arrays, zones = space.listen("markers", MarkerArray), space.listen("keep_out", KeepOutZones)
    wait_for(lambda: space.node.count_publishers(f"{space.name}/keep_out"), "the zones' publisher")
    inspection = located(space)
    marker = wait_for(lambda: [a for a in arrays if a.markers[0].header == inspection.header], "its markers")[-1]
    zone = wait_for(lambda: [z for z in zones if z.header == inspection.header], "its keep-out zones")[-1]
    placed = [d for d in inspection.defects if d.has_pose]
    assert marker.markers[0].action == Marker.DELETEALL and len(marker.markers) == 1 + 3 * len(placed)
    assert marker.markers[1].pose == placed[0].pose.pose
    assert len(zone.primitives) == len(zone.primitive_poses) == len(placed)
    assert zone.primitive_poses[0].position.z == pytest.approx(0.4, abs=1e-3)
    assert zone.primitives[0].dimensions[0] >= placed[0].extent.x + 2 * 0.005


def test_zones_of_a_part_that_has_left_go_with_it(space: Cell) -> None:
    zones = space.listen("keep_out", KeepOutZones)
    inspection = space.inspect(space.image())
    assert inspection.verdict == Inspection.PASS and not inspection.defects
    zone = wait_for(lambda: [z for z in zones if z.header == inspection.header], "zones of a good part")[0]
    assert not zone.primitives


@pytest.mark.parametrize(
    ("reason", "spoil"),
    [
        ("size_mismatch", lambda header: depth(header, np.full((48, 64), 0.4))),
        ("depth_hole", lambda header: depth(header, np.zeros((HEIGHT, WIDTH)))),
        ("depth_hole", lambda header: depth(header, np.full((HEIGHT, WIDTH), np.nan))),
        ("bad_depth", lambda header: space_image(header)),
        ("stamp_mismatch", lambda header: depth(shifted(header))),
        ("no_place", lambda header: depth(header, np.full((HEIGHT, WIDTH), 4e3))),  # millimetres, said to be metres
        ("no_place", lambda header: depth(header, np.full((HEIGHT, WIDTH), 1e-30))),
    ],
)
def test_unusable_depth_costs_the_pose_and_not_the_verdict(space: Cell, reason: str, spoil: Any) -> None:
    located(space)
    inspection = wait_for(
        lambda: next((i for i in [look(space, depth_message=spoil)] if i.defects[0].pose_reason == reason), None), reason
    )
    defect = inspection.defects[0]
    assert inspection.verdict == Inspection.REJECT and not defect.has_pose and math.isnan(defect.area_mm2)


def space_image(header: Header) -> Image:
    message = Image(header=header)
    fill_image(message, made_up_part(0), "rgb8")
    return message


def test_depth_that_comes_after_the_image_is_waited_for(space: Cell) -> None:
    located(space)
    inspections = space.listen("inspection", Inspection)
    image = space.image(ruined_part())
    space.image_publisher().publish(image)
    space.image_publisher(message_type=Image, topic="depth").publish(depth(image.header))
    inspection = wait_for(lambda: [i for i in inspections if i.header == image.header], "the inspection")[0]
    assert inspection.defects[0].has_pose


@pytest.mark.parametrize("target", ["", "part"])
@pytest.mark.parametrize("frame_id", ["", "camera\n[ERROR] forged"])
def test_an_image_without_a_frame_has_no_poses(space: Cell, target: str, frame_id: str) -> None:
    """MoveIt would take a box in no frame as one in its own planning frame."""
    zones = space.listen("keep_out", KeepOutZones)
    located(space)
    assert space.set_parameter("target_frame", target).successful
    try:
        image = space.image(ruined_part(), frame_id=frame_id)
        space.image_publisher(message_type=CameraInfo, topic="camera_info").publish(info(image.header))
        space.image_publisher(message_type=Image, topic="depth").publish(depth(image.header))
        inspection = space.inspect(image)
        assert inspection.verdict == Inspection.REJECT
        assert {(d.has_pose, d.pose_reason) for d in inspection.defects} == {(False, "no_frame")}
        assert not wait_for(lambda: [z for z in zones if z.header.stamp == image.header.stamp], "its zones")[0].primitives
    finally:
        space.set_parameter("target_frame", "")


@pytest.mark.skipif(importlib.util.find_spec("tf2_ros") is not None, reason="tf2_ros is installed: it would be used")
def test_without_tf2_a_pose_stays_in_the_cameras_frame_and_says_so(space: Cell) -> None:
    assert space.set_parameter("target_frame", "part").successful
    try:
        defect = located(space).defects[0]
        assert (defect.pose_reason, defect.frame_id) == ("no_transform", "")
        assert defect.pose.pose.position.z == pytest.approx(0.4, abs=1e-3)
    finally:
        space.set_parameter("target_frame", "")


class Buffer:
    """Stands in for tf2_ros.Buffer, with its signature, where tf2_ros is not installed: one transform is known."""

    def lookup_transform(self, target: str, source: str, time: Any, timeout: Any) -> TransformStamped:
        if (target, source) != ("part", "camera"):
            raise LookupError(f'"{target}" passed to lookupTransform argument target_frame does not exist.')
        found = TransformStamped()
        found.transform.translation.x = 1.0
        found.transform.rotation.x, found.transform.rotation.w = 1.0, 0.0  # half a turn about x
        return found


def test_transforms_are_asked_from_tf2_with_its_own_calls(space: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = lambda buffer, node: (buffer, node)  # noqa: E731
    monkeypatch.setitem(sys.modules, "tf2_ros", types.SimpleNamespace(Buffer=Buffer, TransformListener=listener))
    target = TargetFrame(space.inspector)
    rotation, translation = target.transform(Header(frame_id="camera"), "part")
    assert rotation @ (0.1, 0.2, 0.4) + translation == pytest.approx([1.1, -0.2, -0.4])
    assert target.transform(Header(frame_id="camera"), "nowhere") is None
    assert np.allclose(target.transform(Header(frame_id="part"), "part")[0], np.eye(3))


class EmptyTurn(Buffer):
    def lookup_transform(self, *_: Any) -> TransformStamped:
        found = TransformStamped()
        found.transform.rotation.w = 0.0
        return found


class FarAway(Buffer):
    def lookup_transform(self, *_: Any) -> TransformStamped:
        found = TransformStamped()
        found.transform.translation.x = math.inf
        return found


class Broken(Buffer):
    def __init__(self) -> None:
        raise RuntimeError("no listener today")


@pytest.mark.parametrize("kind, has_pose, reason", [(EmptyTurn, True, "no_transform"), (FarAway, True, "no_transform"),
                                                    (Broken, False, "geometry_failed")])
def test_a_transform_that_is_none_costs_no_verdict(space: Cell, monkeypatch: pytest.MonkeyPatch, kind: Any, has_pose: bool, reason: str) -> None:
    located(space)
    monkeypatch.setitem(sys.modules, "tf2_ros", types.SimpleNamespace(Buffer=kind, TransformListener=lambda *_: None))
    monkeypatch.setattr(space.inspector._locator, "_target", TargetFrame(space.inspector))
    assert space.set_parameter("target_frame", "part").successful
    try:
        inspection = look(space, depth_message=depth)
        assert inspection.verdict == Inspection.REJECT
        (defect, *_) = inspection.defects
        assert (defect.has_pose, defect.pose_reason, defect.frame_id) == (has_pose, reason, "")
        assert not has_pose or defect.pose.pose.position.z == pytest.approx(0.4, abs=1e-3)
    finally:
        space.set_parameter("target_frame", "")


@pytest.mark.skipif(
    importlib.util.find_spec("vision_msgs") is None,
    reason="vision_msgs is not installed (it comes with a ROS installation, not from PyPI)",
)
def test_detections_are_the_defects(space: Cell) -> None:
    from vision_msgs.msg import Detection2DArray

    arrays = space.listen("detections", Detection2DArray)
    wait_for(lambda: space.node.count_publishers(f"{space.name}/detections"), "the detections' publisher")
    inspection = located(space)
    array = wait_for(lambda: [a for a in arrays if a.header == inspection.header], "its detections")[0]
    assert len(array.detections) == len(inspection.defects)
    assert array.detections[0].bbox.size_x == inspection.defects[0].box.width


def test_without_geometry_nothing_of_it_is_subscribed_to(cell: Cell) -> None:
    inspection = cell.inspect(cell.image(ruined_part()))
    assert inspection.defects[0].pose_reason == "not_supported"
    assert not cell.node.count_subscribers(f"{cell.namespace}/depth")
    assert not cell.node.count_subscribers(f"{cell.namespace}/camera_info")
