"""What comes out of the inspector for what goes in: stamps, verdicts, bad frames, stale frames, regions, pictures."""

from __future__ import annotations

import array
import dataclasses
import math
import pkgutil
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hetnet_ros.msg import Inspection
from inspection_cell import Cell, slow_network, values, wait_for
from model_fixtures import made_up_part
from sensor_msgs.msg import CompressedImage, Image

from hetnet_ros.inspection.artifact import load_artifact, save_artifact


def test_a_good_part_keeps_the_stamp_and_frame_of_its_image(cell: Cell) -> None:
    message = cell.image(frame_id="wrist_camera")
    inspection = cell.inspect(message)
    assert inspection.header == message.header
    assert inspection.verdict == Inspection.PASS and inspection.reason == ""
    assert inspection.part_id == "disc"
    assert (inspection.image_width, inspection.image_height) == (128, 96)
    assert (inspection.roi.width, inspection.roi.height) == (128, 96)
    assert 0 <= inspection.score < inspection.thresholds.accept <= inspection.thresholds.reject == 0.5
    assert inspection.timings.inference > 0 and inspection.timings.total >= inspection.timings.inference


def ruined_part() -> np.ndarray:
    """A part with a deep hole, 28 px wide around (84, 48): beyond doubt even for a model taught in a second."""
    image = made_up_part(0)
    image[34:62, 70:98] = 0
    return image


def test_a_defective_part_is_rejected_with_its_regions(cell: Cell) -> None:
    inspection = cell.inspect(cell.image(ruined_part()))
    assert inspection.verdict == Inspection.REJECT and inspection.reason == "anomaly"
    assert inspection.score >= 0.5 and 0 < inspection.p_value < 1
    assert inspection.defects, "the hole must be a region"
    defect = inspection.defects[0]
    assert 64 <= defect.centroid.x <= 104 and 28 <= defect.centroid.y <= 68
    assert defect.box.width > 0 and defect.box.x_offset + defect.box.width <= 128
    assert defect.area_px > 0 and defect.score >= 0.5 and len(defect.contour.points) >= 1
    assert not defect.has_pose and defect.pose_reason == "not_supported" and math.isnan(defect.area_mm2)


def test_a_dark_image_is_out_of_domain(cell: Cell) -> None:
    inspection = cell.inspect(cell.image(np.zeros((96, 128, 3), np.uint8)))
    assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "out_of_domain_dark")
    cell.diagnosis(
        "inspection", lambda status: status.level == status.WARN and "out_of_domain_dark" in status.message, "a warning"
    )


def _zero_size(message: Image) -> None:
    message.height = message.width = message.step = 0
    message.data = array.array("B")


def _truncated(message: Image) -> None:
    message.data = message.data[:-1000]


def _too_long(message: Image) -> None:
    message.data = message.data + array.array("B", bytes(10))


def _wrong_size(message: Image) -> None:
    message.encoding = "bgra8"


def _unknown(message: Image) -> None:
    message.encoding = "16SC3"


def _tiny(message: Image) -> None:
    message.height, message.width, message.step, message.data = 4, 4, 12, array.array("B", bytes(48))


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (_zero_size, "zero_size"),
        (_truncated, "truncated"),
        (_too_long, "wrong_size"),
        (_wrong_size, "wrong_size"),
        (_unknown, "unknown_encoding"),
        (_tiny, "unusable"),
    ],
)
def test_a_bad_frame_is_uncertain_counted_and_survived(cell: Cell, spoil: Any, cause: str) -> None:
    message = cell.image()
    spoil(message)
    inspection = cell.inspect(message)
    assert inspection.verdict == Inspection.UNCERTAIN and inspection.reason == "bad_image"
    assert inspection.detail and "\n" not in inspection.detail
    assert math.isnan(inspection.score) and math.isnan(inspection.p_value) and not inspection.defects
    cell.diagnosis(
        "input", lambda status: int(values(status).get(f"bad_images.{cause}", 0)) > 0, f"the count of {cause}"
    )
    assert cell.inspect().verdict == Inspection.PASS


