"""Fits one of anomalib's detectors on good images and scores others; benchmarks/conditions.py runs it with --peers-python.

Its only argument is a JSON file: name, weights (folder), good and test (image paths), out (folder).  Writes
``<number>.npy``, the map of each test image at the image's size, and ``scores.npy``.  PatchCore keeps 10 % of its vectors, as
its authors do.  AnomalyDINO looks at block 7 of the Transformer, since the last blocks of the packaged weights are tuned for
another task, and keeps all vectors.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import timm
import torch
from peers import CNN, CORESET, SIZE, TRANSFORMER

BLOCK = 7
NORMALISATION = {"patchcore": ((0.5,) * 3, (0.5,) * 3), "anomaly_dino": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}


@torch.inference_mode()
def main() -> int:
    order = json.loads(Path(sys.argv[1]).read_text())
    name, out = order["name"], Path(order["out"])
    weights_from(Path(order["weights"]))
    model = {"patchcore": patchcore, "anomaly_dino": anomaly_dino}[name]()
    model.train()
    for path in order["good"]:
        model(tensor(path, name)[0])
    if name == "patchcore":
        model.subsample_embedding(CORESET)
    else:
        model.fit()
    model.eval()
    scores = []
    for number, path in enumerate(order["test"]):
        image, (height, width) = tensor(path, name)
        found = model(image)
        raw = found.anomaly_map.squeeze().float().numpy()
        np.save(out / f"{number}.npy", cv2.resize(raw, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float16))
        scores.append(float(found.pred_score.squeeze()))
    np.save(out / "scores.npy", np.array(scores))
    return 0


def tensor(path: str, name: str) -> tuple[torch.Tensor, tuple[int, int]]:
    """(1, 3, S, S), normalised as the teacher wants it, and the image's height and width."""
    image = cv2.imread(path, cv2.IMREAD_COLOR)[:, :, ::-1]
    size = SIZE[name]
    area = min(image.shape[:2]) > size
    small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if area else cv2.INTER_LINEAR)
    mean, std = NORMALISATION[name]
    values = (small.astype(np.float32) / 255 - np.float32(mean)) / np.float32(std)
    return torch.from_numpy(values).permute(2, 0, 1)[None], image.shape[:2]


def weights_from(folder: Path) -> None:
    """Pretrained models come from ``folder`` and no hub."""
    timm_create = timm.create_model

    def create(name: str, pretrained: bool = False, **options):  # noqa: ANN202, ANN003
        if pretrained:
            options["pretrained_cfg_overlay"] = {"file": str(folder / f"{name}.safetensors"), "hf_hub_id": None, "url": None}
        return timm_create(name, pretrained=pretrained, **options)

    timm.create_model = create


def patchcore() -> torch.nn.Module:
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    return PatchcoreModel(layers=["blocks.2", "blocks.4"], backbone=CNN, pre_trained=True)


def anomaly_dino() -> torch.nn.Module:
    from anomalib.models.image.anomaly_dino.torch_model import AnomalyDINOModel

    AnomalyDINOModel._last_block_index = staticmethod(lambda _: BLOCK)
    return AnomalyDINOModel(encoder_name=TRANSFORMER)


if __name__ == "__main__":
    sys.exit(main())
