"""The model file: one ``.safetensors`` with the trained tensors and, in its metadata, a JSON card.

The card says how to rebuild the network, which teachers it needs (by hash), how raw scores become verdicts and what it
was taught on.  A digest over card and tensors is the model's identity and refuses a file that was changed or damaged.
No pickle anywhere, and nothing that depends on the clock: the same teaching gives the same bytes.  torch is imported only
where a model file is read or written, since exported models carry the same card to machines without it.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hetnet_ros.configuration import from_mapping
from hetnet_ros.errors import InputError
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.domain import DomainLimits
from hetnet_ros.inspection.image_statistics import StatisticLimits
from hetnet_ros.network.config import NetworkConfig
from hetnet_ros.whole_files import whole_file

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 4
READ_VERSIONS = (2, 3, 4)
"""2 knew no crop: its models look at the whole image.  Up to 3 the CNN's stages were all reproduced or none."""
REFERENCES = "domain.references"
"""Name of the tensor with the taught views' descriptors, float16 (N, D)."""
TAUGHT = "domain.taught"
"""Name of the tensor with a digest of each image that taught the students, int64 (N,): none of them may calibrate."""
EXAMPLES = "export.images"
"""Name of the tensor with some good images, uint8 (N, S, S, 3): what exports are checked and quantised on."""
MAX_EXAMPLES = 32
_KEY = "hetnet"  # one metadata key only: safetensors does not keep the order of several


@dataclass(frozen=True)
class TeacherRecord:
    """A teacher a model depends on: timm name and SHA-256 of its pretrained weights."""

    model: str
    sha256: str


@dataclass(frozen=True)
class TrainingSummary:
    """What the model was taught on: counts of good images, their sizes in px, steps, seed, views per image, final loss.

    held_out: images not taught, of which the calibration was made; ``folds`` > 0: cross-conformal instead, every image was
    taught and calibrated by models that had not seen it.  recalibrated: good images of a later ``hetnet calibrate``.
    """

    images: int
    held_out: int
    min_size: tuple[int, int]
    max_size: tuple[int, int]
    steps: int
    seed: int
    views: int
    loss: float
    folds: int = 0
    recalibrated: int = 0


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model but its tensors.  crop: the part of each image that it was taught on and looks at."""

    part_name: str
    preset: str
    network: NetworkConfig
    teachers: tuple[TeacherRecord, TeacherRecord]
    calibration: Calibration
    domain: DomainLimits
    training: TrainingSummary
    crop: Crop = Crop()
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Artifact:
    """A model file in memory; ``model_id`` is the first 16 hex digits of its digest."""

    card: ModelCard
    tensors: dict[str, Tensor]
    model_id: str


def save_artifact(path: Path, card: ModelCard, tensors: dict[str, Tensor]) -> str:
    """Write the model atomically and return its model_id.  Raises InputError where it cannot be written."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(dataclasses.asdict(card), sort_keys=True)
    digest = _digest(text, tensors)
    save_tensors(path, tensors, {_KEY: json.dumps({"card": text, "digest": digest})})
    return digest[:16]


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file so that ``path`` is either the old file or the whole new one.  Raises InputError where it cannot be
    written."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with whole_file(path) as part:
        try:
            save_file(tensors, part, metadata)
        except SafetensorError as error:  # the operating system's refusal, whose number stands in the text alone
            number = re.search(r"os error (\d+)", str(error))
            raise OSError(int(number[1]) if number else errno.EIO, str(error)) from None


def load_artifact(path: Path) -> Artifact:
    """Read and check a model file.

    Raises InputError when it is absent, no safetensors, not a model of ours, of another format version, incomplete, or
    when its digest does not match its content.
    """
    metadata, tensors = read_tensors(path, "model")
    if _KEY not in metadata:
        raise InputError(f"{path} is a safetensors file but no hetnet model (it has no card): make one with hetnet train")
    try:
        wrapper = json.loads(metadata[_KEY])
        text, digest = wrapper["card"], wrapper["digest"]
        values = json.loads(text)
        version = values["format_version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"the card of model {path} is damaged: restore the file or teach the part again") from None
    if version not in READ_VERSIONS:
        raise InputError(f"model {path} has format version {version}, this hetnet reads {READ_VERSIONS[0]} to {READ_VERSIONS[-1]}: "
                         "teach the part again or use the hetnet that made it")
    if _digest(text, tensors) != digest:
        raise InputError(f"model {path} does not match its digest: it was changed or damaged; restore the file or teach "
                         "the part again")
    try:
        card = card_from_values(values)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"the card of model {path} is not valid: {error}") from None
    return Artifact(card, tensors, digest[:16])


def read_tensors(path: Path, what: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a safetensors file; InputError where it cannot be read as one."""
    import safetensors

    if not Path(path).is_file():
        remedy = "leave out --resume" if what == "checkpoint" else "make one with hetnet train"
        raise InputError(f"{what} {path} does not exist or is no file: check the path, or {remedy}")
    try:
        with safetensors.safe_open(str(path), "pt") as file:
            return dict(file.metadata() or {}), {key: file.get_tensor(key) for key in file.keys()}
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"{what} {path} is not a readable safetensors file: {error}") from None


def card_from_values(values: dict) -> ModelCard:
    """The card from its JSON values; raises ValueError, TypeError or KeyError where they are not one."""
    return ModelCard(
        part_name=str(values["part_name"]), preset=str(values["preset"]),
        network=from_mapping(NetworkConfig, _network(values), "network"),
        teachers=tuple(TeacherRecord(**teacher) for teacher in values["teachers"]),
        calibration=Calibration(**_with_tuples(values["calibration"])),
        domain=DomainLimits(**{**values["domain"], "statistics": StatisticLimits(**values["domain"]["statistics"])}),
        training=TrainingSummary(**_with_tuples(values["training"])), crop=_crop(values))


def _network(values: dict) -> dict:
    if values["format_version"] > 3:
        return values["network"]
    network = dict(values["network"])
    network["local_targets"] = 3 if network.pop("local_target", True) else 0
    return network


def _crop(values: dict) -> Crop:
    try:
        return Crop(**values["crop"]) if values["format_version"] > 2 else Crop()
    except InputError as error:
        raise ValueError(str(error)) from None


def _with_tuples(values: dict) -> dict:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _digest(card_text: str, tensors: dict[str, Tensor]) -> str:
    from hetnet_ros.network.weights import hash_tensors

    return hashlib.sha256(f"{card_text}|{hash_tensors(tensors)}".encode()).hexdigest()


def check_fits(tensors: dict[str, Tensor], expected: dict[str, Tensor | None], path: Path) -> None:
    """Raise InputError unless the file's tensors are those expected, of the same shape (None: any), all finite."""
    import torch

    wrong = sorted(set(expected) ^ set(tensors)) or [
        name for name, like in expected.items() if like is not None and tensors[name].shape != like.shape]
    if wrong:
        raise InputError(f"model {path} does not fit the network in its own card ({wrong[0]}): teach the part again")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"model {path} holds values that are not finite in {name}: teach the part again")
