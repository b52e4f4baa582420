"""Who else is there under the same name.  ROS lets two nodes have one name and two servers offer one service: all of them
are asked, and the fastest answer wins.  The graph shows them, so whoever would act on an answer looks there first.

A node that was killed stays on the graph until DDS has forgotten it (some seconds), and counts as long as it does.
"""

from __future__ import annotations

from rclpy.node import Node


def namesakes(node: Node) -> int:
    """How many other nodes have this node's full name."""
    own = (node.get_name(), node.get_namespace())
    return max(0, [tuple(entry[:2]) for entry in node.get_node_names_and_namespaces()].count(own) - 1)


def twin_of(node: Node) -> str:
    """One line on other nodes of this node's name; empty where there is none."""
    others = namesakes(node)
    return f"{others + 1} nodes are named {node.get_fully_qualified_name()}: end all but one" if others else ""
