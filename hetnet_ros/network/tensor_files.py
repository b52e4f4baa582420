"""safetensors files, read so that every byte is accounted for, and written whole or not at all.

The library maps a file instead of reading it, which kills the process when somebody copies over it, keeps the last of two tensors
of one name, and lets a header speak of anything.  So the file comes through the door of :mod:`hetnet_ros.user_files`, its header is
checked here, and the library gets bytes.
"""

from __future__ import annotations

import errno
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetnet_ros import plain_json
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.user_files import MB, read_bytes
from hetnet_ros.whole_files import whole_file

if TYPE_CHECKING:
    from torch import Tensor

HEADER_LIMIT = 32 * MB
"""Of the names, shapes and card before the tensors."""
_LENGTH = 8  # bytes that tell the header's length
_WIDTHS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
"""Bytes of a value, of the types that models and pretrained weights use."""
_MOST_AXES = 8


def read_tensors(path: str | Path, what: str, limit: int, remedy: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file.

    what, limit, remedy: as for :func:`hetnet_ros.user_files.read_bytes`.
    Raises InputError for a file that cannot be read, is larger or is no safetensors file from its first byte to its last.
    """
    data = read_bytes(path, what, limit, remedy)
    try:
        metadata = _checked_header(data)
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            return metadata, load(data)
        except (SafetensorError, RuntimeError) as error:
            raise ValueError(shown(str(error))) from None
    except ValueError as error:
        raise InputError(f"{what} {shown(path)} is not a readable safetensors file: {error}") from None


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file so that ``path`` is either the old file or the whole new one.  Raises InputError where it cannot be
    written."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with whole_file(path) as part:
        try:
            save_file(tensors, part, metadata)
        except SafetensorError as error:  # the operating system's refusal, whose number stands in the text alone
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from None


def _checked_header(data: bytes) -> dict[str, str]:
    """The metadata of a file whose header is sound; raises ValueError otherwise.

    Each name stands once, and the tensors, in the order of their places, fill the rest of the file without gap or overlap.
    """
    length = int.from_bytes(data[:_LENGTH], "little")
    if len(data) < _LENGTH or not 2 <= length <= min(HEADER_LIMIT, len(data) - _LENGTH):
        raise ValueError("it has no header of a sensible length")
    header = plain_json.parse(data[_LENGTH:_LENGTH + length].decode())
    if not isinstance(header, dict):
        raise ValueError("its header is no mapping of names")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("its metadata are no texts")
    end = 0
    for begin, stop in sorted(_place(name, entry) for name, entry in header.items()):
        if begin != end:
            raise ValueError("its tensors leave gaps or overlap")
        end = stop
    if end != len(data) - _LENGTH - length:
        raise ValueError("its tensors and the file end at different places")
    return metadata


def _place(name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor's values begin and end, as its type and shape want it."""
    try:
        kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        sound = len(entry) == 3 and len(shape) <= _MOST_AXES and all(type(n) is int and n >= 0 for n in (*shape, begin, end))
        sound = sound and end - begin == _WIDTHS[kind] * math.prod(shape)
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise ValueError(f"its header does not say how large {shown(name, 60)} is")
    return begin, end
