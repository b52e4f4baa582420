"""Any text at all, as YAML and as JSON: plain bounded values, or one line."""

from __future__ import annotations

import json
import math
from typing import Any

import yaml
from hostile_values import LETTERS, read_or_refused, values
from hypothesis import example, given
from hypothesis import strategies as st

from hetnet_ros import plain_json
from hetnet_ros.plain_json import parse_json
from hetnet_ros.plain_yaml import MOST_DEEP, parse_yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
PIECES = ("&a", "*a", "<<: ", "!!int ", "!!bool ", "!!float ", "!!null ", "!!str ", "!!map ", "!!seq ", "!!set ", "!!python/name:os.system ", "!x ",
          "? ", ": ", "- ", "[", "]", "{", "}", ", ", "\n", "\n  ", "\n    ", "a", "b", "'", '"', "|", ">", "%YAML 1.2\n", "---\n", "...\n", "# ",
          "~", "=", "yes", "0x1f", "0b", "0o7", "1_0", "190:20:30", "2024-01-01", ".inf", ".nan", "1e3", "1.0e+400", "-", "+", "_", "\t", "\0",
          "\ufeff", "\x85", "\u2028", "\\ud800", "\\u0000", "NaN", "Infinity", "null", "true", "1e999", "1" * 41)
puzzles = st.lists(st.one_of(st.sampled_from(PIECES), st.text(LETTERS, max_size=4)), max_size=25).map("".join)


def check_plain(value: Any, largest: int, deep: int = 0) -> None:
    """Finite plain values, no deeper than is read, which can be written as UTF-8."""
    assert deep < MOST_DEEP or not isinstance(value, (dict, list))
    if isinstance(value, dict):
        for key, entry in value.items():
            assert type(key) in (str, int, float, bool, type(None))
            check_plain(entry, largest, deep + 1)
    elif isinstance(value, list):
        for entry in value:
            check_plain(entry, largest, deep + 1)
    else:
        assert type(value) in (str, int, float, bool, type(None))
        assert not isinstance(value, (int, float)) or math.isfinite(value) and abs(value) < largest


@given(puzzles)
@example("!!bool maybe")
@example("!!int ''")
@example("!!float ''")
@example("!!int '_'")
@example("a: !!int '-'")
@example("!!map '': 1")
@example("!!seq []: 1")
@example("? !!bool x\n: 1")
@example("<<: {a: 1, a: 2}")
@example("<<: {a: 1}\na: 2")
@example("<<: [{a: 1}, {a: 2}]")
@example("{<<: a}")
@example("a: =")
@example("!!str {=: b}")
@example("- 0b_\n- 0x_\n")
@example("? 1.0\n: a\n? 1\n: b")
@example("? true\n: a\n? 1\n: b")
def test_yaml_is_plain_values_or_one_line(text):
    value = read_or_refused(lambda: parse_yaml(text, "it"))
    check_plain(value, 16**20)


@given(puzzles)
@example("<<: {a: 1, a: 2}")
def test_no_key_of_yaml_hides_another(text):
    """What is read says everything that was written: as many keys and entries as the text has."""
    value = read_or_refused(lambda: parse_yaml(text, "it"))
    if value is not None:
        assert _count(value) == sum(isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) for event in yaml.parse(text, LOADER))


def _count(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(1 + _count(entry) for entry in value.values())
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1


@given(values)
@example([[[["a"]]] * 50] * 50)
@example({"a": [10**19, -(10**19), 0.1 + 0.2, "2024-01-01", "12:30", "=", "<<"]})
def test_yaml_reads_back_what_was_written(value):
    try:
        text = yaml.safe_dump(value, sort_keys=False)
    except yaml.YAMLError:
        return
    read = read_or_refused(lambda: parse_yaml(text, "it"))
    assert read is None or read == value


@given(puzzles)
@example('{"a": 1, "a": 1}')
@example("[1e400, NaN]")
@example('"\\ud800"')
@example("[" * 51 + "]" * 51)
@example("[" * 60 + "]" * 60)
@example("-" + "9" * 40)
def test_json_is_plain_values_or_one_line(text):
    value = read_or_refused(lambda: parse_json(text, "it"))
    check_plain(value, 10**40)
    assert value is None or json.loads(text) == value


@given(values, st.booleans())
@example({"\ud800": 1}, True)
@example(["\udbff\udc00"], True)
def test_json_reads_back_what_was_written_or_refuses_it(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only).encode(errors="replace").decode()  # as it comes from a file
    read = read_or_refused(lambda: parse_json(text, "it"))
    assert read is None or read == json.loads(text)
    json.dumps(read, ensure_ascii=False).encode()


@given(values)
@example(5)
@example({"card": 5})
def test_what_is_no_text_is_no_json(value):
    if not isinstance(value, str):
        assert read_or_refused(lambda: plain_json.parse(value), ValueError) is None
