"""The virtual camera as a process of its own: what it publishes over DDS, what its parameters do, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, wait_for
from rcl_interfaces.srv import DescribeParameters
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import Trigger

from hetnet_ros.cell.camera import PinholeCamera
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph

SIZE = (160, 120)


class CameraClient(Cell):
    """The client's side of one virtual camera."""

    def __init__(self, node: Node, namespace: str) -> None:
        super().__init__(node, namespace)
        self.name = f"{namespace}/virtual_camera"
        self.images = self.listen(f"{namespace}/image", Image)
        self.infos = self.listen(f"{namespace}/camera_info", CameraInfo)
        self.depths = self.listen(f"{namespace}/depth", Image)
        self.truths = self.listen("truth", Inspection)
        self.masks = self.listen("truth_mask", Image)

    def picture(self, condition: Any = lambda truth: True) -> tuple[Image, CameraInfo, Image, Inspection, Image]:
        """Wait for a picture taken from now on whose truth meets the condition; all five messages about it."""
        lists = (self.images, self.infos, self.depths, self.truths, self.masks)
        for messages in lists:
            messages.clear()

        def complete() -> Any:
            for truth in [t for t in list(self.truths) if condition(t)]:
                found = [[m for m in list(messages) if m.header.stamp == truth.header.stamp] for messages in lists]
                if all(found):
                    return tuple(messages[0] for messages in found)
            return None

        return wait_for(complete, "a complete picture")

    def show(self, **parameters: Any) -> None:
        for name, value in parameters.items():
            result = self.set_parameter(name, value)
            assert result.successful, result.reason


def pixels(message: Image) -> np.ndarray:
    kind, channels = {"rgb8": (np.uint8, 3), "mono8": (np.uint8, 1), "32FC1": (np.float32, 1)}[message.encoding]
    assert message.step == message.width * channels * np.dtype(kind).itemsize
    shape = (message.height, message.width, 3) if channels == 3 else (message.height, message.width)
    return np.frombuffer(message.data, kind).reshape(shape)


