"""How a part reports: rows as they are measured, and each unit of work on its own, so that one that fails leaves the others.

After an error of the device a CUDA context is of no more use, and every later call would fail with the same words.  Such a unit
ends the process (:class:`DeviceLost`); the runner starts the part again with what is left of it.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import math
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.gpu_check.record import FAILED, SKIPPED, Row

_LOST = ("CUDA error", "CUDA failure", "device-side assert", "CUBLAS_STATUS", "CUDNN_STATUS")
_MOST = 400
"""Characters of a reason: what torch says of a missing driver is long, and worth it."""
_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "Failed to allocate memory")
"""What torch and ONNX Runtime say of a card's memory, and of the host's."""


class NotHere(Exception):
    """What a part needs is not on this machine; ``str(error)`` says what, and what to do."""


class DeviceLost(Exception):
    """The process can use its device no more."""


class Reporter:
    """Writes what a part finds to a file; ``skip`` are units that an earlier process of the part has dealt with."""

    def __init__(self, path: Path, skip: Sequence[str] = ()) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._skip = frozenset(skip)

    def remaining(self, units: Sequence[str]) -> list[str]:
        """Those of the units that are still to be done."""
        return [unit for unit in units if unit not in self._skip]

    def row(self, table: str, name: str, **figures: float | int | str) -> None:
        """A row of figures."""
        self._row(Row(table, name, {column: _finite(value) for column, value in figures.items()}))

    def failed(self, table: str, name: str, reason: str, **figures: float | int | str) -> None:
        """A row that is wrong, with the figures that show it, if any."""
        self._row(Row(table, name, {column: _finite(value) for column, value in figures.items()}, FAILED, shown(reason, _MOST)))

    def absent(self, table: str, name: str, reason: str) -> None:
        """A row of something that this machine does not have."""
        self._row(Row(table, name, {}, SKIPPED, shown(reason, _MOST)))

    def note(self, text: str) -> None:
        """One line that belongs to the part's tables."""
        self._write({"note": shown(text, _MOST)})

    def end(self, state: str, reason: str = "") -> None:
        """The last line."""
        self._write({"end": state, "reason": shown(reason, _MOST)})

    @contextmanager
    def unit(self, table: str, name: str) -> Iterator[None]:
        """Do what belongs to one row; what it raises becomes the row's reason, unless the device is lost with it."""
        self._write({"begin": name, "table": table})
        try:
            yield
        except NotHere as error:
            self.absent(table, name, str(error))
        except Exception as error:
            traceback.print_exc()
            self.failed(table, name, why(error))
            if any(word in str(error) for word in _LOST) and not _no_memory(error):
                raise DeviceLost(name) from error
            del error
        free_memory()

    def _row(self, row: Row) -> None:
        self._write({"row": dataclasses.asdict(row)})

    def _write(self, values: dict) -> None:
        self._file.write(json.dumps(values) + "\n")
        self._file.flush()


def why(error: BaseException) -> str:
    """One line on what was raised."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if _no_memory(error):
        return f"no memory: {text or type(error).__name__}"
    return text if isinstance(error, (InputError, NotHere)) else f"{type(error).__name__}: {text}"


def _finite(value: float | int | str) -> float | int | str:
    """JSON knows no NaN."""
    return value if isinstance(value, str) or math.isfinite(value) else "not finite"


def free_memory() -> None:
    """Give back what the unit before held, on the card too."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _no_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY)
