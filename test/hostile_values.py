"""What nobody would write, for property tests: strategies of Hypothesis, and what every reader owes to whatever it is given."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, TypeVar

import yaml
from hypothesis import strategies as st

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_LINE

T = TypeVar("T")
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

NASTY_TEXTS = ("", " ", "\n", "\r\nPASS", "\0", "\x1b[2J", "\u202e", "\ud800", "\udcff", "..", "/", "~", "nan", "-inf", "0x1f", "1e999", "%n",
               "a" * 300, "a" * 5000, "ä" * 200, "\N{GREEK CAPITAL LETTER OMEGA}/../" * 40)
LETTERS = "".join(map(chr, range(0x180))) + "\u0663\u2028\u202e\u2603\ufeff\uffff\U0001f600\U000e0001\ud800\udcff"
"""A few of each kind: all of Unicode would take Hypothesis seconds to look up."""
texts = st.one_of(st.sampled_from(NASTY_TEXTS), st.text(LETTERS, max_size=20))
numbers = st.one_of(
    st.integers(-3, 300), st.integers(-(2**70), 2**70), st.floats(),
    st.sampled_from([0, -0.0, 2**31, 2**32, 2**53 + 1, 2**63, 10**39, -(10**39), 5e-324, 1e308, math.nan, math.inf, -math.inf]))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)), max_leaves=8)


@st.composite
def changed(draw: st.DrawFn, value: Any, most: int = 3) -> Any:
    """``value`` of lists and dictionaries with one to ``most`` things in it replaced, removed, added, doubled or swapped."""
    root = [copy.deepcopy(value)]
    for _ in range(draw(st.integers(1, most))):
        if root:
            _change(draw, *draw(st.sampled_from(list(_places(root)))))
    return root[0] if root else None


def _places(holder: Any) -> Any:
    """(container, key or index) of everything below ``holder``."""
    for place in (range(len(holder)) if isinstance(holder, list) else list(holder)):
        yield holder, place
        if isinstance(holder[place], (list, dict)):
            yield from _places(holder[place])


def _change(draw: st.DrawFn, holder: Any, place: Any) -> None:
    old = holder[place]
    how = draw(st.sampled_from(["another", "number", "absent", "more", "text", "wrapped", "deep", "nudged"]))
    if how == "absent":
        holder.pop(place)
    elif how == "more" and isinstance(old, dict):
        old[draw(texts)] = draw(values)
    elif how == "more" and isinstance(old, list):
        old.insert(draw(st.integers(0, len(old))), draw(st.one_of(values, st.sampled_from(old) if old else st.none())))
    elif how == "number":
        holder[place] = draw(numbers)
    elif how == "text":
        holder[place] = str(old)
    elif how == "wrapped":
        holder[place] = draw(st.sampled_from([[old], {"": old}, [old, old]]))
    elif how == "deep":
        for _ in range(draw(st.sampled_from([30, 60, 200]))):
            old = [old]
        holder[place] = old
    elif how == "nudged" and isinstance(old, (int, float)):
        holder[place] = draw(st.sampled_from([-old, old + 1, old * 10, old / 10, float(old), not old]))
    else:
        holder[place] = draw(values)


@st.composite
def damaged(draw: st.DrawFn, data: bytes, most: int = 4) -> bytes:
    """``data`` with some bytes changed, taken out, put in, doubled or cut off."""
    changed_data = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        at = draw(st.integers(0, max(len(changed_data) - 1, 0)))
        how = draw(st.sampled_from(["byte", "bit", "number", "cut", "out", "in", "doubled", "zeros"]))
        if how == "byte":
            changed_data[at:at + 1] = bytes([draw(st.integers(0, 255))])
        elif how == "bit" and changed_data:
            changed_data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "number":
            width = draw(st.sampled_from([2, 4, 8]))
            number = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1])) % 256**width
            changed_data[at:at + width] = number.to_bytes(width, draw(st.sampled_from(["little", "big"])))
        elif how == "cut":
            del changed_data[at:]
        elif how == "out":
            del changed_data[at:at + draw(st.integers(1, 64))]
        elif how == "in":
            changed_data[at:at] = draw(st.binary(max_size=32))
        elif how == "doubled":
            changed_data[at:at] = changed_data[at:at + draw(st.integers(1, 256))]
        elif how == "zeros":
            length = draw(st.integers(1, 512))
            changed_data[at:at + length] = bytes(len(changed_data[at:at + length]))
    return bytes(changed_data)


def read_or_refused(read: Callable[[], T], *also: type[Exception]) -> T | None:
    """What ``read`` returns, or None where it refuses with InputError (or one of ``also``) in one printable line of bounded length.
    Any other exception passes, and fails the test."""
    try:
        return read()
    except (InputError, *also) as error:
        line = str(error)
        assert line.strip() and line.isprintable() and len(line) <= MOST_IN_LINE + 100, line[:2000]
        return None


@st.composite
def yaml_files(draw: st.DrawFn, value: Any) -> bytes:
    """Files like that of ``value``: other values, other bytes, or both."""
    if draw(st.booleans()):
        value = draw(changed(value))
    try:
        data = yaml.dump(value, Dumper=DUMPER, sort_keys=False, default_flow_style=draw(st.booleans())).encode()
    except (yaml.YAMLError, UnicodeEncodeError, RecursionError):
        data = repr(value).encode(errors="replace")
    return draw(damaged(data)) if draw(st.integers(0, 3)) == 0 else data
