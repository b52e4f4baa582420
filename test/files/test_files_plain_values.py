"""YAML and JSON from elsewhere: plain values within limits, and one line for anything else, whatever it would have cost."""

from __future__ import annotations

import json

import pytest

from hetnet_ros.errors import InputError
from hetnet_ros.plain_json import parse_json, read_json
from hetnet_ros.plain_yaml import MOST_DEEP, parse_yaml, read_yaml

NESTED = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))


@pytest.mark.parametrize(("text", "words"), [
    ("a0: &a0 [x]\n" + NESTED, "uses an anchor or alias, & or *, in line 1"),
    ("<<: *a\n", "anchor or alias"),
    ("[" * 100_000, "lists or mappings 51 deep"),
    ("a: " * 100_000, "not allowed in this context"),
    ("- " * 100_000, "51 deep"),
    ("? " * 100_000, "51 deep"),
    ("%TAG !a! b\n---\n1", "begins with %, a directive"),
    ("x: " + "1" * 5000, "a number of 5000 digits"),
    ("x: 0." + "1" * 5000, "a number of 5002 digits"),
    ("x: .nan", "no finite number"),
    ("x: -.inf", "no finite number"),
    ("x: 1.0e+999", "no finite number"),
    ("a: 1\na: 2", "the key 'a' is given twice"),
    ("b: {1: 2, 1: 3}", "the key '1' is given twice"),
    ("b: {1: 2, '1': 3}", "the key '1' is given twice"),
    ("b: {<<: {x: 1}, x: 2}", "<< hides keys"),
    ("<<: [{x: 1}, {x: 2}]", "<< hides keys"),
    ("!!python/object/apply:os.system [ls]", "has the tag"),
    ("x: !!binary aGk=", "has the tag"),
    ("x: !!timestamp 2024-01-01", "has the tag"),
    ("? [a]\n: 1", "a list or mapping is no key"),
    ("[" + "1," * 60_000 + "1]", "more than 50,000 values"),
    ("--- 1\n--- 2", "another document"),
    ("a: \0", "not valid YAML"),
    ("a: [", "not valid YAML"),
])
def test_yaml_beyond_the_limits_is_one_line(text, words):
    with pytest.raises(InputError, match="^it ") as caught:
        parse_yaml(text, "it")
    assert words in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_what_yaml_would_read_as_a_date_or_a_time_stays_text():
    """A view called 12:30 would else be 750, and a part named after its day no text."""
    text = "part: 2024-01-01\nview: 12:30\nwhen: 2024-01-01T10:00:00Z\nnumber: 10:20:30.5"
    assert parse_yaml(text, "it") == {"part": "2024-01-01", "view": "12:30", "when": "2024-01-01T10:00:00Z", "number": "10:20:30.5"}


def test_keys_are_names_as_they_are_written():
    """A view called 010 would else be the view 8, and one called no, off or on be False or True, which nobody asks for."""
    text = "{010: 1, 8: 2, no: 3, On: 4, 1.0: 5, 1: 6, 1_0: 7, ~: 8, 0x1f: 9, 12:30: a, 2024-01-01: b, 1e3: c, .nan: d}"
    assert list(parse_yaml(text, "it")) == ["010", "8", "no", "On", "1.0", "1", "1_0", "~", "0x1f", "12:30", "2024-01-01", "1e3", ".nan"]


def test_ordinary_yaml_reads_as_before():
    text = "a: [1, 2.5, -3, 0x1f, 1_000, 1.5e+3]\nb: {c: yes, d: null, 'e': \"f\"}\ng: |\n  two\n  lines\nh: !!str 5\n"
    assert parse_yaml(text, "it") == {"a": [1, 2.5, -3, 31, 1000, 1500.0], "b": {"c": True, "d": None, "e": "f"},
                                      "g": "two\nlines\n", "h": "5"}
    deepest = "[" * MOST_DEEP + "]" * MOST_DEEP
    assert parse_yaml(deepest, "it") is not None


def test_shipped_files_are_within_the_limits(source_root):
    for path in sorted((source_root / "config").rglob("*.yaml")):
        assert isinstance(read_yaml(path, "file"), dict)


@pytest.mark.parametrize(("text", "words"), [
    ("[" * 200_000, "more than 50 deep"),
    ('{"a":' * 200_000, "more than 50 deep"),
    ("[" * 60 + "]" * 60, "more than 50 deep"),
    ('{"a": 1, "a": 2}', "the key 'a' is given twice"),
    ("[NaN]", "NaN is no JSON number"),
    ("[-Infinity]", "no JSON number"),
    ("[1e999]", "no finite number"),
    ("1" * 5000, "a number of 5000 digits"),
    ("[" + "1," * 3_000_001 + "1]", "more than 3,000,000 values"),
    (r'{"mask": "\ud800"}', "not valid JSON"),
    ("{'a': 1}", "not valid JSON"),
    ("", "not valid JSON"),
])
def test_json_beyond_the_limits_is_one_line(text, words):
    with pytest.raises(InputError, match="^it ") as caught:
        parse_json(text, "it")
    assert words in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_ordinary_json_reads_as_before():
    value = {"a": [1, -2.5, "x", None, True], "stamp": 1_700_000_000_123_456_789, "b": {"c": "Größe 😀"}, "d": 0.1 + 0.2}
    assert parse_json(json.dumps(value), "it") == parse_json(json.dumps(value, ensure_ascii=False), "it") == value


def test_a_file_is_named_with_its_role(tmp_path):
    for read, name in ((read_yaml, "a.yaml"), (read_json, "a.json")):
        with pytest.raises(InputError, match=f"^recipe .*{name} does not exist"):
            read(tmp_path / name, "recipe")
        (tmp_path / name).write_text("[")
        with pytest.raises(InputError, match=f"^recipe .*{name} is not valid"):
            read(tmp_path / name, "recipe")
