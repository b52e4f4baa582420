"""The network of a model file: rebuilt from its card, on the very teachers it was taught with."""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.artifact import EXAMPLES, REFERENCES, TAUGHT, Artifact, check_fits
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.weights import resolve_weights


def build_network(path: Path, artifact: Artifact) -> HetNet:
    """The network of ``artifact``, read from ``path``, in evaluation mode, on the CPU.

    Raises InputError for a file or a teacher that cannot be used, with what to do.
    """
    weights = []
    for config, record in zip((artifact.card.network.cnn, artifact.card.network.transformer), artifact.card.teachers):
        found = resolve_weights(config.model, wanted=record.sha256)
        if found.sha256 != record.sha256:
            raise InputError(f"model {path} was taught with other weights of {config.model} (sha256 "
                             f"{record.sha256[:12]}) than those from {found.source} ({found.sha256[:12]}): put the "
                             "former into the weights cache or teach the part again")
        weights.append(found)
    network = HetNet(artifact.card.network, *weights)
    expected = {**network.trained_state(), REFERENCES: None, TAUGHT: None, EXAMPLES: None}
    check_fits(artifact.tensors, expected, path)
    network.load_state_dict(artifact.tensors, strict=False)
    return network.eval().requires_grad_(False)
