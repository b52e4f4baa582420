"""Which files a bag consists of: ``metadata.yaml`` where there is one that can be read, else what lies in the folder.

Of the metadata only file names and the mode of compression are used, and those read the same in versions 1 to 9 (foxy
to kilted), so a version is never a reason to refuse a bag.
"""

from __future__ import annotations

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
_MOST_VALUES = 200_000
"""A recording of a week that was split every minute has 150,000."""


@dataclass(frozen=True)
class BagFiles:
    """files: in the order of recording.  packed_messages: whether each message is compressed by itself (zstd)."""

    files: tuple[Path, ...]
    packed_messages: bool = False


def is_bag(path: Path) -> bool:
    """Whether ``path`` looks like a bag: a storage file, or a folder with ``metadata.yaml`` or storage files."""
    if path.is_dir():
        try:
            return (path / METADATA).is_file() or bool(_storage_files(path))
        except OSError:
            return False
    return path.name.endswith(SUFFIXES)


def find_files(path: Path, losses: Losses) -> BagFiles:
    """The storage files of the bag at ``path``; a file that is missing or an unreadable metadata goes to ``losses``.

    Raises InputError where there is no bag at all.
    """
    if not path.exists():
        raise InputError(f"{path}: no such bag; check the path")
    if path.is_file():
        if not path.name.endswith(SUFFIXES):
            raise InputError(f"{path} is no bag known here: give a .mcap or .db3 file, or the folder that holds it")
        return BagFiles((path,), _packed(path.parent / METADATA, path.name))
    try:
        found = _storage_files(path)
    except OSError as error:
        raise InputError(f"{path} cannot be listed ({error.strerror}); check its permissions") from None
    named, packed = _from_metadata(path, losses)
    missing = [name for name in named if not (path / name).is_file()]
    for name in missing:
        losses.add(f"{name} is missing: {METADATA} names it")
    files = [path / name for name in named if name not in missing] or found
    if not files:
        raise InputError(f"{path} holds no storage file ({', '.join(SUFFIXES)}); give the folder of a rosbag2 recording")
    return BagFiles(tuple(files), packed)


def _storage_files(folder: Path) -> list[Path]:
    return sorted((file for file in folder.iterdir() if file.name.endswith(SUFFIXES)), key=natural_order)


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
