"""Which files a bag consists of: those that ``metadata.yaml`` lists, where there is one that can be read, and what else lies in the
folder: a recorder that was killed has not listed its last files.

Of the metadata only file names and the mode of compression are used, and those read the same in versions 1 to 9 (foxy
to kilted), so a version is never a reason to refuse a bag.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.bags.records import Losses
from hetnet_ros.inspection.image_files import natural_order
from hetnet_ros.plain_yaml import parse_yaml
from hetnet_ros.user_files import read_text

SUFFIXES = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
METADATA = "metadata.yaml"
_KEY = "rosbag2_bagfile_information"
_ROS1 = b"#ROSBAG V"
_MOST_VALUES = 200_000
"""A recording of a week that was split every minute has 150,000."""


@dataclass(frozen=True)
class BagFiles:
    """files: in the order of recording.  packed_messages: whether the metadata says that each message is compressed by itself (zstd)."""

    files: tuple[Path, ...]
    packed_messages: bool = False


def is_bag(path: Path) -> bool:
    """Whether ``path`` looks like a bag: a storage file, or a folder with ``metadata.yaml`` or storage files; of ROS 1 too, so that
    opening it says so."""
    if os.path.isdir(path):  # pathlib's own raises for a name that is too long; so below
        try:
            return (path / METADATA).is_file() or bool(storage_files(path)) or _ros1_inside(path) is not None
        except OSError:
            return False
    return path.name.endswith(SUFFIXES) or _is_ros1(path)


def find_files(path: Path, losses: Losses) -> BagFiles:
    """The storage files of the bag at ``path``; a file that is missing or an unreadable metadata goes to ``losses``.

    Raises InputError where there is no bag at all.
    """
    if not os.path.exists(path):
        raise InputError(f"{path}: no such bag; check the path")
    if _is_ros1(path):
        raise _ros1(path)
    if path.is_file():
        if not path.name.endswith(SUFFIXES):
            raise InputError(f"{path} is no bag known here: give a .mcap or .db3 file, or the folder that holds it")
        return BagFiles((path,), _packed(path.parent / METADATA, path.name))
    try:
        found = storage_files(path)
    except OSError as error:
        raise InputError(f"{path} cannot be listed ({error.strerror}); check its permissions") from None
    named, packed = _from_metadata(path, losses)
    files = [path / name for name in _chosen(dict.fromkeys(named), [file.name for file in found], path, losses)]
    if not files and _ros1_inside(path) is not None:
        raise _ros1(_ros1_inside(path))
    if not files:
        raise InputError(f"{path} holds no storage file ({', '.join(SUFFIXES)}); give the folder of a rosbag2 recording")
    return BagFiles(tuple(files), packed)


def _chosen(named: Iterable[str], found: list[str], folder: Path, losses: Losses) -> list[str]:
    """The names of the files to read, in the order of recording; what is missing, and what was not named, goes to ``losses``."""
    there = [name for name in named if os.path.isfile(folder / name)]
    recorded = {_stem(name) for name in there}
    missing = [name for name in named if name not in there]
    extra, taken = [], {}
    for name in sorted((name for name in found if name not in there), key=lambda name: not name.endswith(".zstd")):  # originals first
        stem = _stem(name)
        if stem in recorded or stem in taken:
            losses.add(f"{name} is left out: it has the same name as {taken.get(stem, f'a file of {METADATA}')}, of which it seems to be "
                       "a copy")
            continue
        taken[stem] = name
        extra.append(name)
        if named and stem not in {_stem(name) for name in missing}:
            losses.add(f"{METADATA} does not list {name}: it is read all the same")
    for name in missing:
        if _stem(name) not in taken:
            losses.add(f"{name} is missing: {METADATA} names it")
    everything = sorted((*there, *extra), key=lambda name: natural_order(Path(_stem(name))))
    in_order = [name for name in everything if name in there] == there
    return everything if in_order else [*there, *sorted(extra, key=lambda name: natural_order(Path(name)))]


def _stem(name: str) -> str:
    return re.sub(r"\.(mcap|db3)(\.zstd)?$", "", name)


def storage_files(folder: Path) -> list[Path]:
    """The storage files directly in a folder, in natural order; raises OSError where it cannot be listed."""
    found = (file for file in folder.iterdir() if file.name.endswith(SUFFIXES) and not file.name.startswith("."))
    return sorted(found, key=natural_order)


def _is_ros1(path: Path) -> bool:
    """Whether it is a bag of ROS 1, whatever it is called."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_ROS1)) == _ROS1
    except OSError:
        return False


def _ros1_inside(folder: Path) -> Path | None:
    return next((file for file in sorted(folder.iterdir()) if file.suffix == ".bag" and _is_ros1(file)), None)


def _ros1(path: Path) -> InputError:
    return InputError(f"{path} is a bag of ROS 1: convert it with rosbags-convert --src {shlex.quote(str(path))} --dst "
                      f"{shlex.quote(str(path.with_name(_stem(path.stem) + '_ros2')))} and give the folder that this makes")


def _from_metadata(folder: Path, losses: Losses) -> tuple[list[str], bool]:
    """Names of the files and whether messages are packed."""
    path = folder / METADATA
    if not path.is_file():
        losses.add(f"there is no {METADATA}: took the storage files in the folder by name")
        return [], False
    try:
        content = _content(path)
        # The names may carry the folder they were recorded into.
        return [PurePosixPath(str(name)).name for name in content["relative_file_paths"]], _packs_messages(content)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        why = f" ({error})" if isinstance(error, InputError) else ""
        losses.add(f"{METADATA} cannot be read: took the storage files in the folder by name{why}")
        return [], False


def _packed(metadata: Path, name: str) -> bool:
    """Whether the bag around a single storage file packs its messages."""
    try:
        content = _content(metadata)
        return _packs_messages(content) and any(str(file).endswith(name) for file in content["relative_file_paths"])
    except (TypeError, KeyError, AttributeError, ValueError):  # InputError among them
        return False


def _content(path: Path) -> dict:
    return parse_yaml(read_text(path, "bag's metadata"), METADATA, _MOST_VALUES)[_KEY]


def _packs_messages(content: dict) -> bool:
    return str(content.get("compression_mode", "")).lower() == "message"
