"""A model ready for work, and how one comes about: read, moved to its device, warmed up.

The backend and the network are imported here, at the first load, so that an unconfigured node starts in a moment and answers.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import MOST_IN_NAME, one_line, shown

if TYPE_CHECKING:
    from hetnet_ros.inspection.part_inspector import PartInspector


@dataclass(frozen=True)
class LoadedModel:
    """A warm model.  ``fell_back`` says why it runs on the CPU although CUDA was asked for; empty when it does not."""

    path: str
    inspector: PartInspector
    seconds: float
    fell_back: str = ""

    @property
    def part_name(self) -> str:
        """Name of the part in the model's card, fit for a message."""
        return shown(self.inspector.card.part_name, MOST_IN_NAME)

    @property
    def summary(self) -> str:
        """One line for a person."""
        inspector = self.inspector
        return (
            f"model {inspector.model_id} of part {self.part_name!r} is ready on {inspector.device} with {inspector.backend} "
            f"({inspector.weights_mb:.0f} MB, {self.seconds:.1f} s)"
        )


def load_model(path: str, device: str, allow_cpu_fallback: bool, threads: int, backend: str = "file",
               public_key: str = "") -> LoadedModel:
    """Load and warm the model file ``path``.

    device: ``auto``, ``cuda`` or ``cpu``; threads: CPU threads of the network, 0 for the library's choice; backend: as
    the parameter; public_key: path of the keys of which one must have signed the model, empty: any model is taken.
    Raises InputError for an empty path, an unusable file, or an absent device or runtime; a failing device raises its own error, unless
    ``allow_cpu_fallback``, which then loads on the CPU.
    """
    if not path:
        raise InputError(
            "no model is given: set the parameter model to the path of a .safetensors model "
            "(hetnet train FOLDER -o MODEL.safetensors makes one)"
        )
    started = time.monotonic()
    from hetnet_ros.inspection.part_inspector import PartInspector
    from hetnet_ros.inspection.signature import PublicKeys

    fell_back, trusted = "", PublicKeys.read(public_key) if public_key else None
    try:
        inspector = PartInspector.load(path, device, allow_cpu_fallback, backend, threads, trusted)
        inspector.warm_up()
    except Exception as error:
        if not (allow_cpu_fallback and is_cuda_error(error)):
            raise
        fell_back = f"CUDA failed ({_first_line(error)})"
        inspector = PartInspector.load(path, "cpu", backend=backend, threads=threads, trusted=trusted)
        inspector.warm_up()
    if device == "cuda" and inspector.device == "cpu" and not fell_back:
        fell_back = "CUDA was asked for, but there is no usable GPU"
    return LoadedModel(path, inspector, time.monotonic() - started, fell_back)


def check_alike(models: Sequence[LoadedModel]) -> None:
    """Raise InputError where models that are to look at the same cameras read 16-bit values by other bits: one of them would see its
    pictures too dark or too bright, and a picture that comes again would not be known again."""
    first = models[0]
    for other in models[1:]:
        bits, others = (model.inspector.card.sample_bits for model in (first, other))
        if bits != others:
            raise InputError(f"model {first.path} reads 16-bit values by {bits} bits and {other.path} by {others}: teach them again with "
                             "the same hetnet train --bits")


def is_cuda_error(error: BaseException) -> bool:
    """Whether ``error`` comes from the GPU or its driver rather than from the input or from our code."""
    if isinstance(error, InputError):
        return False
    torch = sys.modules.get("torch")  # an exported model may run without it
    out_of_memory = torch is not None and isinstance(error, torch.cuda.OutOfMemoryError)
    return out_of_memory or (isinstance(error, RuntimeError) and "CUDA" in str(error))


def _first_line(error: Exception) -> str:
    return one_line(next((line for line in str(error).splitlines() if line.strip()), type(error).__name__), 300)
