"""Parameters on a node's command line arrive as they were meant, whatever YAML would make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.node import Node

from hetnet_ros.nodes.parameter_arguments import parameter_arguments


@pytest.mark.parametrize("value", [
    "lid.safetensors", "a # b.safetensors", "x: y", "1.5", "yes", "null", "[1, 2]", "{a: b}", "~", "", "'single' \"double\"", "back\\slash",
    "naïve Prüfling 部品.safetensors", "- dash", "!tag", "*star", "two  blanks ", "%percent", True, 0, 2.5, [0, 0, 4, 4], ["left", "on"]])
def test_a_value_arrives_as_it_is(value: Any) -> None:
    given = Path(value) if isinstance(value, str) and value.endswith(".safetensors") else value
    context = rclpy.Context()
    context.init(args=["program", "--ros-args", *parameter_arguments({"part": given})])
    try:
        node = Node("node", context=context, automatically_declare_parameters_from_overrides=True)
        arrived = node.get_parameter("part").value
        node.destroy_node()
    finally:
        context.shutdown()
    assert (list(arrived) if isinstance(value, list) else arrived) == value and isinstance(arrived, bool) == isinstance(value, bool)
