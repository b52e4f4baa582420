"""YAML from a user or another machine: plain values, bounded in size, depth and number, and no surprises.

A few hundred bytes of aliases stand for billions of values, and a hundred thousand brackets run over the stack of the parser in C,
which kills the process.  So the events, which come one by one and cost nothing, are looked through before anything is built of
them.  What YAML 1.1 reads as a date or as minutes and seconds stays text, since nothing here has such a value; so does ``=``.  Keys
are names as they are written, since ``010``, ``1_0`` and ``no`` name views, parts and topics, and ``8``, ``10`` and ``False`` would
name others.
"""

from __future__ import annotations

import collections
import math
import re
from pathlib import Path
from typing import Any

import yaml

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.user_files import MB, read_text

LARGEST = 1 * MB
"""Bytes of a file that people write; the largest that ships with the package has 6 kB."""
MOST_VALUES = 50_000
MOST_DEEP = 50
"""Lists and mappings inside one another."""
MOST_DIGITS = {"int": 20, "float": 40}
"""Of a number: 2**64 has 20, and the longest that a float is written with has 25."""

_CORE = "tag:yaml.org,2002:"
_UNUSED = frozenset(_CORE + kind for kind in ("timestamp", "merge", "value"))
_TAGS = frozenset(_CORE + kind for kind in ("str", "int", "float", "bool", "null", "map", "seq"))
_C_OR_PYTHON = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: str | Path, what: str) -> Any:
    """The value in the YAML file ``path``.  what: the file's role, which opens the message.  Raises InputError."""
    return parse_yaml(read_text(path, what, LARGEST), f"{what} {shown(path)}")


def parse_yaml(text: str, where: str, most_values: int = MOST_VALUES) -> Any:
    """The value of one YAML document: None, bool, int, float (finite), str, list or dict.

    where: opens the message.  Raises InputError for what is no YAML, and for YAML that goes beyond the limits or uses aliases,
    anchors, directives, tags of other kinds or one key twice.
    """
    if re.search("^%", text, re.MULTILINE):
        raise InputError(f"{where} has a line that begins with %, a directive: leave it out")
    try:
        _check_events(text, where, most_values)
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader with fewer types
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" (line {mark.line + 1})" if mark else ""
        raise InputError(f"{where} is not valid YAML: {shown(error.problem or error.context)}{line}") from None
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where} is not valid YAML: {shown(error)}") from None


def _check_events(text: str, where: str, most_values: int) -> None:
    depth = values = 0
    for event in yaml.parse(text, _C_OR_PYTHON):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise InputError(f"{where} uses an anchor or alias, & or *, in line {line}: write out what it stands for")
        if isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)):
            values += 1
            if values > most_values:
                raise InputError(f"{where} has more than {most_values:,} values: it is not what it should be")
            if event.tag and event.tag not in _TAGS:
                raise InputError(f"{where} has the tag {shown(event.tag, 60)} in line {line}: leave it out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEEP:
                raise InputError(f"{where} has lists or mappings {depth} deep in line {line}, and at most {MOST_DEEP} are read")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Loader(_C_OR_PYTHON):  # type: ignore[misc, valid-type]
    """PyYAML's safe loader without dates, base 60, endless numbers, merging and keys that hide one another."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _UNUSED]
        for first, resolvers in _C_OR_PYTHON.yaml_implicit_resolvers.items()
    }

    def construct_written(self, node: yaml.Node) -> int | float | bool | str:
        """A number or a truth value, where a tag may call anything one."""
        try:
            return self.construct_yaml_bool(node) if node.tag == f"{_CORE}bool" else self.construct_number(node)
        except (ValueError, LookupError):
            said = f"{shown(repr(node.value), 60)} is no {node.tag[len(_CORE):]}"
            raise yaml.constructor.ConstructorError(None, None, said, node.start_mark) from None

    def construct_number(self, node: yaml.ScalarNode) -> int | float | str:
        text = node.value
        if ":" in text:
            return text
        whole = node.tag == f"{_CORE}int"
        if len(text) > MOST_DIGITS["int" if whole else "float"]:
            raise yaml.constructor.ConstructorError(None, None, f"a number of {len(text)} digits", node.start_mark)
        value = self.construct_yaml_int(node) if whole else self.construct_yaml_float(node)
        if not whole and not math.isfinite(value):
            raise yaml.constructor.ConstructorError(None, None, f"{text} is no finite number", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict:
        pairs = getattr(node, "value", [])
        for key, _ in pairs:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a list or mapping is no key", key.start_mark)
            if key.value == "<<" and not key.style:
                raise yaml.constructor.ConstructorError(None, None, "<< hides keys: write out what it stands for", key.start_mark)
            key.tag = f"{_CORE}str"  # a name, as it is written: the view 010 is not 8, and no is not False
        keys = [key.value for key, _ in pairs]
        if len(set(keys)) < len(keys):
            twice = collections.Counter(keys).most_common(1)[0][0]
            raise yaml.constructor.ConstructorError(None, None, f"the key {shown(repr(twice), 60)} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


for _kind in ("int", "float", "bool"):
    _Loader.add_constructor(_CORE + _kind, _Loader.construct_written)
