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


class Servers:
    """Counts who would answer a call of ``node``."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def of_service(self, name: str) -> str:
        """One line on several servers of a service; empty for one or none.  name: as the client has it."""
        name = self._node.resolve_service_name(name)
        count = self._count(name)
        return f"{count} servers offer the service {name}: end all but one" if count > 1 else ""

    def of_action(self, name: str, owner: str = "") -> str:
        """One line on several servers of an action, or on one that is another node than ``owner``, a full name; empty for the
        right one, or none."""
        name = self._node.resolve_service_name(name)
        owners = self._owners(name)
        counts = (self._count(f"{name}/_action/{service}") for service in ("send_goal", "cancel_goal", "get_result"))
        count = max(len(owners), *counts)
        who = f" ({', '.join(owners)})" if owners else ""
        if count > 1:
            return f"{count} servers offer the action {name}{who}: end all but one"
        names = [f"{entry[1].rstrip('/')}/{entry[0]}" for entry in self._node.get_node_names_and_namespaces()]
        if names.count(owner) > 1:  # one of them may not offer it yet
            return f"{names.count(owner)} nodes are named {owner}: end all but one"
        if owner and owners and owners[0] != owner:
            return f"the action {name} is offered by {owners[0]}, not by {owner}: end it, or name it in the cell's file"
        return ""

    def _owners(self, action: str) -> list[str]:
        """Full names of the nodes that publish the status of an action: one for each server."""
        infos = self._node.get_publishers_info_by_topic(f"{action}/_action/status")
        return [f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos]

    def _count(self, service: str) -> int:
        if hasattr(self._node, "count_services"):
            return self._node.count_services(service)
        nodes = (tuple(entry[:2]) for entry in self._node.get_node_names_and_namespaces())  # Humble
        return sum(self._offers(name, namespace, service) for name, namespace in nodes)

    def _offers(self, name: str, namespace: str, service: str) -> bool:
        try:
            offered = self._node.get_service_names_and_types_by_node(name, namespace)
        except Exception:  # it has just gone
            return False
        return any(entry[0] == service for entry in offered)
