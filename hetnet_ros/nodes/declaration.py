"""One parameter of a node: how ROS declares it, and the values it takes.

Ranges, types and read-only flags go into ROS descriptors, so that tools show them and rclpy enforces them; words are
checked here.
"""

from __future__ import annotations

import array
import re
from dataclasses import dataclass

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

from hetnet_ros.errors import InputError


@dataclass(frozen=True)
class Declaration:
    """One parameter.  ``low`` and ``high`` bound numbers; ``choices`` lists the words allowed; ``frozen`` says when a
    change is refused: ``"never"``, ``"loaded"`` (as long as a model is loaded) or ``"always"`` (read-only).
    """

    name: str
    default: object
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    frozen: str = "never"

    def descriptor(self) -> ParameterDescriptor:
        # rclpy's own type check answers "expected '3' got '4'" and refuses 2 for 2.0, so types are checked here.
        descriptor = ParameterDescriptor(
            description=self.description, read_only=self.frozen == "always", dynamic_typing=True
        )
        remarks = []
        if self.choices:
            remarks.append(f"one of {', '.join(self.choices)}")
        if self.frozen == "loaded":
            remarks.append("changes only while the node is unconfigured")
        descriptor.additional_constraints = "; ".join(remarks)
        if isinstance(self.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=self.low, to_value=self.high, step=0.0)]
        elif isinstance(self.default, int) and not isinstance(self.default, bool):
            descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)]
        return descriptor

    def checked(self, value: object) -> object:
        """``value``, a whole number turned into a float where a float is due.  Raises InputError if it is not
        allowed.
        """
        if self.default == [""]:
            return _names(value, self.name)
        if isinstance(self.default, list):
            value = _whole_numbers(value)
        elif isinstance(self.default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(self.default):
            raise InputError(f"{self.name} is {value!r}; it must be {_KINDS[type(self.default)]}")
        if self.choices and value not in self.choices:
            raise InputError(f"{self.name} is {value!r}; it must be one of {', '.join(self.choices)}")
        if self.low is not None and not self.low <= value <= self.high:  # type: ignore[operator]
            raise InputError(f"{self.name} is {value}; it must be from {self.low:g} to {self.high:g}")
        return value


_KINDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "four whole numbers: x, y, width, height (px), all zero for the whole image",
}


def _whole_numbers(value: object) -> object:
    """A list of four ints where ``value`` is such a sequence (rclpy gives an array), else ``value`` as it is."""
    if isinstance(value, (list, tuple, array.array)) and len(value) == 4 and all(type(entry) is int for entry in value):
        return list(value)
    return value if not isinstance(value, (list, array.array)) else tuple(value)


def _names(value: object, parameter: str) -> list[str]:
    """A list of different names that may stand in topics; [""] for none.  Raises InputError for anything else."""
    names = list(value) if isinstance(value, (list, tuple)) else None
    if names in ([], [""]):
        return [""]
    if names is None or len(set(names)) < len(names) or not all(
        isinstance(name, str) and re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name) for name in names
    ):
        raise InputError(f"{parameter} is {value!r}; it must be a list of different names of letters, digits and _")
    return names