@pytest.mark.parametrize(("stamp_age", "reason"), [(60.0, "stale"), (-60.0, "stamp_in_future"), (None, "no_stamp")])
def test_an_image_of_another_time_gives_no_verdict(cell: Cell, stamp_age: float | None, reason: str) -> None:
    message = cell.image(age=stamp_age or 0.0)
    if stamp_age is None:
        message.header.stamp.sec = message.header.stamp.nanosec = 0
    inspection = cell.inspect(message)
    assert inspection.verdict == Inspection.UNCERTAIN and inspection.reason == reason
    status = cell.diagnosis("input", lambda status: reason in status.message, f"a diagnostic on {reason}")
    assert status.level > status.WARN


def test_old_images_are_accepted_when_the_check_is_off(cell: Cell) -> None:
    assert cell.set_parameter("max_age", 0.0).successful
    try:
        assert cell.inspect(cell.image(age=3600.0)).verdict == Inspection.PASS
    finally:
        assert cell.set_parameter("max_age", 30.0).successful


def test_region_of_interest_and_part_name_change_at_run_time(cell: Cell) -> None:
    assert cell.set_parameter("roi", [10, 20, 64, 48]).successful
    assert cell.set_parameter("part_id", "lid").successful
    try:
        inspection = cell.inspect()
        roi = inspection.roi
        assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (10, 20, 64, 48)
        assert (inspection.part_id, inspection.image_width) == ("lid", 128)
        assert cell.set_parameter("roi", [100, 0, 64, 48]).successful  # fits larger images, but not this one
        inspection = cell.inspect()
        assert inspection.verdict == Inspection.UNCERTAIN and inspection.reason == "roi_outside_image"
    finally:
        assert cell.set_parameter("roi", [0, 0, 0, 0]).successful
        assert cell.set_parameter("part_id", "").successful
    assert cell.inspect().part_id == "disc"


