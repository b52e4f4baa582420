"""Which frame of a recording a picture shows that came back from an annotation tool: its name says so, or it is refused.

``hetnet label --extract`` writes ``frame_000123.png``.  Roboflow makes ``frame_000123_png.rf.<hash>.jpg`` of it, and newer exports
give the old name beside that; Label Studio puts eight letters in front.  A label at the wrong frame would be worse than none, so a
name is taken back to what it was, and where one could be read in two ways nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown

_EXTRACTED = re.compile(r"(?:[0-9a-f]{8}-)?frame_([0-9]{6,})")
_ROBOFLOW = re.compile(r"(?P<stem>.+)_(?P<kind>png|jpe?g|jfif|bmp|tiff?|webp|p[bgnp]m)\.rf\.[0-9A-Za-z_-]+\.\w+", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-fA-F-]{16,}")
_ADVICE = "name pictures as hetnet label --extract does (frame_000123.png), or with one prefix and the frame's number"


def frame_numbers(names: Iterable[str], source: Path) -> dict[str, int]:
    """The frame's number for each name of a picture, a path or a file name.

    Raises InputError where a name says no number, names do not follow one pattern, or two are of one frame.
    """
    stems = {name: _stem(name, source) for name in names}
    extracted = {name: _EXTRACTED.fullmatch(stem) for name, stem in stems.items()}
    folders = {str(PurePosixPath(name.replace("\\", "/")).parent) for name in stems}
    if len(folders) > 1:
        raise InputError(f"{shown(source)} has pictures of several folders ({', '.join(map(shown, sorted(folders)[:3]))}), which may be of "
                         "several recordings: import one recording's at a time")
    if any(extracted.values()):
        numbers = {name: int(match[1]) for name, match in extracted.items() if match}
    else:
        numbers = _after_one_prefix(stems, source)
    for name in stems:
        if name not in numbers:
            raise InputError(f"{shown(source)}: {shown(name)} does not say which frame it shows; {_ADVICE}, or leave it out")
    seen: dict[int, str] = {}
    for name, number in numbers.items():
        if number in seen:
            raise InputError(f"{shown(source)}: {shown(seen[number])} and {shown(name)} are both frame {number}; remove one (of augmented "
                             "copies export only the originals)")
        seen[number] = name
    return numbers


def _after_one_prefix(stems: dict[str, str], source: Path) -> dict[str, int]:
    parts = {name: re.fullmatch(r"(.*?)([0-9]+)", stem) for name, stem in stems.items()}
    prefixes = {match[1]: name for name, match in parts.items() if match}
    if len(prefixes) > 1:
        one, other = list(prefixes.values())[:2]
        raise InputError(f"{shown(source)}: the names {shown(one)} and {shown(other)} do not follow one pattern, so their numbers may "
                         f"not be the frames'; {_ADVICE}")
    return {name: int(match[2]) for name, match in parts.items() if match and not _HASH.fullmatch(stems[name])}


def _stem(name: str, source: Path) -> str:
    """The stem that the picture had before a tool renamed it."""
    base = PurePosixPath(name.replace("\\", "/")).name
    renamed = _ROBOFLOW.fullmatch(base)
    if renamed:
        return renamed["stem"]
    if ".rf." in base:
        raise InputError(f"{shown(source)}: {shown(name)} was renamed by Roboflow and does not say what it was called; {_ADVICE}")
    return PurePosixPath(base).stem
