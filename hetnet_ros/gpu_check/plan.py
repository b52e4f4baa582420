"""The parts of the check in their order, the most valuable first, with the time that each may take.

The limits add up to eight minutes, and with ``--quick`` to three; the last parts, which compile and build engines for as long as
they are given, also get what those before them left; with ``--quick``, which leaves those out, every part does.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_ROOM = "hetnet_ros.gpu_check"


@dataclass(frozen=True)
class Part:
    """One part.  limit_s: longest time in all, quick_s with ``--quick``, 0: left out of it.  module: has
    ``measure(settings, part, report)``.  needs: parts that must have succeeded.  takes_rest: also gets the time that others left.
    arguments: for the module."""

    name: str
    title: str
    module: str
    limit_s: float
    quick_s: float = 0.0
    needs: tuple[str, ...] = ()
    takes_rest: bool = False
    arguments: Mapping[str, str | int] = field(default_factory=dict)

    def limit(self, quick: bool) -> float:
        return self.quick_s if quick else self.limit_s


def _speed(preset: str, size: int, limit_s: float, quick_s: float = 0.0, needs: tuple[str, ...] = ()) -> Part:
    return Part(f"{preset}-{size}", f"Picture to verdict, `{preset}` at {size} px", f"{_ROOM}.speed", limit_s, quick_s, needs,
                arguments={"preset": preset, "size": size})


MACHINE = "machine"
"""The part without which nothing else is run."""

PARTS: tuple[Part, ...] = (
    Part(MACHINE, "Machine", f"{_ROOM}.machine", 60, 25),
    Part("pictures", "Pictures of the virtual cell", f"{_ROOM}.pictures", 25, 15),
    Part("model", "A model for the speed parts", f"{_ROOM}.models", 30, 25, ("pictures",)),
    Part("parity", "The same answers as the CPU in float32", f"{_ROOM}.parity", 40, 35, ("pictures", "model")),
    _speed("edge", 384, 50, 30, ("model",)),
    Part("node", "Node: stamp to verdict", "hetnet_ros.nodes.node_rates", 65, 30, ("model",)),
    Part("teach", "Teaching a part", f"{_ROOM}.teaching", 40, 20, ("pictures",)),
    Part("host", "Decoding and preprocessing on the host", f"{_ROOM}.host", 10),
    _speed("edge", 512, 35),
    _speed("paper", 384, 45),
    _speed("paper", 512, 45),
    Part("replay", "Offline replay of a recording", f"{_ROOM}.replaying", 15, 0, ("model",)),
    Part("compiled", "Picture to verdict, torch.compile", f"{_ROOM}.slow_starters", 10, 0, ("model",), True,
         {"backend": "torch-compiled"}),
    Part("tensorrt", "Picture to verdict, TensorRT", f"{_ROOM}.slow_starters", 10, 0, ("model",), True,
         {"backend": "onnx-tensorrt"}),
)
"""All parts, in order."""


def chosen(only: Sequence[str]) -> list[Part]:
    """The parts named and those they need, in order; all of them for none named."""
    if not only:
        return list(PARTS)
    wanted = {MACHINE, *only}
    for part in reversed(PARTS):
        if part.name in wanted:
            wanted.update(part.needs)
    return [part for part in PARTS if part.name in wanted]


@dataclass(frozen=True)
class Settings:
    """What every part is told.

    device: ``cpu``, ``cuda`` or ``cuda:N``.  data: a folder of good images, or a labelled data set, to teach from; empty: pictures
    of the virtual cell.  hub: weights may be downloaded.  work: folder that the parts share.  user_cache: where the user's weights
    lie, which are only read.
    """

    device: str
    quick: bool
    data: str
    hub: bool
    work: str
    user_cache: str

    @property
    def folder(self) -> Path:
        return Path(self.work)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        return cls(**json.loads(text))
