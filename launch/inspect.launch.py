"""Starts the inspector and brings it to the active state.

    ros2 launch hetnet_ros inspect.launch.py model:=/data/bracket.safetensors image:=/camera/image_raw

``--show-args`` lists the arguments; one left empty leaves the matter to the parameter file.  The managed node takes
itself through configure and activate (its parameter ``autostart``).  Transitions requested from here would first have
to wait for discovery, some seconds, and leave a traceback of launch_ros when the process ends before that, as it does
on a bad argument.  The launch ends when the node's process does, unless ``respawn`` is on; then the node comes back and
starts itself again.
"""

import os
import tempfile

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

BOOLEAN = ["true", "false"]

# name: (default, description, choices)
ARGUMENTS = {
    "model": ("", "The .safetensors model to inspect with; a relative path is taken from where ros2 launch runs.",
              None),
    "image": ("image", "Topic of the camera's images.", None),
    "transport": ("", "raw, or compressed to take IMAGE/compressed; empty: as in the parameter file.",
                  ["", "raw", "compressed"]),
    "namespace": ("", "Namespace of the node and of every topic given without a leading slash.", None),
    "name": ("inspector", "Name of the node.", None),
    "device": ("", "Where the network runs; empty: as in the parameter file.", ["", "auto", "cuda", "cpu"]),
    "backend": ("", "What runs the model (file, auto, torch, openvino-bf16, ...); empty: as in the parameter file.", None),
    "params_file": ("", "Parameter file (YAML); empty: the package's config/inspect.yaml.", None),
    "use_sim_time": ("false", "Take the time from /clock, for simulators and bags.", BOOLEAN),
    "autostart": ("true", "Configure and activate the node; false leaves it to a lifecycle manager.", BOOLEAN),
    "respawn": ("false", "Start the node again when its process ends, instead of ending the launch.", BOOLEAN),
    "log_level": ("info", "Least severity that the node logs.", ["debug", "info", "warn", "error", "fatal"]),
    "fastdds_profile": ("", "Fast DDS profile (XML) of the node; empty: the environment's, else the package's, whose "
                        "shared memory holds images.", None),
    "rviz": ("false", "Show the image and the overlay in RViz.", BOOLEAN),
}
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")  # Fast DDS 3 and 2


def generate_launch_description() -> LaunchDescription:
    """The arguments of ``ARGUMENTS``, then everything that depends on their values."""
    arguments = [
        DeclareLaunchArgument(name, default_value=value, description=text, **({"choices": choices} if choices else {}))
        for name, (value, text, choices) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node, and RViz if wanted, for the arguments of this launch."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    respawn = given["respawn"] == "true"
    node = Node(
        package="hetnet_ros",
        executable="inspector",
        namespace=given["namespace"],
        name=given["name"],
        parameters=parameters(given),
        remappings=[
            ("image", given["image"]),
            ("image/compressed", given["image"] + "/compressed"),
        ],
        ros_arguments=["--log-level", f"{logger_name(given)}:={given['log_level']}"],
        additional_env=fastdds_environment(given["fastdds_profile"]),
        output="screen",
        respawn=respawn,
        respawn_delay=2.0,
        on_exit=None if respawn else [OpaqueFunction(function=end_launch)],
    )
    return [node, rviz(given)] if given["rviz"] == "true" else [node]


def end_launch(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Ends the launch with the inspector; after Ctrl-C it is ending already, and twice is an error of launch_ros."""
    return [] if context.is_shutdown else [Shutdown(reason="the inspector has ended")]


def parameters(given: dict[str, str]) -> list:
    """The parameter file, then what was given on the command line, which wins."""
    file = given["params_file"] or os.path.join(get_package_share_directory("hetnet_ros"), "config", "inspect.yaml")
    overrides = {name: given[name] == "true" for name in ("autostart", "use_sim_time")}
    if given["model"]:
        overrides["model"] = os.path.abspath(os.path.expanduser(given["model"]))
    if given["device"]:
        overrides["device"] = given["device"]
    if given["backend"]:
        overrides["backend"] = given["backend"]
    if given["transport"]:
        overrides["image_transport"] = given["transport"]
    return [existing_file("params_file", file), overrides]


def logger_name(given: dict[str, str]) -> str:
    """The name of the node's logger: its full name with dots."""
    return ".".join(part for part in [*given["namespace"].split("/"), given["name"]] if part)


def fastdds_environment(profile: str) -> dict[str, str]:
    """What ``fastdds_profile`` adds to the node's environment; the node knows the package's own profile."""
    if not profile:
        return {}
    return {name: existing_file("fastdds_profile", profile) for name in PROFILE_VARIABLES}


def existing_file(argument: str, path: str) -> str:
    """``path``, absolute.  Raises FileNotFoundError, which ends the launch with this one line."""
    absolute = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(absolute):
        raise FileNotFoundError(f"{argument}: there is no file {absolute}")
    return absolute


def rviz(given: dict[str, str]) -> Node:
    """RViz with the package's layout, for the topics of this launch.

    Raises PackageNotFoundError if RViz is not installed.  Here, before any process runs: a launch that fails halfway
    leaves behind what it has started.
    """
    get_package_share_directory("rviz2")
    path = os.path.join(get_package_share_directory("hetnet_ros"), "config", "inspect.rviz")
    with open(path, encoding="utf-8") as file:
        layout = file.read()
    layout = layout.replace("Value: /image\n", f"Value: {absolute_topic(given['namespace'], given['image'])}\n")
    layout = layout.replace("Value: /inspector/", f"Value: {absolute_topic(given['namespace'], given['name'])}/")
    with tempfile.NamedTemporaryFile("w", prefix="hetnet_", suffix=".rviz", delete=False) as file:
        file.write(layout)
    return Node(package="rviz2", executable="rviz2", arguments=["-d", file.name],
                parameters=[{"use_sim_time": given["use_sim_time"] == "true"}])


def absolute_topic(namespace: str, topic: str) -> str:
    """``topic`` as seen from ``namespace``; one with a leading slash stays as it is."""
    return topic if topic.startswith("/") else "/" + "/".join(part for part in (namespace.strip("/"), topic) if part)
