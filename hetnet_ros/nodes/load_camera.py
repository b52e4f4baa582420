"""A camera for measurements: numbered pictures, stamped just before they are published, each stamp noted in a file.

Its process is ``python -m hetnet_ros.nodes.load_camera``.  A few pictures come in turn, a counter drawn
into each, so whoever listens sets ``frozen_after`` to 0.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

import numpy as np
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from hetnet_ros.gpu_check.pictures import disc
from hetnet_ros.inspection.image_conversion import fill_image
from hetnet_ros.nodes.process import run_node

RCLError = rclpy_implementation.RCLError

_BITS, _CELL_PX = 32, 8
_PICTURES = 8


class LoadCamera(Node):
    """Publishes rgb8 pictures at a rate and writes the stamp of each, ns, as a line of ``log``."""

    def __init__(self, name: str, namespace: str, topic: str, rate: float, size: tuple[int, int], log: Path | None) -> None:
        super().__init__(name, namespace=namespace)
        self._publisher = self.create_publisher(Image, topic, QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))
        self._messages = itertools.cycle([self._picture(*size, seed) for seed in range(_PICTURES)])
        self._log = log.open("w", buffering=1) if log else None
        self._count = 0
        self.create_timer(1.0 / rate, self._publish)

    @staticmethod
    def _picture(width: int, height: int, seed: int) -> Image:
        message = Image()
        message.header.frame_id = "camera_optical_frame"
        fill_image(message, disc(width, height, seed), "rgb8")
        return message

    def _publish(self) -> None:
        message = next(self._messages)
        self._count += 1
        draw_number(np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3), self._count)
        now = self.get_clock().now()
        message.header.stamp = now.to_msg()
        try:
            self._publisher.publish(message)
        except RCLError:  # a reliable publisher whose reader does not keep up; the picture is dropped before it is sent
            pass
        if self._log:
            self._log.write(f"{now.nanoseconds}\n")


def draw_number(pixels: np.ndarray, number: int) -> None:
    """Draw ``number``'s lowest 32 bits as small squares along the upper edge of uint8 (H, W, 3)."""
    for bit in range(_BITS):
        pixels[:_CELL_PX, bit * _CELL_PX:(bit + 1) * _CELL_PX] = 120 if number >> bit & 1 else 60


def command(namespace: str, topic: str, rate: float, width: int, height: int, log: Path | None = None,
            name: str = "camera") -> list[str]:
    """The command line of such a camera's process."""
    return [sys.executable, "-m", "hetnet_ros.nodes.load_camera", name, namespace, topic, str(rate), str(width), str(height),
            str(log or "")]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for word, kind in (("name", str), ("namespace", str), ("topic", str), ("rate", float), ("width", int), ("height", int),
                       ("log", str)):
        parser.add_argument(word, type=kind)
    given = parser.parse_args(arguments)
    log = Path(given.log) if given.log else None
    return run_node(lambda: LoadCamera(given.name, given.namespace, given.topic, given.rate, (given.width, given.height), log),
                    [], threads=2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
