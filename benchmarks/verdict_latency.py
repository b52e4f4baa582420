"""Line 6 of ``benchmarks/verdicts.py``: where the time of one view goes, from the image's stamp to the action's result.

A real inspector and a real client, over DDS; both are nodes of this process, so transport is by shared memory or loopback.
For each goal a fresh picture is stamped and published as soon as the goal was accepted, as an arm does that has arrived.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
from verdict_parts import picture

STAGES = ("input_age", "decode", "preprocess", "inference", "postprocess")
GOALS, WARM_UP = 20, 3


def measure(model: Path, device: str) -> dict[str, object]:
    """Median and 95th percentile of each stage, ms; empty with the reason where ROS is absent."""
    os.environ.setdefault("ROS_DOMAIN_ID", "49")
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    try:
        import hetnet_ros.msg  # noqa: F401 - generated

        from hetnet_ros.nodes.process import prepare_environment
    except ImportError as error:
        return {"skipped": f"needs ROS 2 and this package's messages ({error})"}
    prepare_environment()
    import rclpy
    from rclpy.executors import MultiThreadedExecutor
    from rclpy.parameter import Parameter

    from hetnet_ros.nodes.inspector import Inspector

    rclpy.init()
    values = {"model": str(model), "device": device, "autostart": True, "max_age": 10.0}
    inspector = Inspector(namespace="/budget", parameter_overrides=[Parameter(k, value=v) for k, v in values.items()])
    client = rclpy.create_node("planner", namespace="/budget")
    executor = MultiThreadedExecutor(num_threads=8)
    executor.add_node(inspector)
    executor.add_node(client)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    try:
        rows = [_goal(client, number) for number in range(GOALS + WARM_UP)][WARM_UP:]
    finally:
        executor.shutdown(timeout_sec=2)
        inspector.destroy_node()
        rclpy.try_shutdown()
        thread.join(5)
    return {name: {"p50": float(np.percentile([row[name] for row in rows], 50)),
                   "p95": float(np.percentile([row[name] for row in rows], 95))} for name in rows[0]}


class _Client:
    """The planner's ends of topic and action; made once."""

    made = None

    def __init__(self, node) -> None:
        from hetnet_ros.action import InspectPart
        from rclpy.action import ActionClient
        from rclpy.qos import QoSProfile
        from sensor_msgs.msg import Image

        self.image = node.create_publisher(Image, "image", QoSProfile(depth=1))
        self.action = ActionClient(node, InspectPart, "inspector/inspect_part")
        _wait(lambda: self.image.get_subscription_count() and self.action.server_is_ready())


def _goal(node, number: int) -> dict[str, float]:
    """One goal, ms by stage; ``result`` is what follows the inspection: verdict, action, transport."""
    from builtin_interfaces.msg import Duration
    from hetnet_ros.action import InspectPart
    from sensor_msgs.msg import Image

    from hetnet_ros.inspection.image_conversion import fill_image

    _Client.made = _Client.made or _Client(node)
    image = Image()
    image.header.frame_id = "camera_optical_frame"
    fill_image(image, picture("good", number, 0), "rgb8")
    future = _Client.made.action.send_goal_async(InspectPart.Goal(timeout=Duration(sec=60)))
    _wait(future.done)
    image.header.stamp = node.get_clock().now().to_msg()
    arrived: list[int] = []
    _Client.made.image.publish(image)
    result = future.result().get_result_async()
    result.add_done_callback(lambda _: arrived.append(node.get_clock().now().nanoseconds))
    _wait(lambda: arrived)
    view = result.result().result.views[0].inspection
    whole = (arrived[0] - image.header.stamp.sec * 10**9 - image.header.stamp.nanosec) / 1e6
    row = {stage: getattr(view.timings, stage) for stage in STAGES}
    return {**row, "result": whole - view.timings.input_age - view.timings.total, "stamp_to_result": whole}


def _wait(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the inspector gives no answer")
        time.sleep(0.001)


def lines(figures: dict[str, object]) -> list[str]:
    """What is printed."""
    if "skipped" in figures:
        return [f"6. latency: {figures['skipped']}"]
    head = f"6. one view of ~/inspect_part, 640x480, ms over {GOALS} goals (median, 95th percentile)"
    return [head, *(f"   {name:16s} {value['p50']:8.1f} {value['p95']:8.1f}" for name, value in figures.items())]
