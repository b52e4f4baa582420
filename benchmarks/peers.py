"""Other detectors on the same teachers' weights, for benchmarks/latency.py, which runs this with --peers-python; peer_maps.py
takes the detectors from here.

Speaks lines: first the names of the detectors that came up, as JSON; then, for each name read from stdin, the ms one image
took.  What a detector remembers of good images is filled with as many random vectors as 200 images would leave there: how
long the search takes does not depend on their values.  Nothing is taught, so nothing is said about accuracy.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import timm
import torch

GOOD_IMAGES = 200
CORESET = 0.1
"""Share of patch vectors that PatchCore keeps, its authors' and anomalib's default."""
CNN, TRANSFORMER = "tf_efficientnet_lite0", "vit_small_patch14_dinov2"
SIZE = {"patchcore": 256, "anomaly_dino": 252, "dinomaly": 252}
"""Side of the image, px: 256, or the next multiple of the patch of 14 below it."""


def main() -> int:
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    use_teacher_weights(folder)
    models = {"patchcore": lambda: _filled(patchcore(), SIZE["patchcore"], CORESET),
              "anomaly_dino": lambda: _filled(anomaly_dino(), SIZE["anomaly_dino"], 1.0), "dinomaly": dinomaly}
    ready = {}
    for name, make in models.items():
        try:
            ready[name] = (make().eval(), torch.rand(1, 3, SIZE[name], SIZE[name]))
        except Exception as error:  # one peer that does not come up must not hide the others
            print(f"{name} left out: {type(error).__name__}: {error}", file=sys.stderr)
    print(json.dumps(list(ready)), flush=True)
    for line in sys.stdin:
        model, image = ready[line.strip()]
        begun = time.perf_counter()
        with torch.inference_mode():
            model(image)
        print(1e3 * (time.perf_counter() - begun), flush=True)
    return 0


def use_teacher_weights(folder: Path) -> None:
    """Have timm read pretrained weights from ``folder``, where HetNet keeps its teachers', and from no model hub."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    timm_create = timm.create_model

    def from_cache(name: str, pretrained: bool = False, **options):  # noqa: ANN202, ANN003
        if pretrained:
            options["pretrained_cfg_overlay"] = {"file": str(folder / f"{name}.safetensors"), "hf_hub_id": None, "url": None}
        return timm_create(name, pretrained=pretrained, **options)

    timm.create_model = from_cache


def patchcore() -> torch.nn.Module:
    """On the CNN teacher, stages of stride 8 and 16, as with its usual backbone."""
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    return PatchcoreModel(layers=["blocks.2", "blocks.4"], backbone=CNN, pre_trained=True)


def anomaly_dino(block: int | None = None) -> torch.nn.Module:
    """On the Transformer teacher, all patch vectors kept, anomalib's default.  block: whose output is used, counted from 0;
    None for the last one, as anomalib does."""
    from anomalib.models.image.anomaly_dino.torch_model import AnomalyDINOModel

    class OnBlock(AnomalyDINOModel):
        """anomalib has no setting for the layer; this is where it decides."""

        @staticmethod
        def _last_block_index(encoder_name: str) -> int:
            return AnomalyDINOModel._last_block_index(encoder_name) if block is None else block

    return OnBlock(encoder_name=TRANSFORMER)


def dinomaly() -> torch.nn.Module:
    """On the Transformer teacher, with anomalib's defaults for the rest."""
    from anomalib.models.image.dinomaly.torch_model import DinomalyModel

    return DinomalyModel(encoder_name=TRANSFORMER)


def _filled(model: torch.nn.Module, size: int, share: float) -> torch.nn.Module:
    """The model with a memory of random vectors of the right number and length."""
    model.train()
    with torch.no_grad():
        model(torch.rand(1, 3, size, size))
    vectors = model.embedding_store.pop()
    vectors = vectors.reshape(-1, vectors.shape[-1])
    count = int(share * GOOD_IMAGES * len(vectors))
    model.memory_bank = torch.nn.functional.normalize(torch.randn(count, vectors.shape[-1]), dim=1)
    return model


if __name__ == "__main__":
    sys.exit(main())
