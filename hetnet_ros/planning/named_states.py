"""Joint positions of a robot's named states, from its semantic description (SRDF).

MoveIt's move_group action takes joint positions and poses only; names such as ``home`` are resolved by the client.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

from hetnet_ros.errors import InputError


def named_state(srdf: str, group: str, name: str) -> dict[str, float]:
    """Joint name -> position (rad or m) of the state ``name`` of a joint group.

    Raises InputError for a description that is not SRDF, or a state it does not hold, with those it does.
    """
    try:
        root = ElementTree.fromstring(srdf)
    except ElementTree.ParseError as error:
        raise InputError(f"the robot's semantic description is not XML: {error}") from None
    states = {state.get("name"): state for state in root.findall("group_state") if state.get("group") == group}
    if name not in states:
        known = ", ".join(sorted(filter(None, states))) or "none"
        raise InputError(f"group {group!r} has no named state {name!r}; the robot's SRDF has {known}")
    joints = {}
    for joint in states[name].findall("joint"):
        try:
            value = float(joint.get("value", ""))
        except ValueError:
            value = math.nan
        if not joint.get("name") or not math.isfinite(value):
            raise InputError(f"named state {name!r} of group {group!r} has a joint without one finite value")
        joints[joint.get("name")] = value
    if not joints:
        raise InputError(f"named state {name!r} of group {group!r} names no joint")
    return joints
