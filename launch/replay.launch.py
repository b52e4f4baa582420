"""Plays a recording to the inspector with ``ros2 bag play`` and simulated time.

    ros2 launch hetnet_ros replay.launch.py bag:=/data/shift_7 model:=/data/bracket.safetensors image:=/camera/image_raw

The inspector is that of inspect.launch.py, with ``use_sim_time``: the bag's clock is the time, so recorded stamps are as
fresh as they were.  Verdicts are recorded into ``output`` where it is given.  The launch ends with the bag.  For figures
against labels use ``hetnet replay``; this one is for looking at a recording with other nodes around.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
    TimerAction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity

# name: (default, description, choices)
ARGUMENTS = {
    "bag": ("", "The recording: a folder or a storage file.", None),
    "model": ("", "The .safetensors model to inspect with.", None),
    "image": ("/camera/image_raw", "Topic of the images in the recording.", None),
    "transport": ("", "raw, or compressed to take IMAGE/compressed; empty: as in the parameter file.",
                  ["", "raw", "compressed"]),
    "rate": ("1.0", "Speed of playing, times the recorded one.", None),
    "delay": ("20.0", "Seconds until the bag plays, in which the model loads.", None),
    "output": ("", "Folder to record the verdicts into; empty: they are not recorded.", None),
    "namespace": ("", "Namespace of the inspector.", None),
    "device": ("", "Where the network runs; empty: as in the parameter file.", ["", "auto", "cuda", "cpu"]),
    "rviz": ("false", "Show the image and the overlay in RViz.", ["true", "false"]),
}


def generate_launch_description() -> LaunchDescription:
    """The arguments of ``ARGUMENTS``, then inspector, player and recorder."""
    arguments = [
        DeclareLaunchArgument(
            name, default_value=default, description=description, **({"choices": choices} if choices else {})
        )
        for name, (default, description, choices) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The inspector as inspect.launch.py starts it, and ``ros2 bag`` beside it."""
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    bag = os.path.abspath(os.path.expanduser(given["bag"]))
    if not given["bag"] or not os.path.exists(bag):
        raise FileNotFoundError(f"bag: there is no recording {given['bag'] or '(none was given)'}")
    share = get_package_share_directory("hetnet_ros")
    inspect = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(os.path.join(share, "launch", "inspect.launch.py")),
        launch_arguments={
            **{name: given[name] for name in ("model", "image", "transport", "namespace", "device", "rviz")},
            "use_sim_time": "true",
        }.items(),
    )
    player = ExecuteProcess(
        cmd=["ros2", "bag", "play", bag, "--clock", "100", "--rate", given["rate"]],
        output="screen",
        on_exit=[OpaqueFunction(function=end_launch)],
    )
    entities = [inspect, TimerAction(period=float(given["delay"]), actions=[player])]
    if given["output"]:
        topic = f"/{given['namespace'].strip('/')}/inspector/inspection".replace("//", "/")
        entities.insert(1, ExecuteProcess(
            cmd=["ros2", "bag", "record", "-o", given["output"], topic, "/diagnostics"], output="screen",
        ))
    return entities


def end_launch(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Ends the launch with the bag; after Ctrl-C it is ending already, and twice is an error of launch_ros."""
    return [] if context.is_shutdown else [Shutdown(reason="the bag has been played")]
