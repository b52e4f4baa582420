"""JSON from a user or another program: bounded in size, depth and number of values, and nothing that JSON does not have.

Python's own reader takes NaN, hides all but the last of equal keys, spends minutes on a number of a million digits, and ends with
a RecursionError for brackets within brackets.
"""

from __future__ import annotations

import collections
import json
import math
import re
from pathlib import Path
from typing import Any

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.user_files import MB, read_text

LARGEST = 64 * MB
"""Bytes of a file; a replay of an hour at 10 Hz writes 20 MB."""
MOST_VALUES = 3_000_000
"""Which take about 200 MB of memory."""
MOST_DEEP = 50
MOST_DIGITS = 40


def read_json(path: str | Path, what: str, remedy: str = "check the path") -> Any:
    """The value in the JSON file ``path``.  what: the file's role, which opens the message.  Raises InputError."""
    return parse_json(read_text(path, what, LARGEST, remedy), f"{what} {shown(path)}")


def parse_json(text: str, where: str) -> Any:
    """As :func:`parse`; raises InputError."""
    try:
        return parse(text, where)
    except ValueError as error:
        raise InputError(str(error)) from None


def parse(text: str, where: str = "it") -> Any:
    """The value of a JSON text.  where: opens the message.  Raises ValueError, in one line, for what is no JSON, and for JSON that goes
    beyond the limits, gives one key twice, or has text that no other program could read."""
    if not isinstance(text, str):  # JSON within JSON may be anything
        raise ValueError(f"{where} is no text")
    if text.count(",") + text.count("[") + text.count("{") > MOST_VALUES:
        raise ValueError(f"{where} has more than {MOST_VALUES:,} values: it is not what it should be")
    try:
        value = json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_refused, object_pairs_hook=_mapping)
        if re.search(r"\\u[dD][89a-fA-F]", text):
            json.dumps(value, ensure_ascii=False).encode()  # halves of a surrogate pair, which UTF-8 does not have
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:
        raise ValueError(f"{where} is not valid JSON: {shown(error)}") from None
    level, depth = [value], 0
    while level:
        level = [child for one in level if isinstance(one, (dict, list))
                 for child in (one.values() if isinstance(one, dict) else one)]
        depth += 1
        if depth > MOST_DEEP:
            raise _too_deep(where)
    return value


def _too_deep(where: str) -> ValueError:
    return ValueError(f"{where} has lists or objects inside one another more than {MOST_DEEP} deep: it is not what it should be")


def _whole(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text) if len(text) <= MOST_DIGITS else math.inf
    if not math.isfinite(value):
        raise ValueError(f"{shown(text, MOST_DIGITS)} is no finite number of at most {MOST_DIGITS} digits")
    return value


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = collections.Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {shown(repr(twice), 60)} is given twice")
    return found
