"""A peer of peers.py that learns from good images and writes anomaly maps, for conditions.py, which runs this in the peers' Python.

    peer_maps.py NAME WEIGHTS_FOLDER

Speaks lines of JSON.  Reads {"good": [image], "test": [image], "maps": [file to write]}; a fresh model learns from the good
images, the map of each test image is written as .npy, float32, square; answers {"scores": [...], "fit_s", "peak_memory_mb"}.
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

from hetnet_ros.inspection.image_files import read_rgb
from hetnet_ros.inspection.preprocessing import resize, to_tensor

NORMALISATION = {"patchcore": ([0.5] * 3, [0.5] * 3), "anomaly_dino": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])}
"""Mean and deviation of RGB in [0, 1] that each one's backbone was trained with."""
BLOCK = 7
"""AnomalyDINO's layer, counted from 0."""
BATCH = 8


def main() -> int:
    name, weights = sys.argv[1], Path(sys.argv[2])
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints is no answer
    peers.use_teacher_weights(weights)
    make = {"patchcore": peers.patchcore, "anomaly_dino": lambda: peers.anomaly_dino(BLOCK)}[name]
    make()  # imports, and whatever is missing, before the clock runs
    for line in sys.stdin:
        request = json.loads(line)
        torch.manual_seed(0)  # where the coreset begins
        np.random.seed(0)  # the projection in which it is chosen
        began = time.monotonic()
        with torch.inference_mode():
            model = make().train()
            for batch in batches(name, request["good"]):
                model(batch)
            if name == "patchcore":
                model.subsample_embedding(peers.CORESET)
            else:
                model.fit()
            fitted, scores = time.monotonic(), []
            model.eval()
            files = iter(request["maps"])
            for batch in batches(name, request["test"]):
                found = model(batch)
                scores += found.pred_score.flatten().tolist()
                for one in found.anomaly_map[:, 0].float().numpy():
                    np.save(next(files), one)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"scores": scores, "fit_s": fitted - began, "peak_memory_mb": memory}), file=answers, flush=True)
    return 0


def batches(name: str, paths: list[str]):  # noqa: ANN201
    """float (B, 3, S, S), normalised; the last one may be smaller."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in NORMALISATION[name])
    for start in range(0, len(paths), BATCH):
        images = [resize(read_rgb(Path(path)), peers.SIZE[name]) for path in paths[start:start + BATCH]]
        yield (to_tensor(np.stack(images)) - mean) / std


if __name__ == "__main__":
    sys.exit(main())
