"""Starts the inspector and the reject planner, for the arm that the cell's file names.

    ros2 launch hetnet_ros pick_and_reject.launch.py cell_file:=cell.yaml model:=bracket.safetensors image:=/camera/image_raw
    ros2 launch hetnet_ros pick_and_reject.launch.py virtual_cell:=true model:=front.safetensors autostart:=true

The inspector is that of inspect.launch.py.  The planner waits for its service ``~/start`` unless ``autostart`` is on.  The
launch ends when one of its nodes does.  MoveIt's move_group is started by your robot's own launch file.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

BOOLEAN = ["true", "false"]

# name: (default, description, choices)
ARGUMENTS = {
    "cell_file": ("", "The cell's description (YAML); empty: the package's config/cell.yaml.", None),
    "recipe": ("", "Recipe of that file; empty: its only one.", None),
    "parts": ("0", "Parts to take; 0: until ~/stop.", None),
    "autostart": ("false", "Begin at once instead of waiting for ~/start of the planner.", BOOLEAN),
    "model": ("", "The .safetensors model to inspect with.", None),
    "image": ("image", "Topic of the camera's images.", None),
    "params_file": ("", "Parameter file (YAML) of the inspector; empty: the package's config/inspect.yaml.", None),
    "namespace": ("", "Namespace of all nodes.", None),
    "device": ("", "Where the network runs; empty: as in the parameter file.", ["", "auto", "cuda", "cpu"]),
    "virtual_cell": ("false", "Start the virtual camera as well.", BOOLEAN),
    "face": ("front", "Face of the part that the virtual camera shows.",
             ["back", "down", "front", "left", "right", "up"]),
    "defect_probability": ("0.5", "Share of defective parts in the virtual cell, 0 to 1.", None),
}


def generate_launch_description() -> LaunchDescription:
    """The arguments of ``ARGUMENTS``, then the nodes."""
    arguments = [
        DeclareLaunchArgument(name, default_value=value, description=text, **({"choices": choices} if choices else {}))
        for name, (value, text, choices) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The inspector as inspect.launch.py starts it, the planner, and the virtual camera if wanted."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    share = get_package_share_directory("hetnet_ros")
    cell_file = existing_file(given["cell_file"] or os.path.join(share, "config", "cell.yaml"))
    inspect = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(os.path.join(share, "launch", "inspect.launch.py")),
        launch_arguments={
            **{name: given[name] for name in ("model", "image", "params_file", "namespace", "device")},
            "autostart": "true",  # of the inspector, whatever this launch's own argument of that name says
        }.items(),
    )
    planner = node("reject_planner", given, {
        "cell_file": cell_file,
        **({"recipe": given["recipe"]} if given["recipe"] else {}),
        "parts": int(given["parts"]),
        "autostart": given["autostart"] == "true",
    })
    camera = node("virtual_camera", given, {
        "face": given["face"],
        "part_index": 0,
        "defect_probability": float(given["defect_probability"]),
    })
    return [inspect, planner, camera] if given["virtual_cell"] == "true" else [inspect, planner]


def node(executable: str, given: dict[str, str], parameters: dict) -> Node:
    """One of the package's nodes; the launch ends with it."""
    return Node(
        package="hetnet_ros",
        executable=executable,
        namespace=given["namespace"],
        parameters=[parameters],
        output="screen",
        on_exit=[OpaqueFunction(function=lambda context: end_launch(context, executable))],
    )


def end_launch(context: LaunchContext, executable: str) -> list[LaunchDescriptionEntity]:
    """Ends the launch with a node; after Ctrl-C it is ending already, and a second time is an error of launch_ros."""
    return [] if context.is_shutdown else [Shutdown(reason=f"{executable} has ended")]


def existing_file(path: str) -> str:
    """``path``, absolute.  Raises FileNotFoundError, which ends the launch with this one line."""
    absolute = os.path.abspath(os.path.expanduser(path))
    if not os.path.isfile(absolute):
        raise FileNotFoundError(f"cell_file: there is no file {absolute}")
    return absolute
