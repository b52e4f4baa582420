"""The model file: one ``.safetensors`` with the trained tensors and, in its metadata, a JSON card.

The card says how to rebuild the network, which teachers it needs (by hash), how raw scores become verdicts and what it
was taught on.  A digest over card and tensors is the model's identity and refuses a file that was changed or damaged.
No pickle anywhere, and nothing that depends on the clock: the same teaching gives the same bytes.  torch is imported only
where a model file is read or written, since exported models carry the same card to machines without it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hetnet_ros import plain_json
from hetnet_ros.configuration import from_mapping
from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_NAME, shown
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.card_bounds import check_card
from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.domain import DomainLimits
from hetnet_ros.inspection.sample_depth import FULL
from hetnet_ros.network.config import NetworkConfig
from hetnet_ros.network.tensor_files import read_tensors, save_tensors
from hetnet_ros.user_files import MB

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 5
READ_VERSIONS = (2, 3, 4, 5)
"""2 knew no crop: its models look at the whole image.  Up to 3 the CNN's stages were all reproduced or none.  Up to 4 16-bit values were
always scaled over their full range."""
REFERENCES = "domain.references"
"""Name of the tensor with the taught views' descriptors, float16 (N, D)."""
TAUGHT = "domain.taught"
"""Name of the tensor with a digest of each image that taught the students, int64 (N,): none of them may calibrate."""
EXAMPLES = "export.images"
"""Name of the tensor with some good images, uint8 (N, S, S, 3): what exports are checked and quantised on."""
MAX_EXAMPLES = 32
MODEL_LIMIT = 1024 * MB
"""Of a model file: `edge` takes some tens of MB, most of it memories of places."""
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
    """Everything about a model but its tensors.

    crop: the part of each image that it was taught on and looks at.  sample_bits: how many of 16 its pictures use; 16-bit values are
    scaled by that, see ``sample_depth.py``.
    """

    part_name: str
    preset: str
    network: NetworkConfig
    teachers: tuple[TeacherRecord, TeacherRecord]
    calibration: Calibration
    domain: DomainLimits
    training: TrainingSummary
    crop: Crop = Crop()
    sample_bits: int = FULL
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class Artifact:
    """A model file in memory; ``digest`` is the SHA-256 over card and tensors, in hex."""

    card: ModelCard
    tensors: dict[str, Tensor]
    digest: str

    @property
    def model_id(self) -> str:
        """The first 16 hex digits of the digest."""
        return self.digest[:16]


def save_artifact(path: Path, card: ModelCard, tensors: dict[str, Tensor]) -> str:
    """Write the model atomically and return its model_id.

    Names that came from paths are made printable, since bytes that are no UTF-8 could not be read again.
    Raises InputError where it cannot be written, or holds numbers with which it would not be read again.
    """
    card = dataclasses.replace(card, part_name=_as_name(card.part_name), preset=_as_name(card.preset))
    try:
        check_card(card)
    except ValueError as error:
        raise InputError(f"model {path} is not written, since nobody could read it: {error}; teach with other images or "
                         "settings") from None
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(dataclasses.asdict(card), sort_keys=True, allow_nan=False)
    digest = _digest(text, tensors)
    save_tensors(path, tensors, {_KEY: json.dumps({"card": text, "digest": digest})})
    return digest[:16]


def load_artifact(path: Path) -> Artifact:
    """Read and check a model file.

    Raises InputError when it is absent, no safetensors, not a model of ours, of another format version, incomplete, or
    when its digest does not match its content.
    """
    metadata, tensors = read_tensors(path, "model", MODEL_LIMIT, "make one with hetnet train")
    if _KEY not in metadata:
        raise InputError(f"{path} is a safetensors file but no hetnet model (it has no card): make one with hetnet train")
    try:
        wrapper = plain_json.parse(metadata[_KEY])
        if set(metadata) != {_KEY} or set(wrapper) != {"card", "digest"}:
            raise ValueError("there is more than card and digest")
        text, digest = wrapper["card"], wrapper["digest"]
        values = plain_json.parse(text)
        version = values["format_version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(f"the card of model {path} is damaged: restore the file or teach the part again") from None
    if type(version) is not int or version not in READ_VERSIONS:
        raise InputError(f"model {path} has format version {shown(version, 20)}, this hetnet reads {READ_VERSIONS[0]} to "
                         f"{READ_VERSIONS[-1]}: teach the part again or use the hetnet that made it")
    if _digest(text, tensors) != digest:
        raise InputError(f"model {path} does not match its digest: it was changed or damaged; restore the file or teach "
                         "the part again")
    try:
        card = card_from_values(values)
        check_card(card)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"the card of model {path} is not valid: {shown(error)}; teach the part again") from None
    return Artifact(card, tensors, digest)


def card_from_values(values: dict) -> ModelCard:
    """The card from its JSON values; raises ValueError, TypeError or KeyError where they are not one."""
    version = values["format_version"]
    unknown_then = {name for name, since in (("crop", 3), ("sample_bits", 5)) if version < since}
    values = {name: value for name, value in values.items() if name != "format_version" and name not in unknown_then}
    if version <= 3:
        network = dict(values["network"])
        network["local_targets"] = 3 if network.pop("local_target", True) else 0
        values["network"] = network
    card = from_mapping(ModelCard, values, "card")
    return dataclasses.replace(card, part_name=_as_name(card.part_name), preset=_as_name(card.preset))


def _as_name(text: str) -> str:
    return shown(text)[:MOST_IN_NAME]


def _digest(card_text: str, tensors: dict[str, Tensor]) -> str:
    from hetnet_ros.network.weights import hash_tensors

    return hashlib.sha256(f"{card_text}|{hash_tensors(tensors)}".encode()).hexdigest()


def check_fits(tensors: dict[str, Tensor], expected: dict[str, tuple[Any, tuple[int | range, ...]]], path: Path) -> None:
    """Raise InputError unless the file's tensors are those expected, of the same type and shape, all finite."""
    import torch

    wrong = sorted(set(expected) ^ set(tensors)) or [
        name for name, (dtype, shape) in expected.items() if tensors[name].dtype != dtype or not _is_shape(tensors[name], shape)]
    if wrong:
        raise InputError(f"model {path} does not fit the network in its own card ({shown(wrong[0], 60)}): teach the part again")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"model {path} holds values that are not finite in {name}: teach the part again")


def _is_shape(tensor: Tensor, shape: tuple[int | range, ...]) -> bool:
    return len(tensor.shape) == len(shape) and all(
        length in wanted if isinstance(wanted, range) else length == wanted for length, wanted in zip(tensor.shape, shape))
