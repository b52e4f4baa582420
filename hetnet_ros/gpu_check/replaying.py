"""How fast a recording goes through the model offline, beside bare inspection of pictures of the same size."""

from __future__ import annotations

import time
from pathlib import Path

from hetnet_ros.gpu_check.backends import absence, open_backend
from hetnet_ros.gpu_check.models import SHARED, model_for
from hetnet_ros.gpu_check.pictures import FACE, HEIGHT, WIDTH, disc
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import Reporter

TABLE = "replay"
_PARTS, _FRAMES = 4, 6
_BARE_RUNS = 20


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """A row for each backend; without rosbags, mcap and zstandard the import below says so."""
    from hetnet_ros.evaluation.replay.offline import replay_offline
    from hetnet_ros.inspection.bags import choose_topics, open_bag

    model = model_for(settings, *SHARED, report)
    path = settings.folder / "replay.mcap"
    if not path.exists():
        _record(path)
    for name in report.remaining(("torch",) if settings.device == "cpu" else ("torch", "torch-graph")):
        missing = absence(name, settings.device)
        if missing:
            report.absent(TABLE, name, missing)
            continue
        with report.unit(TABLE, name):
            inspector = open_backend(model, name, settings.device)
            bag = open_bag(path)
            run = replay_offline(inspector, bag, choose_topics(bag, []))
            picture = disc(WIDTH, HEIGHT, 0)
            begun = time.perf_counter()
            for _ in range(_BARE_RUNS):
                inspector.inspect(picture)
            bare = _BARE_RUNS / (time.perf_counter() - begun)
            report.row(TABLE, name, frames=len(run.frames), frames_a_second=round(len(run.frames) / run.seconds, 1),
                       bare_inspection=round(bare, 1))


def _record(path: Path) -> None:
    from hetnet_ros.cell.bag import BagRecipe, write_bag
    from hetnet_ros.cell.dataset import Condition

    recipe = BagRecipe((FACE,), (Condition("mid", WIDTH, HEIGHT),), good=_PARTS, defective=0, frames=_FRAMES, depth=False)
    for _ in write_bag(recipe, path):
        pass