def start(namespace: str, *parameters: str) -> subprocess.Popen:
    given = [
        word
        for parameter in ("rate_hz:=8.0", f"width:={SIZE[0]}", f"height:={SIZE[1]}", *parameters)
        for word in ("-p", parameter)
    ]
    return subprocess.Popen(
        [sys.executable, "-m", "hetnet_ros.nodes.virtual_camera", "--ros-args", "-r", f"__ns:={namespace}", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def camera(executor: Any) -> Iterator[CameraClient]:
    """One virtual camera at 8 Hz that shows part 0 of seed 5, every part defective; tests restore what they change."""
    process = start("/camera_test", "seed:=5", "part_index:=0", "defect_probability:=1.0", "face:=up")
    node = Node("client", namespace="/camera_test")
    executor.add_node(node)
    try:
        yield CameraClient(node, "/camera_test")
    finally:
        executor.remove_node(node)
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=20)
        finally:
            process.kill()


def test_all_topics_of_a_picture_share_stamp_frame_and_size(camera: CameraClient) -> None:
    image, info, depth, truth, mask = camera.picture()
    for message in (image, info, depth, truth, mask):
        assert message.header == image.header
        assert message.header.frame_id == "camera_optical_frame"
    assert (image.encoding, depth.encoding, mask.encoding) == ("rgb8", "32FC1", "mono8")
    assert all((m.width, m.height) == SIZE for m in (image, info, depth, mask))
    assert (truth.image_width, truth.image_height) == SIZE
    expected = PinholeCamera.of_size(*SIZE)
    assert info.distortion_model == "plumb_bob" and len(info.d) == 5
    np.testing.assert_allclose(np.reshape(info.k, (3, 3)), expected.matrix)
    np.testing.assert_allclose(np.reshape(info.p, (3, 4))[:, :3], expected.matrix)
    distances = pixels(depth)
    assert 0.35 < distances.min() and distances.max() < 0.45, "depth is in metres"


def test_pictures_come_no_faster_than_asked_for(camera: CameraClient) -> None:
    camera.show(rate_hz=3.0)
    camera.picture()
    wait_for(lambda: len(camera.truths) >= 6, "six pictures")
    stamps = [t.header.stamp.sec + t.header.stamp.nanosec * 1e-9 for t in list(camera.truths)[:6]]
    camera.show(rate_hz=8.0)
    steps = np.diff(stamps)
    assert (steps > 0).all()
    assert steps.mean() > 0.25  # 1/3 s, less what rendering may vary by on a loaded machine


def test_a_part_is_the_same_in_every_process(camera: CameraClient) -> None:
    part = draw_part("up", 5, 0, 1.0)
    expected = photograph(part, draw_shot(part, 0, "mid"), PinholeCamera.of_size(*SIZE))
    image, _, depth, truth, mask = camera.picture(lambda t: t.part_id == "up_0000")
    np.testing.assert_array_equal(pixels(depth), expected.depth)
    np.testing.assert_array_equal(pixels(mask), expected.mask)
    assert np.abs(pixels(image).astype(int) - expected.rgb).mean() < 4  # sensor noise alone
    assert (truth.verdict, truth.reason) == (Inspection.REJECT, part.truth)


def test_the_truth_outlines_the_defect_and_poses_it_on_the_surface(camera: CameraClient) -> None:
    camera.show(part_index=3, defect_kinds=["dent"])
    _, info, depth, truth, mask = camera.picture(lambda t: t.part_id == "up_0003" and t.reason == "dent")
    camera.show(part_index=0, defect_kinds=["dent", "scratch", "stain", "pit", "crack", "chip", "missing_hole"])
    (defect,) = truth.defects
    rows, columns = np.nonzero(pixels(mask))
    assert (defect.box.x_offset, defect.box.y_offset) == (columns.min(), rows.min())
    assert (defect.box.width, defect.box.height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert defect.area_px == len(rows) and len(defect.contour.points) >= 3 and defect.has_pose
    point = defect.pose.pose.position
    u, v = info.k[0] * point.x / point.z + info.k[2], info.k[4] * point.y / point.z + info.k[5]
    assert np.hypot(u - columns.mean(), v - rows.mean()) < 1.0
    seen = pixels(depth)[round(v), round(u)]
    assert point.z == pytest.approx(seen, abs=7e-4), "a dent's floor is steep: 1 mm pixels see it to within 0.7 mm"
    q = defect.pose.pose.orientation
    normal = np.array([2 * (q.x * q.z + q.y * q.w), 2 * (q.y * q.z - q.x * q.w), 1 - 2 * (q.x**2 + q.y**2)])
    assert normal @ [0, 0, -1] > np.cos(np.radians(6)), "z points out of the metal, towards the camera"


def test_the_next_part_comes_on_request(camera: CameraClient) -> None:
    camera.show(part_index=0)
    response = camera.call("next_part", Trigger)
    assert response.success and "part 1" in response.message
    camera.picture(lambda t: t.part_id == "up_0001")
    camera.show(part_index=0)


def test_parts_follow_each_other_when_no_index_is_set(camera: CameraClient) -> None:
    camera.show(frames_per_part=2, part_index=-1)
    wait_for(lambda: {"up_0000", "up_0001", "up_0002"} <= {t.part_id for t in list(camera.truths)}, "three parts")
    camera.show(part_index=0, frames_per_part=10)
    order = [t.part_id for t in camera.truths if t.part_id in ("up_0001", "up_0002")]
    assert order.index("up_0001") < order.index("up_0002")


def test_a_sound_part_is_told_as_such(camera: CameraClient) -> None:
    camera.show(defect_probability=0.0)
    truth, mask = camera.picture(lambda t: t.verdict == Inspection.PASS)[3:]
    camera.show(defect_probability=1.0)
    assert truth.reason == "" and not truth.defects and not pixels(mask).any()


def test_faults_are_shown_and_told_as_uncertain(camera: CameraClient) -> None:
    camera.show(fault="lens_cap")
    image, _, _, truth, _ = camera.picture(lambda t: t.reason == "lens_cap")
    assert truth.verdict == Inspection.UNCERTAIN and pixels(image).mean() < 3
    camera.show(fault="wrong_part")
    assert camera.picture(lambda t: t.reason == "wrong_part")[3].part_id == "back_0000"
    camera.show(fault="none")
    camera.picture(lambda t: t.reason not in ("wrong_part", "lens_cap"))
    camera.show(fault="frozen")
    first = camera.picture(lambda t: t.reason == "frozen")[0]
    second = camera.picture(lambda t: t.reason == "frozen")[0]
    camera.show(fault="none")
    assert first.data == second.data and first.header.stamp != second.header.stamp
    moving = [camera.picture(lambda t: t.reason != "frozen")[0] for _ in range(2)]
    assert moving[0].data != moving[1].data, "a working camera has noise"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("face", "nose", "one of back"),
        ("rate_hz", 1000.0, "range"),
        ("defect_kinds", ["rust"], "rust"),
        ("fault", "gremlin", "one of none"),
        ("part_index", -2, "range"),
        ("frame_id", "elsewhere", "read-only"),
    ],
)
def test_values_that_are_not_allowed_are_refused_with_the_reason(
    camera: CameraClient, name: str, value: Any, words: str
) -> None:
    result = camera.set_parameter(name, value)
    assert not result.successful and words in result.reason


def test_every_parameter_is_described(camera: CameraClient) -> None:
    from hetnet_ros.nodes.virtual_camera import DECLARATIONS

    names = [entry.name for entry in DECLARATIONS]
    for descriptor in camera.call("describe_parameters", DescribeParameters, names=names).descriptors:
        assert len(descriptor.description) > 10 and descriptor.type != 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_ends_on_a_signal(executor: Any, number: signal.Signals) -> None:
    namespace = f"/camera_{number.name.lower()}"
    process, node = start(namespace), Node("client", namespace=namespace)
    executor.add_node(node)
    try:
        images = Cell(node, namespace).listen(f"{namespace}/image", Image)
        wait_for(lambda: len(images) >= 2, "pictures", timeout=60)
        process.send_signal(number)
        errors = process.communicate(timeout=20)[1]
    finally:
        process.kill()
        executor.remove_node(node)
    assert process.returncode == 0 and "Traceback" not in errors, errors


def test_a_wrong_start_parameter_is_one_line() -> None:
    process = start("/camera_wrong", "illumination:=dusk")
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 2 and "error: illumination is 'dusk'" in errors and errors.count("\n") == 1
