"""``hetnet run``: start one of the nodes where there is no ``ros2 run`` (ROS from Python wheels has none).

Everything after the node's name goes to ROS unchanged, so the same line works with either command.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util

from hetnet_ros.cli import interrupts
from hetnet_ros.errors import InputError

SUMMARY = "start one of the ROS 2 nodes without a launch file"

#: Node -> what it does.  Its code is the module ``hetnet_ros.nodes.<node>`` with ``main(args) -> int``.
NODES: dict[str, str] = {
    "inspector": "turns camera images into verdicts; a managed node",
    "virtual_camera": "publishes images of the virtual inspection cell",
    "fault_proxy": "does to pictures what networks and drivers do, to prove a cell",
    "reject_planner": "takes parts through viewpoints to the good, reject or re-inspect side",
}

EPILOG = (
    "nodes:\n"
    + "\n".join(f"  {name:16}{text}" for name, text in NODES.items())
    + """

example:
  hetnet run inspector --ros-args -p model:=/models/lid.safetensors -p autostart:=true -r image:=/camera/image_raw
  (autostart configures and activates the node at once; without it, use its lifecycle services)

parameters and topics: docs/interface.md"""
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", choices=NODES, metavar="NODE", help=f"which node: {', '.join(NODES)}")
    rest = parser.add_argument(
        "ros_arguments",
        nargs=argparse.REMAINDER,
        metavar="--ros-args ...",
        help="ROS arguments, as for 'ros2 run': -p NAME:=VALUE, --params-file FILE, -r FROM:=TO",
    )
    rest.required = False  # argparse would otherwise ask for it when NODE is missing


def run(args: argparse.Namespace) -> int:
    if args.ros_arguments[:1] in (["-h"], ["--help"]):
        print(f"{args.node}: {NODES[args.node]}\n\n{EPILOG}")
        return 0
    if importlib.util.find_spec("rclpy") is None:
        raise InputError(
            "rclpy is not installed for this Python: source a ROS 2 installation or install the ros-kilted "
            "wheels, see docs/install.md"
        )
    try:
        with interrupts.held():
            node = importlib.import_module(f"hetnet_ros.nodes.{args.node}")
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(("hetnet_ros.msg", "hetnet_ros.srv")):
            raise InputError(
                "the ROS interfaces of hetnet_ros are not built: run colcon build and source install/setup.bash, "
                "or install the package with pip, see docs/install.md"
            ) from error
        raise
    return node.main(args.ros_arguments)
