"""Exports made on demand, kept in the user's cache: a model file asked for another backend than torch.

The name holds all that the result depends on, but a name is only a name.  What lies there is taken where nobody else can have
written it, and where it says it was made from this very model, for this backend, by this version: same id, same card with the
thresholds of its own shift, same tensors outside the network.  Anything else is made again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from hetnet_ros import __version__
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import Artifact, load_artifact
from hetnet_ros.inspection.backends.interface import BackendKind
from hetnet_ros.inspection.exported import FORMAT, Description, Exported, export_files, fitted_card, open_exported, outside_arrays
from hetnet_ros.inspection.private_cache import is_own, make_way, private_folder
from hetnet_ros.inspection.signature import PublicKeys


def cached_export(model: Path, kind: BackendKind, trusted: PublicKeys | None = None) -> Exported:
    """The export of ``model`` for ``kind``, made now if the cache does not have it.

    Raises InputError where it cannot be made, or does not give torch's answers.
    """
    return CachedExports(model, trusted)[kind]


class CachedExports:
    """The exports of one model; what several of them have in common is computed once."""

    def __init__(self, model: Path, trusted: PublicKeys | None = None) -> None:
        """trusted: keys of which one must have signed the model; None: it need not be signed.

        Raises InputError where the model file cannot be used.
        """
        self._model = model
        self._artifact = load_artifact(model)
        if trusted is not None:
            trusted.check(model, self._artifact.digest)
        self._exporter = None

    def path(self, kind: BackendKind) -> Path:
        """Where the export for ``kind`` is kept; raises InputError where there is no safe place."""
        key = hashlib.sha256(f"{FORMAT}|{__version__}|{kind}".encode()).hexdigest()[:8]
        return private_folder("exports") / f"{self._artifact.model_id}-{kind.name}-{key}{kind.suffix}"

    def __getitem__(self, kind: BackendKind) -> Exported:
        """As :func:`cached_export`."""
        path = self.path(kind)
        found = self._found(path, kind)
        if found is None:
            from hetnet_ros.inspection.export import Exporter

            self._exporter = self._exporter or Exporter(self._model)
            for file in export_files(path):
                make_way(file)
            self._exporter.export(kind, path, cache=True)
            found = self._found(path, kind)
        if found is None:
            raise InputError(f"the export {path} of {self._model} was changed while it was made: try again, or set HETNET_CACHE to a "
                             "folder of your own")
        return found

    def _found(self, path: Path, kind: BackendKind) -> Exported | None:
        """What the cache has, if it can be trusted."""
        if not all(is_own(file) for file in export_files(path)):
            return None
        try:
            exported = open_exported(path)
        except InputError:
            return None
        return exported if _is_of(exported.description, self._artifact, kind) else None


def _is_of(description: Description, artifact: Artifact, kind: BackendKind) -> bool:
    """Whether an export was made from this model, for this backend, by this version of hetnet."""
    arrays = outside_arrays(artifact)
    return (description.model_id == artifact.model_id and description.backend == kind and description.made_by == __version__
            and description.card == fitted_card(artifact.card, kind, description.parity)
            and all(np.array_equal(description.arrays[name], array) for name, array in arrays.items()))
