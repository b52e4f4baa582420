"""JSON read so that a text means one thing only: no name twice, and every number finite.

Python's own reader keeps the last of two equal names, takes ``NaN``, ``Infinity`` and ``1e999``, and gives up on deep nesting with
an error that is no ValueError.  A threshold that is NaN switches off what it guards, so files of ours are read here.
"""

from __future__ import annotations

import json
import math
from typing import Any

from hetnet_ros.foreign_text import shown

_MOST_DIGITS = 20
"""Of a whole number; 64 bits have no more."""


def parse(text: str) -> Any:
    """The value of a JSON text.  Raises ValueError, in one line, for a text that is no JSON or means more than one thing."""
    try:
        return json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in values if names.count(name) > 1)
        raise ValueError(f"it has {shown(twice, 60)!r} twice")
    return values


def _no_number(word: str) -> None:
    raise ValueError(f"it holds {word}, which is no number")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"it holds {shown(digits, 40)}, which is too large")
    return value


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"it holds a whole number of {len(digits)} digits")
    return int(digits)
