"""Flips single bits of model files and exports, at random: each must be refused, or the file must say exactly what it said before.

    python benchmarks/bit_flips.py                        # on a small model, taught now in seconds
    python benchmarks/bit_flips.py --model part.safetensors --flips 1000 --json flips.json

Each part of a file (a model's header and its tensors, an ONNX export's graph and its description, OpenVINO's three files) gets as many
flips as any other, since a description is a thousandth of its file and holds all thresholds.  A file that is read all the same counts
as ``same`` where id, card, arrays and the verdicts on three images are what they were; anything else is a breach, as is any
error but the one line for the user.  Exits with 1 where there was a breach.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from hetnet_ros.errors import InputError

ROOT = Path(__file__).resolve().parents[1]
FORMATS = {"onnx": "part.onnx", "openvino": "part.xml"}


@dataclass(frozen=True)
class Part:
    """A stretch of a file: bytes ``begin`` to ``end`` of ``file``, which belongs to the model ``opened``."""

    name: str
    opened: Path
    file: Path
    begin: int
    end: int


@dataclass
class Tally:
    """What became of the flips of one part; ``breaches`` has a line for each."""

    refused: int = 0
    same: int = 0
    breaches: list[str] = field(default_factory=list)


def parts_of(model: Path) -> list[Part]:
    """The parts of a model file or an exported model."""
    from hetnet_ros.inspection.onnx_description import taken_apart

    data = model.read_bytes()
    if model.suffix == ".onnx":
        split = len(taken_apart(data)[0])
        return [Part(".onnx graph", model, model, 0, split), Part(".onnx description", model, model, split, len(data))]
    if model.suffix == ".xml":
        files = [model.with_suffix(suffix) for suffix in (".xml", ".bin", ".json")]
        return [Part(file.suffix, model, file, 0, file.stat().st_size) for file in files]
    split = 8 + int.from_bytes(data[:8], "little")
    return [Part(".safetensors header", model, model, 0, split), Part(".safetensors tensors", model, model, split, len(data))]


def content(model: Path) -> dict[str, Any]:
    """All that a file says; raises InputError where it is refused."""
    from hetnet_ros.inspection.artifact import load_artifact
    from hetnet_ros.inspection.exported import is_exported, read_exported

    if is_exported(model):
        found = read_exported(model)
        return {"id": found.model_id, "card": found.card, "backend": found.backend, "parity": found.parity, **found.arrays}
    artifact = load_artifact(model)
    return {"id": artifact.model_id, "card": artifact.card, **{name: tensor.numpy() for name, tensor in artifact.tensors.items()}}


def verdicts(model: Path) -> list[tuple]:
    """Verdict and score of noise, grey and black."""
    from hetnet_ros.inspection.part_inspector import PartInspector

    inspector = PartInspector.load(model, "cpu", threads=1)
    size = inspector.card.network.image_size
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    found = [inspector.inspect(image) for image in (noise, np.full_like(noise, 128), np.zeros_like(noise))]
    return [(one.model_id, one.verdict, one.reason, one.score) for one in found]


def flip(part: Part, count: int, rng: np.random.Generator, progress: Callable[[range], Any] = iter) -> Tally:
    """Flip ``count`` bits of a part, one after another; the file is afterwards what it was."""
    before, judged, tally = content(part.opened), verdicts(part.opened), Tally()
    with part.file.open("r+b", buffering=0) as file:
        for _ in progress(range(count)):
            place, bit = int(rng.integers(part.begin, part.end)), 1 << int(rng.integers(8))
            file.seek(place)
            was = file.read(1)
            _write(file, place, bytes([was[0] ^ bit]))
            try:
                same = _equal(content(part.opened), before) and verdicts(part.opened) == judged
            except InputError as error:
                tally.refused += 1
                if "\n" in str(error):
                    tally.breaches.append(f"{part.name}, byte {place}, bit {bit}: more than one line: {error}")
            except Exception as error:  # noqa: BLE001 - a crash is what is looked for
                tally.breaches.append(f"{part.name}, byte {place}, bit {bit}: {type(error).__name__}: {error}")
            else:
                tally.same += same
                if not same:
                    tally.breaches.append(f"{part.name}, byte {place}, bit {bit}: read with other content")
            finally:
                _write(file, place, was)
    return tally


def _write(file: Any, place: int, data: bytes) -> None:
    file.seek(place)
    file.write(data)


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(value, other[name]) and value.dtype == other[name].dtype if isinstance(value, np.ndarray)
        else value == other[name] for name, value in one.items())


def small_model(folder: Path) -> Path:
    """A model of the tests' kind, with random teachers in a weights cache of its own."""
    sys.path.insert(0, str(ROOT / "test"))
    os.environ["HETNET_CACHE"] = str(folder / "cache")
    import timm
    import torch
    from model_fixtures import TINY_PRESET, made_up_part, write_images
    from safetensors.torch import save_file

    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach

    (folder / "cache" / "weights").mkdir(parents=True)
    for name in ("tf_efficientnet_lite0", "vit_tiny_patch16_224"):
        torch.manual_seed(0)
        save_file(timm.create_model(name).state_dict(), folder / "cache" / "weights" / f"{name}.safetensors")
    preset = folder / "tiny.yaml"
    preset.write_text(TINY_PRESET)
    images = write_images(folder / "good", [made_up_part(seed) for seed in range(16)])
    teach(images, folder / "part.safetensors", load_preset(str(preset)), device="cpu", progress=False)
    return folder / "part.safetensors"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a model file; by default a small one is taught")
    parser.add_argument("--flips", type=int, default=1000, help="bits to flip in each part of a file (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args(argv)
    from hetnet_ros.inspection.export import export_model

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = args.model or small_model(folder)
        model = folder / "flipped.safetensors"
        model.write_bytes(given.read_bytes())  # the user's own file stays as it is
        parts = parts_of(model)
        for backend, file in FORMATS.items():
            export_model(model, folder / file, backend)
            parts += parts_of(folder / file)
        tallies = {}
        for part in parts:
            rng = np.random.default_rng((args.seed, len(tallies)))
            tallies[part.name] = flip(part, args.flips, rng, lambda steps: tqdm(steps, desc=part.name, leave=False, disable=None))
    print(f"{'part':24}{'flips':>8}{'refused':>9}{'same':>7}{'breaches':>10}")
    for name, tally in tallies.items():
        print(f"{name:24}{args.flips:8}{tally.refused:9}{tally.same:7}{len(tally.breaches):10}")
    breaches = [line for tally in tallies.values() for line in tally.breaches]
    print("\n".join(breaches[:20]) or "no breach")
    if args.json:
        args.json.write_text(json.dumps({"flips": args.flips, "parts": {n: asdict(t) for n, t in tallies.items()}}, indent=2) + "\n")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
