"""What fully describes a HetNet: its two teachers, its sizes and how its map is read.

One frozen dataclass is written into every model card and read back when the model is loaded, so a network can always be
rebuilt from its file alone.  Values are checked here, at the edge; the modules take them as they are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hetnet_ros.errors import InputError
from hetnet_ros.foreign_text import shown

MOST_SIDE = 2048
"""Largest side of an image for the network or a teacher, px: the work grows with its square, a Transformer's with its fourth power."""
MOST_PATCHES = 128
"""Most patches along a side of a Transformer's image."""
MOST_WIDTH, MOST_DEPTH = 4096, 64
"""Widest features and most blocks of a student; the paper's are 512 and 8."""


def plain_name(model: str) -> str:
    """``model``, where it is a plain timm name such as ``wide_resnet50_2.tv2_in1k``.

    timm takes ``hf-hub:OWNER/MODEL`` and ``local-dir:FOLDER``, too; a name from a file must lead to no hub and no folder.
    Raises InputError for anything else.
    """
    if len(model) > 100 or not re.fullmatch(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?", model):
        raise InputError(f"teacher {shown(model, 60)!r} is no plain timm name: use one as in timm.list_models(), without hub, "
                         "folder or path")
    return model


@dataclass(frozen=True)
class TeacherConfig:
    """One frozen teacher: any timm model with ``forward_intermediates``.

    model: timm name;  indices: the three feature stages (CNN) or blocks (Transformer) in use, shallow to deep; of a CNN a fourth
    one can follow that its memory alone looks at;
    input_size: side of the square image it sees, px;  mean, std: its input normalisation over RGB in [0, 1];
    position_antialias: whether a Transformer's position embeddings are antialiased when they are resampled to that size,
    as its authors did it (DINOv2 with registers: yes; DINOv2 without: no);
    patch_size: side of a Transformer's patches at that size, px, to which its patch embedding is resampled; 0: its own.
    """

    model: str
    indices: tuple[int, ...]
    input_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    position_antialias: bool = True
    patch_size: int = 0

    def __post_init__(self) -> None:
        plain_name(self.model)
        if len(self.indices) > 4 or not all(0 <= index < 256 for index in self.indices):
            raise InputError(f"teacher {self.model} lists {len(self.indices)} indices: use three or four, each from 0 to 255")
        if not 32 <= self.input_size <= MOST_SIDE:
            raise InputError(f"teacher {self.model} has an input_size of {self.input_size}: use 32 to {MOST_SIDE} px")
        if not (all(-10 <= value <= 10 for value in self.mean) and all(1e-3 <= value <= 10 for value in self.std)):
            raise InputError(f"teacher {self.model} normalises by mean {self.mean} and std {self.std}: use finite means from -10 to "
                             "10 and deviations from 0.001 to 10")
        if self.patch_size and (self.patch_size < 4 or self.input_size % self.patch_size
                                or self.input_size // self.patch_size > MOST_PATCHES):
            raise InputError(f"teacher {self.model} has patches of {self.patch_size} px: use a divisor of its input size "
                             f"{self.input_size}, at least 4 and a {MOST_PATCHES}th of it, or 0 for its own")


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of HetNet.

    image_size: side of the square network input, px.  fusion_widths: channels of the fused features at each level.
    brightness: the mean over pixels and colours, 0 to 1, that each image is brought to before the teachers see it (ours); 0: as
    it is.  Teaching can set it, see ``TrainingConfig``.
    embedding: width of the one-class embedding and of the students' tokens, a multiple of 8.  depth: blocks of a student.
    dropout: of the embedding, in training.
    place_embedding: students know where on the image each patch stands (ours), by a learned position embedding; for parts that
    lie still, ``Preset.rotated`` switches it off.
    place_memory: features of good parts that are kept at each place (ours), to which the nearest distance is one more stage of
    the map; 0: none.  For parts that lie still, too.  cnn_memory: the share of a stage with which the same of the CNN's deepest
    feature enters the map, beside the Transformer's; 0: none.
    image_memory: how far the image as a whole is from the nearest taught one raises its score, to this power (ours); 0: not at
    all.  For defects that cover areas.
    map_student: whose output enters the anomaly map: ``reconstruction``, ``denoising``, or the mean of ``both``.
    local_targets: how many of the CNN's three stages students reproduce, the deeper ones first; 3 (paper), or fewer (ours).  0, with
    ``global_target``, leaves the Transformer alone.
    global_target: students also reproduce the mean of the Transformer's blocks (an extension of ours).
    global_weight: weight of that extra distance in the loss.
    use_local, use_global, use_algf: ablations of the fusion (paper, ablation table).
    smoothing_sigma: Gaussian smoothing of the map, px at ``image_size``.
    combination: how the map's stages become one: ``sum`` of their distances (paper) or their ``geometric`` mean (ours).
    image_level, place_level: of the geometric mean's logarithm, the shares of the image's own mean and of what good images
    read at each place that are taken off (ours), 0 to 1; see ``AnomalyMap``.
    score: ``max`` or ``top`` (mean of the ``top_fraction`` largest map values).
    """

    cnn: TeacherConfig
    transformer: TeacherConfig
    image_size: int = 256
    brightness: float = 0.0
    fusion_widths: tuple[int, int, int] = (32, 64, 64)
    embedding: int = 256
    depth: int = 4
    dropout: float = 0.2
    place_embedding: bool = False
    place_memory: int = 0
    cnn_memory: float = 0.0
    image_memory: float = 0.0
    map_student: str = "both"
    local_targets: int = 3
    global_target: bool = True
    global_weight: float = 1.0
    use_local: bool = True
    use_global: bool = True
    use_algf: bool = True
    smoothing_sigma: float = 4.0
    combination: str = "sum"
    image_level: float = 0.0
    place_level: float = 0.0
    score: str = "max"
    top_fraction: float = 0.002

    def __post_init__(self) -> None:
        if not 0 <= self.brightness <= 1:
            raise InputError(f"network.brightness is {self.brightness}: use a mean from 0 (images as they are) to 1")
        if self.map_student not in ("reconstruction", "denoising", "both"):
            raise InputError(f"network.map_student is {self.map_student!r}: use 'reconstruction', 'denoising' or 'both'")
        if self.combination not in ("sum", "geometric"):
            raise InputError(f"network.combination is {self.combination!r}: use 'sum' or 'geometric'")
        if not (0 <= self.image_level <= 1 and 0 <= self.place_level <= 1):
            raise InputError("network.image_level and network.place_level are shares: use values from 0 to 1")
        if self.combination != "geometric" and (self.image_level or self.place_level):
            raise InputError("network.image_level and network.place_level are for network.combination 'geometric': "
                             "leave them out or combine that way")
        if not 0 <= self.place_memory <= 1024:
            raise InputError(f"network.place_memory is {self.place_memory}: use 0 (none) to 1024 features at each place")
        if not (0 <= self.cnn_memory <= 4 and 0 <= self.image_memory <= 4):
            raise InputError("network.cnn_memory is a share of a stage and network.image_memory a power: use values from 0 to 4")
        if self.cnn_memory and not self.place_memory:
            raise InputError("network.cnn_memory is for network.place_memory above 0: set it, or leave cnn_memory out")
        if self.score not in ("max", "top"):
            raise InputError(f"network.score is {self.score!r}: use 'max' or 'top'")
        if self.image_size % 32 or not 64 <= self.image_size <= MOST_SIDE:
            raise InputError(f"network.image_size is {self.image_size}: use a multiple of 32 from 64 to {MOST_SIDE}")
        if not (self.use_local or self.use_global):
            raise InputError("network.use_local and network.use_global are both off: keep one teacher in the fusion")
        if not 0 <= self.local_targets <= 3:
            raise InputError(f"network.local_targets is {self.local_targets}: use 0 to 3 of the CNN's stages")
        if not (self.local_targets or self.global_target):
            raise InputError("network.local_targets is 0 and network.global_target off: give the students something to reproduce")
        if len(self.fusion_widths) != 3 or any(w % 8 or not 8 <= w <= MOST_WIDTH for w in self.fusion_widths):
            raise InputError(f"network.fusion_widths are three numbers, multiples of 8 up to {MOST_WIDTH}")
        if self.embedding % 8 or not 8 <= self.embedding <= MOST_WIDTH or not 1 <= self.depth <= MOST_DEPTH:
            raise InputError(f"network.embedding must be a multiple of 8 up to {MOST_WIDTH}, and depth from 1 to {MOST_DEPTH}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"network.dropout is {self.dropout}: use a dropout from 0 to below 1")
        if not (0 <= self.smoothing_sigma <= 64 and 0 <= self.top_fraction <= 1 and 0 <= self.global_weight <= 1000):
            raise InputError("network.smoothing_sigma is 0 to 64 px, top_fraction 0 to 1, global_weight 0 to 1000: "
                             f"these are {self.smoothing_sigma}, {self.top_fraction} and {self.global_weight}")
        if len(self.transformer.indices) != 3 or len(self.cnn.indices) not in (3, 4):
            raise InputError(f"teachers {self.cnn.model} and {self.transformer.model} list {len(self.cnn.indices)} and "
                             f"{len(self.transformer.indices)} indices: give three each, or a CNN a fourth for its memory")
        if len(self.cnn.indices) == 4 and not self.cnn_memory:
            raise InputError(f"teacher {self.cnn.model} lists a fourth index, which only a memory looks at: leave it out or set "
                             "network.cnn_memory")
