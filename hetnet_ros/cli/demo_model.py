"""The demonstration's model: taught from pictures of good virtual parts, and kept for the next time."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hetnet_ros.errors import InputError


@dataclass(frozen=True)
class Lesson:
    """What the model is taught.

    face, illuminations, jitter, distance_mm, width, height: how the parts are shown, as the virtual camera's parameters
    of these names.  roi: the part of the picture that is inspected and therefore taught, as the inspector's parameter.
    images: number of pictures of good parts.  preset, steps, seed: as in ``hetnet train``.
    """

    face: str
    illuminations: tuple[str, ...]
    jitter: float
    distance_mm: float
    width: int
    height: int
    roi: tuple[int, int, int, int]
    images: int
    preset: str
    steps: int
    seed: int

    @property
    def key(self) -> str:
        """Short name of all that the model depends on: this lesson, the preset's text and the cell's own code."""
        import hetnet_ros.cell
        from hetnet_ros.resources import config_path

        digest = hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode())
        preset = (
            Path(self.preset) if self.preset.endswith((".yaml", ".yml")) else config_path(f"presets/{self.preset}.yaml")
        )
        digest.update(preset.read_bytes() if preset.is_file() else b"")
        for source in sorted(Path(hetnet_ros.cell.__file__).parent.glob("*.py")):
            digest.update(source.read_bytes())
        return digest.hexdigest()[:10]


def taught_model(lesson: Lesson, folder: Path, fresh: bool, say) -> Path:
    """The model of this lesson in ``folder``: the one that is there, else a new one.  ``say`` prints a line."""
    from hetnet_ros.inspection.artifact import load_artifact
    from hetnet_ros.learning.checkpoint import checkpoint_path
    from hetnet_ros.learning.preset import load_preset
    from hetnet_ros.learning.teach import teach
    from hetnet_ros.own_files import OwnFiles

    model = folder / f"{lesson.face}_{lesson.key}.safetensors"
    if model.exists() and not fresh:
        try:
            load_artifact(model)
            say(f"Reusing {model}, taught from the same parts and settings (--fresh teaches again).")
            return model
        except InputError as error:
            say(f"Teaching again, because the kept model cannot be used: {error}")
    images = folder / "good_images"
    say(f"Teaching face '{lesson.face}' from {lesson.images} pictures of good parts, {lesson.steps} steps.")
    try:
        for _ in _bar(_write(lesson, images), lesson.images):
            pass
        preset = load_preset(lesson.preset)
        preset = dataclasses.replace(preset, training=dataclasses.replace(preset.training, steps=lesson.steps, epochs=0))
        report = teach(
            images,
            model,
            preset,
            seed=lesson.seed,
            part_name=f"virtual_{lesson.face}",
            resume=checkpoint_path(model).exists() and not fresh,
        )
    except (InputError, OSError):  # a full disk, say, which these pictures would go on to fill
        with contextlib.suppress(InputError, OSError):
            OwnFiles(images).discard()
            folder.rmdir()
        raise
    say(f"Taught in {report.seconds:.0f} s: model {report.model_id}, kept in {model}.")
    return model


def _write(lesson: Lesson, folder: Path) -> Iterator[Path]:
    import cv2

    from hetnet_ros.cell.camera import CameraPose, PinholeCamera
    from hetnet_ros.cell.parts import draw_part, draw_shot, photograph
    from hetnet_ros.inspection.image_files import list_images
    from hetnet_ros.own_files import OwnFiles

    own = OwnFiles(folder, "give another folder with --out")
    own.remove(suffix=".png")
    strange = list_images(folder) if folder.is_dir() else []
    if strange:
        raise InputError(f"{strange[0]} is not one of the demonstration's good parts and would be taught: move it, or give another folder "
                         "with --out")
    camera, viewpoint = PinholeCamera.of_size(lesson.width, lesson.height), CameraPose(distance_mm=lesson.distance_mm)
    for index in range(lesson.images):
        # Another seed than the parts that will be inspected: those are never taught.
        part = draw_part(lesson.face, lesson.seed + 1_000_003, index, 0.0, jitter=lesson.jitter)
        light = lesson.illuminations[index % len(lesson.illuminations)]
        picture = photograph(part, draw_shot(part, 0, light, lesson.jitter, viewpoint), camera)
        x, y, width, height = lesson.roi
        data = cv2.imencode(".png", picture.rgb[y : y + height, x : x + width, ::-1])[1].tobytes()
        yield own.write(f"{lesson.face}_{light}_{lesson.width}_{index:04d}.png", data)


def _bar(items, total: int):
    from tqdm import tqdm

    return tqdm(items, total=total, desc="photographing good parts", unit="part", disable=None)
