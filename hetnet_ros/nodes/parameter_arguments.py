"""Parameters as words of a node's command line.  ROS reads each value as YAML, in which ``a # b``, ``x: y`` or ``1.5`` are no text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


def parameter_arguments(values: Mapping[str, object]) -> list[str]:
    """What follows ``--ros-args``: for each parameter ``-p NAME:=VALUE``, which the node gets as it is here.

    values: text, paths, numbers, bools, and lists of one of them.
    """
    words = ((name, str(value) if isinstance(value, Path) else value) for name, value in values.items())
    return [word for name, value in words for word in ("-p", f"{name}:={json.dumps(value, ensure_ascii=False)}")]
