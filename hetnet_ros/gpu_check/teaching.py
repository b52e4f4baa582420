"""How long it takes to teach a part on the device, how much of the card's memory, and whether what comes out can tell parts apart."""

from __future__ import annotations

from pathlib import Path

from hetnet_ros.errors import InputError
from hetnet_ros.gpu_check.models import quick, resized
from hetnet_ros.gpu_check.pictures import folder
from hetnet_ros.gpu_check.plan import Part, Settings
from hetnet_ros.gpu_check.reporter import Reporter
from hetnet_ros.gpu_check.weights import RANDOM, provide_teachers
from hetnet_ros.learning.preset import load_preset

TABLE = "teaching"
PRESET = "edge"
QUICK_STEPS, QUICK_SIZE = 3, 192
"""Half the preset's size takes a quarter of the time; the figure is worth nothing, the way is the same."""
LEAST_AUROC = 0.7
"""A model of real teachers that tells the cell's enlarged defects worse than this was taught wrongly."""


def measure(settings: Settings, part: Part, report: Reporter) -> None:
    """One row: the preset's defaults on the device, or a few steps with ``--quick``."""
    import torch

    from hetnet_ros.evaluation.datasets import good_training_images
    from hetnet_ros.learning.teach import teach

    data = Path(settings.data) if settings.data else folder(settings)
    try:
        paths = good_training_images(data)
    except InputError:
        paths = None  # a plain folder of good images
    preset = load_preset(PRESET)
    if settings.quick:
        preset = quick(resized(preset, QUICK_SIZE), QUICK_STEPS)
    row = f"{PRESET}, {preset.network.image_size} px"
    random = provide_teachers(preset.network, settings)
    if random:
        report.note(f"teachers {' and '.join(random)}: {RANDOM}")
    with report.unit(TABLE, row):
        model = settings.folder / "taught.safetensors"
        done = teach(data, model, preset, device=settings.device, paths=paths,
                     progress=False)
        rest = done.seconds - done.features_seconds - done.steps_seconds
        figures: dict[str, float | int | str] = {
            "pictures": done.images, "steps": done.steps, "seconds": round(done.seconds, 1),
            "features": round(done.features_seconds, 1), "training": round(done.steps_seconds, 1), "rest": round(rest, 1)}
        if settings.device != "cpu":
            figures["peak_card_mib"] = round(torch.cuda.max_memory_allocated(torch.device(settings.device)) / 2**20)
        auroc = _auroc(model, data, settings.device)
        figures["image_auroc"] = "no labelled pictures" if auroc is None else round(auroc, 2)
        if auroc is not None and auroc < LEAST_AUROC and not (random or settings.quick or settings.data):
            report.failed(TABLE, row, f"I-AUROC {auroc:.3f}, and {LEAST_AUROC} is the least that a sound model has here", **figures)
        else:
            report.row(TABLE, row, **figures)


def _auroc(model: Path, data: Path, device: str) -> float | None:
    """Of the data's labelled pictures; None where it has none of both kinds."""
    from hetnet_ros.evaluation.datasets import open_dataset
    from hetnet_ros.evaluation.metrics import image_auroc
    from hetnet_ros.inspection.image_files import read_rgb
    from hetnet_ros.inspection.part_inspector import PartInspector

    try:
        images = open_dataset(data).images
    except InputError:
        return None
    inspector = PartInspector.load(model, device)
    scores = [inspector.inspect(read_rgb(image.path)).raw_score for image in images]
    found = image_auroc(scores, [image.is_defective for image in images])
    return found.value if found.defined else None
