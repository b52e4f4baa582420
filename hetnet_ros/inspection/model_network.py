"""The network of a model file: rebuilt from its card, on the very teachers it was taught with.

Before anything takes memory or is looked up, the card's network is built on torch's meta device, which holds shapes alone, and the
file's tensors are held against it.
"""

from __future__ import annotations

from pathlib import Path

import torch

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown
from hetnet_ros.inspection.artifact import EXAMPLES, MAX_EXAMPLES, REFERENCES, TAUGHT, Artifact, check_fits
from hetnet_ros.inspection.domain import MAX_REFERENCES
from hetnet_ros.network.config import NetworkConfig
from hetnet_ros.network.hetnet import HetNet
from hetnet_ros.network.weights import local_weights


def build_network(path: Path, artifact: Artifact) -> HetNet:
    """The network of ``artifact``, read from ``path``, in evaluation mode, on the CPU.

    Raises InputError for a file or a teacher that cannot be used, with what to do.
    """
    check_fits(artifact.tensors, expected_tensors(path, artifact.card.network), path)
    weights = []
    for config, record in zip((artifact.card.network.cnn, artifact.card.network.transformer), artifact.card.teachers):
        found = local_weights(config.model, record.sha256)
        if found.sha256 != record.sha256:
            raise InputError(f"model {path} was taught with other weights of {config.model} (sha256 "
                             f"{record.sha256[:12]}) than those from {found.source} ({found.sha256[:12]}): put the "
                             "former into the weights cache or teach the part again")
        weights.append(found)
    network = HetNet(artifact.card.network, *weights)
    network.load_state_dict(artifact.tensors, strict=False)
    return network.eval().requires_grad_(False)


def expected_tensors(path: Path, config: NetworkConfig) -> dict[str, tuple[torch.dtype, tuple[int | range, ...]]]:
    """Type and shape of every tensor that the file of such a network holds; a range where a length may vary.

    Raises InputError where the card names a network that cannot be built.
    """
    try:
        with torch.device("meta"):
            network = HetNet(config)
    except (RuntimeError, ValueError, AssertionError, LookupError, TypeError, AttributeError) as error:  # as timm raises them
        raise InputError(f"model {path} names a network that cannot be built ({shown(error, 120)}): teach the part again") from None
    width, size = 2 * network.global_shapes[0][0], config.image_size
    return {**{name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in network.trained_state().items()},
            REFERENCES: (torch.float16, (range(1, MAX_REFERENCES + 1), width)), TAUGHT: (torch.int64, (range(1, 2**31),)),
            EXAMPLES: (torch.uint8, (range(MAX_EXAMPLES + 1), size, size, 3))}
