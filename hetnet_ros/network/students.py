"""The students SR (reconstruction) and SD (denoising): decoders of one shape, each opening with a one-class embedding
(paper, section III-D; the bottleneck follows reverse distillation, Deng and Li, CVPR 2022).

Both turn the fused multi-scale feature back into the CNN teacher's three stages.  The blocks are depthwise, because a
part must be taught in minutes on a CPU (ours).
"""

from __future__ import annotations

from torch import Tensor, nn


class OCE(nn.Module):
    """One-class embedding: (B, channels, H, W) -> (B, embedding, H/2, W/2), a bottleneck that keeps what is normal."""

    def __init__(self, channels: int, embedding: int, depth: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(channels, embedding, 1, bias=False), nn.BatchNorm2d(embedding), nn.ReLU(),
            nn.Conv2d(embedding, embedding, 3, stride=2, padding=1, groups=embedding, bias=False),
            nn.BatchNorm2d(embedding))
        self.blocks = nn.Sequential(*(ResidualBlock(embedding) for _ in range(depth)))

    def forward(self, fused: Tensor) -> Tensor:
        return self.blocks(self.reduce(fused))


class ResidualBlock(nn.Module):
    """Depthwise 5x5 then a pointwise expansion by two, added to its input; shape is kept."""

    def __init__(self, channels: int, kernel: int = 5) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, 2 * channels, 1), nn.GELU(),
            nn.Conv2d(2 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class Upsample(nn.Sequential):
    """Pointwise change of channels, bilinear doubling of the side, residual blocks."""

    def __init__(self, channels: int, out_channels: int, depth: int) -> None:
        super().__init__(
            nn.Conv2d(channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
            *(ResidualBlock(out_channels) for _ in range(depth)))


class Student(nn.Module):
    """A student decoder; SR and SD are two of these with weights of their own.

    (B, channels, H_3, W_3) -> tuple of reproduced features: the CNN's stages, shallow to deep, (B, C_k, H_k, W_k), and,
    when ``global_channels`` > 0, the Transformer's feature (B, global_channels, H_3, W_3) as a last element (ours).
    ``widths``: channels of the decoder at the three stages.
    """

    def __init__(self, channels: int, stage_channels: tuple[int, int, int], embedding: int, widths: tuple[int, int, int],
                 depth: int, global_channels: int = 0) -> None:
        super().__init__()
        self.embedding = OCE(channels, embedding, depth)
        self.up3 = Upsample(embedding, widths[2], depth)
        self.up2 = Upsample(widths[2], widths[1], depth)
        self.up1 = Upsample(widths[1], widths[0], depth)
        self.heads = nn.ModuleList(nn.Conv2d(w, c, 1) for w, c in zip(widths, stage_channels))
        self.global_head = None
        if global_channels:
            self.global_head = nn.Sequential(ResidualBlock(widths[2]), nn.Conv2d(widths[2], global_channels, 1))

    def forward(self, fused: Tensor) -> tuple[Tensor, ...]:
        deep = self.up3(self.embedding(fused))
        middle = self.up2(deep)
        shallow = self.up1(middle)
        outputs = tuple(head(x) for head, x in zip(self.heads, (shallow, middle, deep)))
        if self.global_head is not None:
            outputs += (self.global_head(deep),)
        return outputs
