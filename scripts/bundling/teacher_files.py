"""Writes the teachers' weights of a bundle, run by the set-up's Python (it needs torch): ``teacher_files.py FOLDER [--half]``.

They are read out of their packages, never out of a cache.  ``--half`` rounds them to half precision and leaves out the
Transformer's blocks after the last one that a shipped preset uses; the file says so in its metadata, and the loader
(``hetnet_ros.network.weights``) makes it whole again.  Prints what was written as JSON, with the hash that model cards will have.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from hetnet_ros.learning.preset import load_preset, preset_names
from hetnet_ros.network.weights import BLOCKS, PACKAGED, ROUNDED, resolve_weights


def last_block(model: str) -> int:
    """The last of the Transformer's blocks that any shipped preset uses, counted from 0; -1 where none uses ``model`` as one."""
    presets = [load_preset(name) for name in preset_names()]
    presets += [variant for preset in presets for variant in (preset.turned, preset.large_defects) if variant]
    used = [preset.network.transformer for preset in presets if preset.network.transformer.model == model]
    return max((index for config in used for index in config.indices), default=-1)


def reduced(tensors: dict[str, Tensor], blocks: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Values in half precision, where its range holds them, without ``blocks.N...`` from N = ``blocks`` on (0: keep all)."""
    kept = {}
    for name, value in tensors.items():
        if blocks and name.startswith("blocks.") and int(name.split(".")[1]) >= blocks:
            continue
        half = value.half() if value.is_floating_point() else value
        kept[name] = half if not value.is_floating_point() or bool(torch.isfinite(half).all()) else value
    return kept, {ROUNDED: "float16", **({BLOCKS: str(blocks)} if blocks else {})}


def write(folder: Path, half: bool) -> dict[str, dict]:
    """Model -> its SHA-256 as model cards have it and, of a reduced copy, the number of blocks kept."""
    written = {}
    for model, read in PACKAGED.items():
        tensors, metadata = read(), {}
        if half:
            tensors, metadata = reduced(tensors, last_block(model) + 1)
        path = folder / f"{model}.safetensors"
        save_file({name: value.contiguous() for name, value in tensors.items()}, path, metadata)
        path.chmod(0o644)
        found = resolve_weights(model, str(path))  # as the other machine will read it
        written[model] = {"sha256": found.sha256, **({"blocks": found.blocks} if found.blocks else {})}
    return written


if __name__ == "__main__":
    try:
        print(json.dumps(write(Path(sys.argv[1]), "--half" in sys.argv[2:])))
    except ImportError as error:
        sys.exit(f"error: {error}")