def noted(calls: list[str], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, and its name in ``calls`` each time."""
    def call(*arguments: Any) -> Any:
        calls.append(name)
        return function(*arguments)

    return call


def test_pictures_come_only_to_those_who_look(cell: Cell, monkeypatch: Any) -> None:
    drawn: list[str] = []
    for module, name in (("maps", "calibrated_source_map"), ("maps", "source_mask"), ("overlay", "draw_overlay")):
        path = f"hetnet_ros.inspection.{module}.{name}"
        monkeypatch.setattr(path, noted(drawn, name, pkgutil.resolve_name(path)))
    for name in ("anomaly_map", "mask", "overlay"):
        assert cell.set_parameter(f"{name}.max_rate", 0.0).successful
    assert not any(cell.node.count_subscribers(f"{cell.name}/{name}") for name in ("anomaly_map", "mask", "overlay"))
    for _ in range(2):  # the first one's pictures would be drawn beside the second
        cell.inspect()
    assert drawn == []
    pictures = {name: cell.listen(name, Image) for name in ("anomaly_map", "mask", "overlay")}
    # The inspector learns of its new subscribers a little later than they exist, so more than one image may be needed.
    # And they are drawn while the next image is inspected: those of any image will do.
    shown: list[Inspection] = []
    inspection = wait_for(
        lambda: (
            shown.append(cell.inspect(cell.image(ruined_part())))
            or next((one for one in shown if all(any(p.header == one.header for p in list(pictures[name])) for name in pictures)), None)
        ),
        "all pictures of one image",
    )
    for name, encoding, channels in (("anomaly_map", "32FC1", 4), ("mask", "mono8", 1), ("overlay", "rgb8", 3)):
        pictures[name][:] = [p for p in pictures[name] if p.header == inspection.header]
        picture = pictures[name][0]
        assert (picture.encoding, picture.height, picture.width, picture.step) == (encoding, 96, 128, 128 * channels)
    assert set(drawn) == {"calibrated_source_map", "source_mask", "draw_overlay"}
    heat = np.frombuffer(pictures["anomaly_map"][-1].data, np.float32).reshape(96, 128)
    mask = np.frombuffer(pictures["mask"][-1].data, np.uint8).reshape(96, 128)
    assert 0 <= heat.min() and heat.max() <= 1
    assert set(np.unique(mask)) == {0, 255}
    assert np.array_equal(mask == 255, heat >= inspection.thresholds.pixel)
    for name in pictures:
        cell.forget(name)


def test_a_capped_picture_comes_less_often_than_verdicts(cell: Cell) -> None:
    assert cell.set_parameter("mask.max_rate", 0.0).successful
    masks = cell.listen("mask", Image)
    wait_for(lambda: cell.inspect() and masks, "one mask")
    assert cell.set_parameter("mask.max_rate", 0.01).successful  # one in 100 s, and one has just been
    before = len(masks)
    for _ in range(3):
        cell.inspect()
    assert len(masks) <= before + 1  # one may have been on its way
    cell.forget("mask")


def test_compressed_images_are_inspected_and_broken_ones_refused(start_inspector: Any, tiny_model: Any) -> None:
    cell = start_inspector(model=str(tiny_model), device="cpu", image_transport="compressed", autostart=True)
    publisher = cell.image_publisher(message_type=CompressedImage, topic="image/compressed")
    inspections = cell.listen("inspection", Inspection)
    wait_for(publisher.get_subscription_count, "the inspector's subscription")
    wait_for(lambda: cell.node.count_publishers(f"{cell.name}/inspection"), "the inspector's publisher")
    wait_for(lambda: cell.state() == "active", "the node to start by itself")

    def send(data: bytes, image_format: str) -> Inspection:
        message = CompressedImage(header=cell.image().header, format=image_format, data=array.array("B", data))
        publisher.publish(message)
        return wait_for(
            lambda: [i for i in inspections if i.header == message.header], f"the {image_format} inspection"
        )[0]

    png = cv2.imencode(".png", made_up_part(0)[:, :, ::-1])[1].tobytes()
    jpeg = cv2.imencode(".jpg", made_up_part(0)[:, :, ::-1])[1].tobytes()
    assert send(png, "rgb8; png compressed bgr8").verdict == Inspection.PASS
    assert send(jpeg, "jpeg").image_width == 128
    for spoiled in (b"", jpeg[: len(jpeg) // 2], b"no image at all"):
        inspection = send(spoiled, "jpeg")
        assert (inspection.verdict, inspection.reason) == (Inspection.UNCERTAIN, "bad_image")
    assert send(png, "png").verdict == Inspection.PASS


def test_a_camera_of_twelve_bits_is_read_as_the_model_was_taught(start_inspector: Any, tiny_model: Any, tmp_path: Any) -> None:
    artifact = load_artifact(tiny_model)
    save_artifact(tmp_path / "deep.safetensors", dataclasses.replace(artifact.card, sample_bits=12), artifact.tensors)
    cell = start_inspector(model=str(tmp_path / "deep.safetensors"), device="cpu", autostart=True)
    wait_for(lambda: cell.state() == "active", "the node to start by itself")

    def deep(bits: int) -> Image:
        message = cell.image()
        values = made_up_part(0).astype("<u2") << bits - 8
        message.encoding, message.step, message.data = "rgb16", 2 * message.step, array.array("B", values.tobytes())
        return message

    good = cell.inspect(deep(12))
    assert (good.verdict, good.reason) == (Inspection.PASS, "")
    too_deep = cell.inspect(deep(14))
    assert (too_deep.verdict, too_deep.reason) == (Inspection.UNCERTAIN, "bad_image") and "--bits 14" in too_deep.detail
    cell.diagnosis("input", lambda status: values(status).get("bad_images.too_deep") == "1", "the count of its cause")


def test_the_newest_frame_wins_and_drops_are_counted(cell: Cell) -> None:
    cell.inspect()
    dropped = int(values(cell.diagnosis("inspection", lambda status: True, "a diagnostic"))["dropped"])
    received = int(values(cell.diagnosis("input", lambda status: True, "a diagnostic"))["received"])
    inspections = cell.listen("inspection", Inspection)
    inspections.clear()
    with slow_network(cell) as begun:
        messages = [cell.image() for _ in range(5)]
        for number, message in enumerate(messages, start=1):
            cell.image_publisher().publish(message)
            cell.diagnosis(
                "input", lambda status: int(values(status)["received"]) == received + number, f"image {number}"
            )
            assert begun.wait(20)
    wait_for(lambda: len(inspections) >= 2, "two verdicts")
    assert [inspection.header for inspection in inspections] == [messages[0].header, messages[4].header]
    cell.diagnosis("inspection", lambda status: int(values(status)["dropped"]) == dropped + 3, "the count of drops")
