"""Exports made on demand, kept in the user's cache: a model file asked for another backend than torch.

The name holds all that the result depends on, so nothing stale is ever taken; a file that turns out damaged is made again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from hetnet_ros import __version__
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import load_artifact
from hetnet_ros.inspection.backends.interface import BackendKind
from hetnet_ros.inspection.exported import FORMAT, read_exported
from hetnet_ros.resources import cache_directory


def cached_export(model: Path, kind: BackendKind) -> Path:
    """The export of ``model`` for ``kind``, made now if the cache does not have it.

    Raises InputError where it cannot be made, or does not give torch's answers.
    """
    return CachedExports(model)[kind]


class CachedExports:
    """The exports of one model; what several of them have in common is computed once."""

    def __init__(self, model: Path) -> None:
        """Raises InputError where the model file cannot be used."""
        self._model = model
        self._model_id = load_artifact(model).model_id
        self._exporter = None

    def __getitem__(self, kind: BackendKind) -> Path:
        """As :func:`cached_export`."""
        key = hashlib.sha256(f"{FORMAT}|{__version__}|{kind}".encode()).hexdigest()[:8]
        path = cache_directory() / "exports" / f"{self._model_id}-{kind.name}-{key}{kind.suffix}"
        try:
            read_exported(path)
        except InputError:
            from hetnet_ros.inspection.export import Exporter

            self._exporter = self._exporter or Exporter(self._model)
            self._exporter.export(kind, path, cache=True)
        return path
