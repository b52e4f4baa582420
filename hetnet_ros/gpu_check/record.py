"""What a part of the check leaves behind: rows of its tables, how it ended, and in how many seconds.

A part writes its rows one by one to a file, as a line of JSON each, so that whatever ends its process costs only what was not
measured yet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

OK, FAILED, SKIPPED, LIMIT, INTERRUPTED = "ok", "failed", "skipped", "limit", "interrupted"
"""How a part or a row ended.  ``skipped``: what it needs is not here, which is no fault; ``limit``: it was still running when its
time was over."""


@dataclass(frozen=True)
class Row:
    """One row: the table it belongs to, its name, its figures by column, and if it has none, its state and why."""

    table: str
    name: str
    figures: Mapping[str, float | int | str] = field(default_factory=dict)
    state: str = OK
    reason: str = ""

    @classmethod
    def of(cls, values: Mapping) -> Row:
        return cls(values["table"], values["name"], values["figures"], values["state"], values["reason"])


@dataclass(frozen=True)
class PartResult:
    """A part's outcome; ``reason`` is one line on anything but ``ok``.  notes: one line each, beside its tables."""

    name: str
    title: str
    state: str
    reason: str = ""
    seconds: float = 0.0
    limit_s: float = 0.0
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def fine(self) -> bool:
        """Whether nothing went wrong; what is absent here did not."""
        return self.state in (OK, SKIPPED)


def as_values(results: list[PartResult]) -> list[dict]:
    """For JSON."""
    return [dataclasses.asdict(result) for result in results]
