"""One image in, one Inspection out: the whole way from pixels to verdict, without ROS.

A loaded model, its teachers and its calibration together.  Nodes, the command line and the evaluation all go through
here, so an image gets the same verdict wherever it is inspected.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hetnet_ros.inspection.artifact import REFERENCES, ModelCard, load_artifact
from hetnet_ros.inspection.backends.interface import AUTO, FILE, Backend, BackendKind, backend_kind
from hetnet_ros.inspection.domain import Domain, MapSpread
from hetnet_ros.inspection.exported import Exported, check_backend, is_exported, open_exported
from hetnet_ros.inspection.image_statistics import measure
from hetnet_ros.inspection.preprocessing import checked_roi, cut
from hetnet_ros.inspection.region_of_interest import Region, score_inside
from hetnet_ros.inspection.regions import find_defects
from hetnet_ros.inspection.result import Box, Inspection, StageTimings, Verdict
from hetnet_ros.inspection.signature import PublicKeys


@dataclass(frozen=True, eq=False)
class View:
    """An image to inspect: uint8 RGB (H, W, 3); the part of it that is looked at (None: all of it), of which the model's crop
    is cut out for the network; and the region outside of which nothing counts."""

    rgb: np.ndarray
    roi: Box | None = None
    region: Region | None = None


class PartInspector:
    """A taught part on a backend.  Not re-entrant: one thread at a time calls :meth:`inspect`.

    card: the model's card, with this backend's thresholds.  model_id: 16 hex digits.  backend: its name.  device: ``cpu`` or
    ``cuda:N``.  choice: why this backend, where it was chosen by measuring.  weights_mb: size of all weights.  runner: the
    backend itself, uint8 (B, S, S, 3) -> NetworkOutput.
    """

    def __init__(self, card: ModelCard, model_id: str, references: np.ndarray, backend: Backend, weights_mb: float,
                 choice: str = "") -> None:
        """references: the taught views' descriptors, float (N, D)."""
        self.card, self.model_id, self.weights_mb, self.choice = card, model_id, weights_mb, choice
        self.calibration = card.calibration
        self.domain = Domain(references.astype(np.float32), card.domain)
        self.runner = backend
        self.backend, self.device = backend.name, backend.device

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", allow_cpu_fallback: bool = False, backend: str = FILE,
             threads: int = 0, trusted: PublicKeys | None = None) -> PartInspector:
        """Read a model file and its teachers, or an exported model.

        backend: one of ``CHOICES``; a model file asked for another backend than torch is exported into the cache first.
        threads: CPU threads, 0 for the library's choice.  trusted: keys of which one must have signed the model; None: any model is taken.
        Raises InputError for a file, a teacher, a backend or a device that cannot be used, with what to do.
        """
        path, wanted = Path(path), None if backend in (FILE, AUTO) else backend_kind(backend)
        if is_exported(path):
            exported = open_exported(path)
            if trusted is not None:
                trusted.check(path, exported.description.digest)
            return cls._of_export(path, exported, device, None if wanted is None else wanted.name, threads)
        if backend == AUTO:
            from hetnet_ros.inspection.choice import choose_backend

            if trusted is not None:
                trusted.check(path, load_artifact(path).digest)  # before it is run to be measured
            chosen = choose_backend(path, device, threads)
            inspector = cls.load(path, device, allow_cpu_fallback, chosen.backend, threads, trusted)
            inspector.choice = chosen.reason
            return inspector
        if wanted is None or wanted.runtime == "torch":
            return cls._load_torch(path, device, allow_cpu_fallback, wanted, threads, trusted)
        from hetnet_ros.inspection.export_cache import cached_export

        return cls._of_export(path, cached_export(path, wanted, trusted), device, None, threads)

    @classmethod
    def _load_torch(cls, path: Path, device: str, allow_cpu_fallback: bool, kind: BackendKind | None,
                    threads: int, trusted: PublicKeys | None) -> PartInspector:
        import torch

        from hetnet_ros.inspection.backends.torch_backend import TorchBackend, resolve_device
        from hetnet_ros.inspection.model_network import build_network

        artifact = load_artifact(path)
        if trusted is not None:
            trusted.check(path, artifact.digest)
        where = resolve_device(device, allow_cpu_fallback)  # a wrong device is said before the weights are read
        if threads:
            torch.set_num_threads(threads)
        network = build_network(path, artifact)
        size = sum(t.numel() * t.element_size() for t in network.state_dict().values()) / 2**20
        backend = TorchBackend(network, where, kind)
        return cls(artifact.card, artifact.model_id, artifact.tensors[REFERENCES].numpy(), backend, size)

    @classmethod
    def _of_export(cls, path: Path, exported: Exported, device: str, backend: str | None, threads: int) -> PartInspector:
        from hetnet_ros.inspection.backends.opening import open_graph

        description, graph = exported.description, exported.graph
        kind = check_backend(path, description, backend)
        return cls(description.card, description.model_id, description.arrays[REFERENCES],
                   open_graph(graph, kind, device, threads), graph.megabytes)

    @property
    def part_name(self) -> str:
        return self.card.part_name

    def warm_up(self, runs: int = 2) -> None:
        """Run on a grey image, so that the first real one is not the slow one."""
        size = self.card.network.image_size
        for _ in range(runs):
            self.inspect(np.full((size, size, 3), 128, np.uint8))

    def inspect(self, rgb: np.ndarray, roi: Box | None = None, region: Region | None = None) -> Inspection:
        """Inspect one image, uint8 RGB (H, W, 3), or the part ``roi`` of it; outside ``region`` nothing counts.

        Raises InputError for an image or region that cannot be inspected; errors of the device propagate.
        """
        return self.inspect_batch([View(rgb, roi, region)])[0]

    def inspect_batch(self, views: Sequence[View]) -> list[Inspection]:
        """Inspect several images in one run of the network; each one's times are its share of the whole.

        Raises as :meth:`inspect` does, if any of them cannot be inspected.
        """
        started = time.perf_counter()
        boxes = [self.card.crop.of(checked_roi(view.rgb, view.roi)) for view in views]
        size = self.card.network.image_size
        insides = [None if view.region is None else view.region.inside(view.rgb.shape[:2], box, (size, size))
                   for view, box in zip(views, boxes)]
        images = np.stack([cut(view.rgb, box, size) for view, box in zip(views, boxes)])
        prepared = time.perf_counter()
        output = self.runner(images)
        inferred = time.perf_counter()
        shares = 1e3 * (prepared - started) / len(views), 1e3 * (inferred - prepared) / len(views)
        return [self._judge(view, box, inside, image, *found, shares) for view, box, inside, image, *found in
                zip(views, boxes, insides, images, output.maps, output.scores, output.descriptors)]

    def _score_inside(self, raw_map: np.ndarray, inside: np.ndarray, raw_score: float) -> float:
        """The score read inside the region; what the image as a whole adds to the score (``NetworkConfig.image_memory``) stays in it."""
        network = self.card.network
        found = score_inside(raw_map, inside, network.score, network.top_fraction)
        if not network.image_memory:
            return found
        everywhere = score_inside(raw_map, np.ones_like(inside), network.score, network.top_fraction)
        return found * raw_score / everywhere if everywhere > 0 else float("nan")

    def _share(self, view: View, box: Box, inside: np.ndarray | None) -> float:
        """How much counts of what the model looks at in a whole image, 0 to 1."""
        height, width = view.rgb.shape[:2]
        whole = self.card.crop.of(Box(0, 0, width, height))
        share = box.width * box.height / (whole.width * whole.height)
        return share if inside is None else share * view.region.share(inside, box)

    def _judge(self, view: View, box: Box, inside: np.ndarray | None, image: np.ndarray, raw_map: np.ndarray,
               raw_score: float, descriptor: np.ndarray, shares: tuple[float, float]) -> Inspection:
        """From one image's outputs to its Inspection; ``shares``: ms of preprocessing and of inference."""
        started = time.perf_counter()
        raw_score = float(raw_score)
        finite, spread = bool(np.isfinite(raw_map).all()), MapSpread.of(raw_map)
        if inside is not None:
            raw_score = self._score_inside(raw_map, inside, raw_score)
            raw_map = np.where(inside, raw_map, np.float32(0))
        verdict, reason, detail = self.calibration.decide(raw_score)
        foreign = self.domain.limits.judge(self.domain.distance(descriptor), verdict, spread, measure(image))
        if foreign is not None:
            verdict, (reason, detail) = Verdict.UNCERTAIN, foreign
        if not finite:
            verdict, reason, detail = Verdict.UNCERTAIN, "inference_failed", "the anomaly map holds values that are not finite"
        defects = find_defects(raw_map, self.calibration, box) if finite else ()
        if verdict == Verdict.REJECT and not defects and self.card.network.image_memory:
            detail += "; no region stands out, the image as a whole is unlike the taught ones"
        return Inspection(
            verdict=verdict, reason=reason, detail=detail, score=self.calibration.calibrated_score(raw_score),
            raw_score=raw_score, p_value=self.calibration.p_value(raw_score) if np.isfinite(raw_score) else float("nan"),
            thresholds=self.calibration.thresholds, source_size=view.rgb.shape[:2], roi=box, model_id=self.model_id,
            defects=defects, anomaly_map=raw_map, region=None if view.region is None else view.region.seen(box),
            share=self._share(view, box, inside),
            timings=StageTimings(*shares, 1e3 * (time.perf_counter() - started)))
