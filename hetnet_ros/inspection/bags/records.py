"""The plain values that storages give: topics, and messages as they were serialised; and the list of what was lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import one_line
from hetnet_ros.plain_yaml import parse_yaml


@dataclass(frozen=True)
class BagTopic:
    """A recorded topic.

    type: such as ``sensor_msgs/msg/Image``.  count: messages, None where only reading the whole bag would tell.
    reliable: the recorded publisher's reliability; True where the bag does not say.
    """

    name: str
    type: str
    count: int | None = None
    reliable: bool = True


@dataclass(frozen=True)
class Record:
    """One message: its topic, the type's name, the time of recording (ns) and the CDR bytes."""

    topic: str
    type: str
    log_ns: int
    data: bytes


class Losses:
    """Lines about what could not be read, each kept once, in the order found; at most :attr:`LIMIT` of them."""

    LIMIT = 50

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._more = 0

    def add(self, line: str) -> None:
        line = one_line(line)
        if line in self._lines:
            return
        if len(self._lines) < self.LIMIT:
            self._lines[line] = None
        else:
            self._more += 1

    @property
    def lines(self) -> tuple[str, ...]:
        more = (f"{self._more} more losses of such kinds",) if self._more else ()
        return (*self._lines, *more)


_MOST_PROFILE_VALUES = 5000
"""A publisher's profile has about 30, and a topic rarely ten publishers."""


def is_reliable(profiles: Any) -> bool:
    """Whether the offered QoS profiles of a topic ask for reliable delivery.

    profiles: YAML text or its content.  Up to metadata version 8 reliability is a number (1 reliable, 2 best effort),
    from 9 on a word.  True where nothing can be read.
    """
    try:
        profiles = parse_yaml(profiles, "QoS profiles", _MOST_PROFILE_VALUES) if isinstance(profiles, str) else profiles
        kinds = [str(profile["reliability"]).lower() for profile in profiles or ()]
    except (InputError, TypeError, KeyError):
        return True
    return not any(kind in ("2", "best_effort") for kind in kinds)
