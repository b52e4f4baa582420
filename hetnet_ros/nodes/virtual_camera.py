"""The ``virtual_camera`` node: the virtual inspection cell behind a camera's topics.

It shows one part after another on ``image``, ``camera_info`` and ``depth``, and tells the truth about each picture on
``~/truth`` in the inspector's own message type, so verdicts and truth are compared stamp by stamp.  Rendering runs on a thread
of its own: parameters and services answer at once, and a slow subscriber costs frames, not time.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point, Point32
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from hetnet_ros.cell.camera import PinholeCamera
