"""Starts the inspector as a managed node and brings it to the active state.

    ros2 launch hetnet_ros inspect.launch.py model:=/data/bracket.safetensors image:=/camera/image_raw

The node is configured when its process starts and activated when configuring has succeeded.  ``--show-args`` lists the
arguments; an argument left empty leaves the matter to the parameter file.  The launch ends when the node's process does,
unless ``respawn`` is on; then the node comes back and is brought up again.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, EmitEvent, LogInfo, OpaqueFunction, RegisterEventHandler, Shutdown
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

BOOLEAN = ["true", "false"]

# name: (default, description, choices)
ARGUMENTS = {
    "model": ("", "The .safetensors model to inspect with; a relative path is taken from where ros2 launch runs.", None),
    "image": ("image", "Topic of the camera's images.", None),
    "camera_info": ("camera_info", "Topic of the camera's CameraInfo.", None),
    "depth": ("depth", "Topic of the depth image aligned to the camera's.", None),
    "transport": ("", "raw, or compressed to take IMAGE/compressed; empty: as in the parameter file.", ["", "raw", "compressed"]),
    "namespace": ("", "Namespace of the node and of every topic given without a leading slash.", None),
    "name": ("inspector", "Name of the node.", None),
    "device": ("", "Where the network runs; empty: as in the parameter file.", ["", "auto", "cuda", "cpu"]),
    "params_file": ("", "Parameter file (YAML); empty: the package's config/inspect.yaml.", None),
    "use_sim_time": ("false", "Take the time from /clock, for simulators and bags.", BOOLEAN),
    "autostart": ("true", "Configure and activate the node; false leaves it to a lifecycle manager.", BOOLEAN),
    "respawn": ("false", "Start the node again when its process ends, instead of ending the launch.", BOOLEAN),
    "log_level": ("info", "Least severity that is logged.", ["debug", "info", "warn", "error", "fatal"]),
    "fastdds_profile": ("", "Fast DDS profile (XML) of the node; empty: the environment's, else the package's, whose shared "
                        "memory holds images.", None),
    "rviz": ("false", "Show the image, the overlay and the defects in RViz.", BOOLEAN),
}
PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")  # Fast DDS 3 and 2


def generate_launch_description() -> LaunchDescription:
    """The arguments of ``ARGUMENTS``, then everything that depends on their values."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description, **({"choices": choices} if choices else {}))
        for name, (default, description, choices) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node, its life cycle and RViz, for the arguments of this launch."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    respawn = given["respawn"] == "true"
    node = LifecycleNode(
        package="hetnet_ros",
        executable="inspector",
        namespace=given["namespace"],
        name=given["name"],
        parameters=parameters(given),
        remappings=[
            ("image", given["image"]),
            ("image/compressed", given["image"] + "/compressed"),
            ("camera_info", given["camera_info"]),
            ("depth", given["depth"]),
        ],
        ros_arguments=["--log-level", f"{logger_name(given)}:={given['log_level']}"],
        additional_env=fastdds_environment(given["fastdds_profile"]),
        output="screen",
        respawn=respawn,
        respawn_delay=2.0,
        on_exit=[] if respawn else [OpaqueFunction(function=end_launch)],
    )
    # The handlers come before the node: its process may start, and end, at once.
    entities = [*(life_cycle(node) if given["autostart"] == "true" else []), node]
    if given["rviz"] == "true":
        entities.append(rviz(given))
    return entities


def parameters(given: dict[str, str]) -> list:
    """The parameter file, then what was given on the command line, which wins."""
    file = given["params_file"] or os.path.join(get_package_share_directory("hetnet_ros"), "config", "inspect.yaml")
    file = existing_file("params_file", file)
    overrides = {"use_sim_time": given["use_sim_time"] == "true"}
    if given["model"]:
        overrides["model"] = os.path.abspath(os.path.expanduser(given["model"]))
    if given["device"]:
        overrides["device"] = given["device"]
    if given["transport"]:
        overrides["image_transport"] = given["transport"]
    return [file, overrides]


def life_cycle(node: LifecycleNode) -> list[LaunchDescriptionEntity]:
    """Handlers that configure the node whenever its process starts and activate it once that has succeeded."""

    def request(transition: int) -> EmitEvent:
        return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))

    return [
        RegisterEventHandler(OnProcessStart(target_action=node, on_start=[request(Transition.TRANSITION_CONFIGURE)])),
        # With the start state, or it would also fire on deactivation and undo it.
        RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=node, start_state="configuring", goal_state="inactive",
            entities=[request(Transition.TRANSITION_ACTIVATE)])),
        RegisterEventHandler(OnStateTransition(
            target_lifecycle_node=node, start_state="configuring", goal_state="unconfigured",
            entities=[LogInfo(msg="The inspector could not be configured and inspects nothing; its log above says why.")])),
    ]


def end_launch(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Ends the launch with the inspector; after Ctrl-C it is ending already, and a second time is an error of launch_ros."""
    return [] if context.is_shutdown else [Shutdown(reason="the inspector has ended")]


def logger_name(given: dict[str, str]) -> str:
    """The name of the node's logger: its full name with dots."""
    return ".".join(part for part in [*given["namespace"].split("/"), given["name"]] if part)


def fastdds_environment(profile: str) -> dict[str, str]:
    """What the argument ``fastdds_profile`` adds to the node's environment; the node knows the package's own profile."""
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
    """RViz with the package's layout, whose topic names are those of the default node name."""
    layout = os.path.join(get_package_share_directory("hetnet_ros"), "config", "inspect.rviz")
    outputs = [(f"inspector/{topic}", f"{given['name']}/{topic}") for topic in ("overlay", "anomaly_map", "mask", "markers")]
    return Node(
        package="rviz2",
        executable="rviz2",
        namespace=given["namespace"],
        arguments=["-d", layout],
        remappings=[("image", given["image"]), *outputs],
        parameters=[{"use_sim_time": given["use_sim_time"] == "true"}],
    )
