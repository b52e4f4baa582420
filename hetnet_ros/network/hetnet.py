"""HetNet whole: teachers -> ALGF -> MHF -> students -> anomaly map (paper, figure 2).

``forward`` is inference.  Training calls ``fuse``, ``reconstruction`` and ``denoising`` on features, because the frozen
teachers' features are computed once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from hetnet_ros.network.anomaly_map import AnomalyMap, cosine_distance
from hetnet_ros.network.config import NetworkConfig
from hetnet_ros.network.descriptor import image_descriptor, pooled
from hetnet_ros.network.fusion import ALGF, MHF
from hetnet_ros.network.place_memory import PlaceMemory
from hetnet_ros.network.students import Student
from hetnet_ros.network.teachers import HeterogeneousTeachers, Teacher, TeacherFeatures
from hetnet_ros.network.weights import TeacherWeights

WHOLE_IMAGES = 1024
"""So many taught images, at most, are kept as a whole."""


class HetNet(nn.Module):
    """The network.  Everything but ``teachers`` is trained and belongs to the model file.

    Members by the paper's names: ``teachers`` (HTE), ``algf``, ``mhf``, ``reconstruction`` (SR), ``denoising`` (SD).
    Memories (ours), each None unless the configuration has it: ``memory`` of what the Transformer sees at each place,
    ``cnn_memory`` of what the CNN's deepest stage sees there, ``image_memory`` of images as a whole.
    """

    def __init__(self, config: NetworkConfig, cnn_weights: TeacherWeights | None = None,
                 transformer_weights: TeacherWeights | None = None) -> None:
        """Weights of None leave a teacher at random values (for tests of shapes)."""
        super().__init__()
        self.config = config
        self.teachers = HeterogeneousTeachers(Teacher(config.cnn, cnn_weights),
                                              Teacher(config.transformer, transformer_weights),
                                              config.brightness)
        local, global_ = self.teachers.feature_shapes(config.image_size)
        self.local_shapes, self.global_shapes = local, global_
        self.algf = nn.ModuleList(
            ALGF(own[0], other[0], width, attention=config.use_algf, use_local=config.use_local,
                 use_global=config.use_global)
            for own, other, width in zip(local, global_, config.fusion_widths))
        self.mhf = MHF(config.fusion_widths)
        global_channels = global_[0][0] if config.global_target else 0
        coarsest = local[2]
        stages = tuple((channels, height // coarsest[1]) for channels, height, _ in self._targeted(local))
        sizes = (3 * config.fusion_widths[2], stages, config.embedding, config.depth, config.dropout, global_channels,
                 coarsest[1] * coarsest[2] if config.place_embedding else 0)
        self.reconstruction = Student(*sizes)
        self.denoising = Student(*sizes)
        self.stage_weights = (1.0,) * len(stages) + ((config.global_weight,) if config.global_target else ())
        width, size = global_[0][0], config.place_memory
        self.memory = PlaceMemory(size, coarsest[1] * coarsest[2], width) if size else None
        self.cnn_memory = PlaceMemory(size, local[-1][1] * local[-1][2], local[-1][0]) if config.cnn_memory else None
        self.image_memory = PlaceMemory(WHOLE_IMAGES, 1, 2 * width, 2 * width) if config.image_memory else None
        shares = (1.0,) * (len(self.stage_weights) + bool(size)) + ((config.cnn_memory,) if config.cnn_memory else ())
        self.anomaly_map = AnomalyMap(config.image_size, shares, config.smoothing_sigma, config.combination, config.score,
                                      config.top_fraction, config.image_level, config.place_level, config.image_memory)

    def fuse(self, features: TeacherFeatures) -> Tensor:
        """ALGF on each level, then MHF -> (B, 3 D_3, H_3, W_3)."""
        levels = [algf(local, global_) for algf, local, global_ in zip(self.algf, features.local, features.global_)]
        return self.mhf(tuple(levels))

    def targets(self, features: TeacherFeatures) -> tuple[Tensor, ...]:
        """What the students reproduce: the CNN's stages and, as an extension, the mean of the Transformer's blocks; in ablations
        one of the two."""
        local = self._targeted(features.local)
        if not self.config.global_target:
            return local
        return (*local, self._blocks_mean(features, 3))

    def _targeted(self, local: Sequence) -> tuple:
        """Of something for each of the CNN's stages, that of the stages that students reproduce."""
        return tuple(local[3 - self.config.local_targets:3])

    def memories(self) -> list[tuple[PlaceMemory, Callable[[TeacherFeatures], Tensor]]]:
        """The memories there are, each with what it holds and is asked with: the mean of the Transformer's two shallower blocks, which
        see more at one place than the deepest, (B, D, H_3, W_3); the CNN's deepest stage (B, C, h, w); and the former pooled over the
        whole image (B, 2 D, 1, 1)."""
        asked = ((self.memory, lambda features: self._blocks_mean(features, 2)),
                 (self.cnn_memory, lambda features: features.local[-1]),
                 (self.image_memory, lambda features: pooled(self._blocks_mean(features, 2))[..., None, None]))
        return [(memory, feature) for memory, feature in asked if memory is not None]

    @staticmethod
    def _blocks_mean(features: TeacherFeatures, count: int) -> Tensor:
        """Mean of the Transformer's first ``count`` blocks on the coarsest stage's grid."""
        mean, grid = sum(features.global_[1:count], features.global_[0]) / count, features.local[2].shape[-2:]
        return mean if mean.shape[-2:] == grid else F.interpolate(mean, grid, mode="bilinear", align_corners=False)

    def map_from_features(self, features: TeacherFeatures) -> tuple[Tensor, Tensor]:
        """Anomaly map (B, S, S) and score (B,) from features already computed."""
        return self.anomaly_map(self.stage_distances(features))

    def stage_distances(self, features: TeacherFeatures) -> list[Tensor]:
        """What the map is made of before it is weighted and combined, (B, H_k, W_k): the students' distances, then the memories'."""
        return self.student_distances(features) + [memory(feature(features)) for memory, feature in self.memories()]

    def student_distances(self, features: TeacherFeatures) -> list[Tensor]:
        """Cosine distances (B, H_k, W_k) between teacher and student at each stage, the mean over the students that enter
        the map."""
        students = {"reconstruction": [self.reconstruction], "denoising": [self.denoising],
                    "both": [self.reconstruction, self.denoising]}[self.config.map_student]
        fused, targets = self.fuse(features), self.targets(features)
        outputs = [student(fused) for student in students]
        return [sum(cosine_distance(wanted, got) for got in stage) / len(students)
                for wanted, *stage in zip(targets, *outputs)]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, S, S) float RGB in [0, 1] -> raw anomaly map (B, S, S) >= 0, raw image score (B,) and the image's unit
        descriptor (B, 2 D), by which images of another kind are told."""
        features = self.teachers(image)
        return *self.map_from_features(features), image_descriptor(features)

    def trained_state(self) -> dict[str, Tensor]:
        """The state dict without the teachers, which the model card names by hash instead."""
        return {k: v for k, v in self.state_dict().items() if not k.startswith("teachers.")}

    def trained_parameters(self) -> list[nn.Parameter]:
        return [p for p in self.parameters() if p.requires_grad]
