"""Teachers for the check, in a cache of its own: the user's weights where they are at hand, else random ones, which are as fast.

The user's cache is read and never written to, so that no random weights can be taken for real ones later.
"""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.gpu_check.plan import Settings
from hetnet_ros.network.config import NetworkConfig

RANDOM = "random weights: for speed only"


def provide_teachers(network: NetworkConfig, settings: Settings) -> list[str]:
    """Put both teachers' weights into the check's cache; returns the names of those that are random."""
    return [teacher.model for teacher in (network.cnn, network.transformer) if _provide(teacher.model, settings)]


def _provide(model: str, settings: Settings) -> bool:
    """Whether the weights are random."""
    from hetnet_ros.network.weights import resolve_weights

    ours = settings.folder / "cache" / "weights" / f"{model}.safetensors"
    mark = ours.with_suffix(".random")
    ours.parent.mkdir(parents=True, exist_ok=True)
    theirs = Path(settings.user_cache) / "weights" / ours.name
    if not ours.exists() and theirs.is_file():
        ours.symlink_to(theirs.resolve())
    if not mark.exists():
        try:
            resolve_weights(model, allow_hub=settings.hub)
            return False
        except InputError:
            ours.unlink(missing_ok=True)
            _write_random(model, ours)
            mark.touch()
    return True


def _write_random(model: str, path: Path) -> None:
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file({name: value.contiguous() for name, value in timm.create_model(model, pretrained=False).state_dict().items()}, path)
