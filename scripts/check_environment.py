"""Imports what the package stands on and starts ROS once, so that a broken installation shows here and not in a demo.

The imports also leave compiled bytecode behind: pip is told not to compile the thousands of files nobody will use.
"""

import cv2  # noqa: F401
import rclpy
import rclpy.lifecycle
import safetensors.torch  # noqa: F401
import sensor_msgs.msg
import sklearn.metrics  # noqa: F401
import timm
import torch
import torchvision
from rclpy.node import Node

rclpy.init()
node = Node("hetnet_setup_check")
node.create_publisher(sensor_msgs.msg.Image, "~/image", 1)
node.destroy_node()
rclpy.shutdown()
versions = {module.__name__: module.__version__ for module in (torch, torchvision, timm, cv2)}
print(*(f"{name} {version}" for name, version in versions.items()), sep=", ")
