"""Starts the virtual camera and an inspector that looks at it, for a model taught from the virtual cell's pictures.

    hetnet cell front_parts --faces front --conditions mid --size 640x480 --train 60 --good 0 --defects 0
    hetnet train front_parts -o front.safetensors
    ros2 launch hetnet_ros demo.launch.py model:=front.safetensors face:=front

The inspector is that of inspect.launch.py, so it is brought up, watched and ended as in a real cell; all other
arguments of the camera are its parameters (``ros2 param set``).  ``--show-args`` lists the arguments of this file.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

# name: (default, description, choices)
ARGUMENTS = {
    "model": ("", "The .safetensors model to inspect with; taught from the same face and distance.", None),
    "face": ("front", "Face of the part that is shown.", ["back", "down", "front", "left", "right", "up"]),
    "illumination": ("mid", "Level of light.", ["high", "mid", "low"]),
    "rate_hz": ("2.0", "Pictures per second.", None),
    "defect_probability": ("0.5", "Share of defective parts, 0 to 1.", None),
    "seed": ("0", "Seed of the row of parts.", None),
    "namespace": ("", "Namespace of both nodes.", None),
    "device": ("", "Where the network runs; empty: as in the parameter file.", ["", "auto", "cuda", "cpu"]),
    "rviz": ("false", "Show the image and the overlay in RViz.", ["true", "false"]),
}
CAMERA_PARAMETERS = {"face": str, "illumination": str, "rate_hz": float, "defect_probability": float, "seed": int}


def generate_launch_description() -> LaunchDescription:
    """The arguments of ``ARGUMENTS``, then both nodes."""
    arguments = [
        DeclareLaunchArgument(
            name, default_value=default, description=description, **({"choices": choices} if choices else {})
        )
        for name, (default, description, choices) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The camera, and the inspector as inspect.launch.py starts it."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    share = get_package_share_directory("hetnet_ros")
    camera = Node(
        package="hetnet_ros",
        executable="virtual_camera",
        namespace=given["namespace"],
        parameters=[{name: kind(given[name]) for name, kind in CAMERA_PARAMETERS.items()}],
        output="screen",
        on_exit=[OpaqueFunction(function=end_launch)],
    )
    inspect = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(os.path.join(share, "launch", "inspect.launch.py")),
        launch_arguments={name: given[name] for name in ("model", "namespace", "device", "rviz")}.items(),
    )
    return [inspect, camera]  # a failed include must not leave a camera behind


def end_launch(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Ends the launch with the camera; after Ctrl-C it is ending already, and a second time is an error of
    launch_ros."""
    return [] if context.is_shutdown else [Shutdown(reason="the virtual camera has ended")]
