"""Looking into folders without stumbling over what is not there or may not be read."""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.inspection.image_files import list_images, natural_order


def subfolders(path: Path) -> list[Path]:
    """The folders directly in ``path``, in natural order, hidden ones left out; none if it is no readable folder."""
    try:
        found = [child for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")]
    except OSError:
        return []
    return sorted(found, key=natural_order)


def images_in(path: Path) -> list[Path]:
    """As :func:`list_images`, but nothing where there is no such folder."""
    return list_images(path) if path.is_dir() else []
