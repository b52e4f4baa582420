"""Where the package's configuration files are, in the source tree and installed."""

from __future__ import annotations

from pathlib import Path


def config_path(name: str) -> Path:
    """Path of a file or folder below ``config/``."""
    return Path(__file__).resolve().parent.parent / "config" / name
