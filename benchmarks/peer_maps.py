"""A peer of peers.py that learns from good images and writes anomaly maps, for conditions.py and peer_accuracy.py, which run
this in the peers' Python.

    peer_maps.py NAME WEIGHTS_FOLDER

Speaks lines of JSON.  Reads {"good": [image], "test": [image], "maps": [file to write], "seconds": budget, "crop": [x, y, width,
height]}; a fresh model
learns from the good images, the map of each test image is written as .npy, float32, square; answers {"scores": [...], "fit_s",
"peak_memory_mb"}.  The budget is what Dinomaly, the one that is trained step by step, may take.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import peers
import torch

from hetnet_ros.inspection.crop import Crop
from hetnet_ros.inspection.image_files import read_rgb
from hetnet_ros.inspection.preprocessing import cropped, to_tensor

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
NORMALISATION = {"patchcore": ([0.5] * 3, [0.5] * 3), "anomaly_dino": IMAGENET, "dinomaly": IMAGENET}
"""Mean and deviation of RGB in [0, 1] that each one's backbone was trained with."""
BLOCK = 7
"""AnomalyDINO's layer, counted from 0."""
BATCH = 8


def main() -> int:
    name, weights = sys.argv[1], Path(sys.argv[2])
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    peers.use_teacher_weights(weights)
    make = {"patchcore": peers.patchcore, "anomaly_dino": lambda: peers.anomaly_dino(BLOCK), "dinomaly": trainable_dinomaly}[name]
    make()  # imports, and whatever is missing, before the clock runs
    for line in sys.stdin:
        request = json.loads(line)
        torch.manual_seed(0)  # where the coreset begins
        np.random.seed(0)  # the projection in which it is chosen
        began = time.monotonic()
        model, crop = make().train(), Crop(*request["crop"])
        if name == "dinomaly":
            train(model, torch.cat(list(batches(name, request["good"], crop))), request["seconds"], began)
        else:
            remember(model, name, request["good"], crop)
        with torch.inference_mode():
            fitted, scores = time.monotonic(), []
            model.eval()
            files = iter(request["maps"])
            for batch in batches(name, request["test"], crop):
                found = model(batch)
                scores += found.pred_score.flatten().tolist()
                for one in found.anomaly_map[:, 0].float().numpy():
                    np.save(next(files), one)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"scores": scores, "fit_s": fitted - began, "peak_memory_mb": memory}), file=answers, flush=True)
    return 0


@torch.inference_mode()
def remember(model: torch.nn.Module, name: str, good: list[str], crop: Crop) -> None:
    """Fill the memory of a detector that has one."""
    for batch in batches(name, good, crop):
        model(batch)
    if name == "patchcore":
        model.subsample_embedding(peers.CORESET)
    else:
        model.fit()


def trainable_dinomaly() -> torch.nn.Module:
    """With its decoder initialised and its encoder frozen as anomalib does it."""
    from anomalib.models.image.dinomaly.lightning_model import Dinomaly

    return Dinomaly(encoder_name=peers.TRANSFORMER).model


def train(model: torch.nn.Module, images: torch.Tensor, seconds: float, began: float) -> None:
    """anomalib's optimiser, schedule and clipping, batches of 16 as its authors', and as many steps as ``seconds`` hold."""
    from anomalib.models.image.dinomaly.components import StableAdamW, WarmCosineScheduler
    from anomalib.models.image.dinomaly.lightning_model import TRAINING_CONFIG

    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = StableAdamW([{"params": parameters}], **TRAINING_CONFIG["optimizer"])
    schedule, step, steps = None, 0, 0
    while schedule is None or step < steps:
        chosen = torch.randint(len(images), (16,), generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(images[chosen], global_step=step).backward()
        torch.nn.utils.clip_grad_norm_(parameters, TRAINING_CONFIG["trainer"]["gradient_clip_val"])
        optimizer.step()
        step += 1
        if step == 1:
            warm = time.monotonic()
        if step == 4:  # the first one is slower
            steps = min(TRAINING_CONFIG["trainer"]["max_steps"], max(5, int((seconds - (warm - began)) / (time.monotonic() - warm) * 3)))
            schedule = WarmCosineScheduler(optimizer, **{**TRAINING_CONFIG["scheduler"], "total_iters": steps,
                                                         "warmup_iters": min(100, steps // 10)})
            print(f"dinomaly: {steps} steps", file=sys.stderr)
        if schedule is not None:
            schedule.step()


def batches(name: str, paths: list[str], crop: Crop):  # noqa: ANN201
    """float (B, 3, S, S), cropped and normalised; the last one may be smaller."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in NORMALISATION[name])
    for start in range(0, len(paths), BATCH):
        images = [cropped(read_rgb(Path(path)), crop, peers.SIZE[name]) for path in paths[start:start + BATCH]]
        yield (to_tensor(np.stack(images)) - mean) / std


if __name__ == "__main__":
    sys.exit(main())
