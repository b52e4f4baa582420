"""Typed settings from plain YAML or JSON values: frozen dataclasses, checked field by field, with errors that say where."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from hetnet_ros.errors import InputError


def from_mapping(cls: type, values: Any, where: str) -> Any:
    """Build the frozen dataclass ``cls`` from a mapping; unknown or missing keys and values of another type raise
    InputError.

    Fields may be numbers, texts, truth values, tuples, dataclasses, mappings of names to these, or optional.  ``where``
    names the place in messages, for example ``cell.yaml: policy``.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    if not isinstance(values, dict):
        raise InputError(f"{where}: expected a mapping of {', '.join(fields)}")
    unknown = sorted(str(name) for name in set(values) - set(fields))
    if unknown:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(fields)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise InputError(f"{where}: missing key {missing[0]!r}")
    kinds = typing.get_type_hints(cls)
    return cls(**{name: _value(kinds[name], value, f"{where}.{name}") for name, value in values.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return from_mapping(kind, value, where)
    if origin in (typing.Union, types.UnionType):
        chosen = next(argument for argument in arguments if argument is not type(None))
        return None if value is None else _value(chosen, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise InputError(f"{where} is {value!r}: expected names and their values")
        return {name: _value(arguments[1], entry, f"{where}.{name}") for name, entry in value.items()}
    if origin is tuple:
        return _entries(arguments, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind in (int, float, str, bool) and type(value) is not kind:
        raise InputError(f"{where} is {value!r}: expected {kind.__name__}")
    return value


def _entries(kinds: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"{where} is {value!r}: expected a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise InputError(f"{where} is {value!r}: expected {len(kinds)} values")
    return tuple(_value(kind, entry, f"{where}[{index}]") for index, (kind, entry) in enumerate(zip(kinds, value)))
