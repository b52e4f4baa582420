"""The parity gate: an exported model must give torch's answers, or it is not written.

float32 backends differ by rounding only, so their maps and scores are held to a tight tolerance.  Lower precisions shift
scores a little for all images alike; the thresholds follow that shift, measured on good images, and what is held to a limit
is what then remains: scores and maps, the order of good and defective images (AUROC) and the verdicts.  Defects are made by
cutting and pasting within good images (after Li et al., CutPaste, CVPR 2021), so that no labelled image is needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hetnet_ros.errors import InputError
from hetnet_ros.inspection.backends.interface import BackendKind, NetworkOutput
from hetnet_ros.inspection.calibration import Calibration
from hetnet_ros.inspection.result import Verdict

EXACT_TOLERANCE = 2e-3
"""Largest difference of a score or map value in float32, relative to the threshold that it is compared with."""
SCORE_TOLERANCE = 0.10
"""Lower precisions: largest relative difference of a score, thresholds following."""
MAP_TOLERANCE = 0.10
"""Lower precisions: 99th percentile of the maps' differences, relative to the pixel threshold."""
AUROC_TOLERANCE = 0.005
"""Largest loss of AUROC, or one pair of images where there are few."""
FLIP_TOLERANCE = 0.10
"""Lower precisions: share of images whose verdict may move to or from UNCERTAIN; none may move between PASS and REJECT."""
DESCRIPTOR_TOLERANCE = 0.01
"""Largest cosine distance of a descriptor to torch's; images count as foreign from a distance of 0.12 to the taught ones."""


@dataclass(frozen=True)
class Parity:
    """How a backend compared to torch on ``images`` images; differences are relative to the thresholds.

    score_shift, map_shift: factors between this backend's scores and maps and torch's, which the thresholds follow.
    score_difference, map_difference: what remains (the largest; of lower precisions' maps the 99th percentile).
    descriptor_difference: the largest cosine distance.  auroc, auroc_torch: good against pasted defects.  verdicts_moved: to
    or from UNCERTAIN.  verdicts_flipped: between PASS and REJECT.
    """

    images: int
    score_shift: float
    map_shift: float
    score_difference: float
    map_difference: float
    descriptor_difference: float
    auroc: float
    auroc_torch: float
    verdicts_moved: int
    verdicts_flipped: int

    @property
    def summary(self) -> str:
        """One line for a person."""
        return (f"{self.images} images, scores within {self.score_difference:.2g}, maps within {self.map_difference:.2g} of the "
                f"thresholds, AUROC {self.auroc:.4f} (torch {self.auroc_torch:.4f}), verdicts moved {self.verdicts_moved}, "
                f"flipped {self.verdicts_flipped}")


@dataclass(frozen=True)
class Trial:
    """The images of a comparison, uint8 (N, S, S, 3), and which are ``good`` and which ``defective``, bool (N,); the rest are
    extremes (noise, black, white), whose answers must agree but mean nothing."""

    images: np.ndarray
    good: np.ndarray
    defective: np.ndarray


def trial_images(good: np.ndarray, seed: int = 0) -> Trial:
    """Good images uint8 (N, S, S, 3), as many with a pasted defect, and three extremes."""
    rng = np.random.default_rng(seed)
    size = good.shape[1]
    extremes = np.stack([rng.integers(0, 256, good.shape[1:], np.uint8), np.zeros(good.shape[1:], np.uint8),
                         np.full(good.shape[1:], 255, np.uint8)])
    pasted = np.stack([_pasted(image, rng, size) for image in good])
    kinds = np.repeat([0, 1, 2], (len(good), len(good), len(extremes)))
    return Trial(np.concatenate((good, pasted, extremes)), kinds == 0, kinds == 1)


def run_in_batches(backend: Callable[[np.ndarray], NetworkOutput], images: np.ndarray, batch: int = 1) -> NetworkOutput:
    """The backend's outputs for all images."""
    outputs = [backend(images[start:start + batch]) for start in range(0, len(images), batch)]
    return NetworkOutput(*(np.concatenate([getattr(output, field.name) for output in outputs])
                           for field in dataclasses.fields(NetworkOutput)))


def compare(kind: BackendKind, trial: Trial, torch: NetworkOutput, other: NetworkOutput,
            calibration: Calibration) -> tuple[Parity, Calibration]:
    """How ``other`` differs from ``torch`` on the trial's images, and the calibration that suits it.

    Raises InputError where it differs by more than the kind of backend may, saying by what.
    """
    for name, output in (("torch", torch), (kind.name, other)):
        if not all(np.isfinite(values).all() for values in (output.maps, output.scores, output.descriptors)):
            raise InputError(f"{name} gives values that are not finite for this model: teach the part again")
    shift = 1.0 if kind.exact else _shift(torch.scores[trial.good], other.scores[trial.good])
    map_shift = 1.0 if kind.exact else _shift(_peaks(torch, trial.good), _peaks(other, trial.good))
    fitted = calibration if kind.exact else shifted(calibration, shift, map_shift)
    real = trial.good | trial.defective
    scores = np.abs(other.scores / shift - torch.scores) / np.maximum(calibration.score_reject, torch.scores)
    maps = np.abs(other.maps / map_shift - torch.maps) / np.maximum(calibration.pixel, torch.maps)
    apart = 1 - (other.descriptors * torch.descriptors).sum(1)
    before = np.array([calibration.decide(score)[0] for score in torch.scores])
    after = np.array([fitted.decide(score)[0] for score in other.scores])
    changed = (before != after) & (scores > EXACT_TOLERANCE)  # a threshold may lie exactly at the score it was made from
    flipped = changed & (before != Verdict.UNCERTAIN) & (after != Verdict.UNCERTAIN)
    parity = Parity(
        images=len(trial.images), score_shift=shift, map_shift=map_shift,
        score_difference=float((scores if kind.exact else scores[real]).max()),
        map_difference=float(maps.max() if kind.exact else np.percentile(maps[real], 99)),
        descriptor_difference=float((apart if kind.exact else apart[real]).max()),
        auroc=_auroc(other.scores, trial), auroc_torch=_auroc(torch.scores, trial),
        verdicts_moved=int((changed & real & ~flipped).sum()), verdicts_flipped=int(flipped.sum()))
    wrong = _violations(kind, parity, int(trial.good.sum()), int(trial.defective.sum()))
    if wrong:
        raise InputError(f"backend {kind.name} does not give torch's answers for this model: {'; '.join(wrong)}. Use another "
                         "backend or precision")
    return parity, fitted


def shifted(calibration: Calibration, scores: float, maps: float) -> Calibration:
    """The calibration for raw scores and maps that are larger by a factor each."""
    return dataclasses.replace(
        calibration, good_scores=tuple(score * scores for score in calibration.good_scores),
        score_accept=calibration.score_accept * scores, score_reject=calibration.score_reject * scores,
        pixel=calibration.pixel * maps, good_peaks=tuple(peak * maps for peak in calibration.good_peaks))


def _violations(kind: BackendKind, parity: Parity, good: int, defective: int) -> list[str]:
    score, maps = (EXACT_TOLERANCE,) * 2 if kind.exact else (SCORE_TOLERANCE, MAP_TOLERANCE)
    allowed = 0 if kind.exact else int(np.ceil(FLIP_TOLERANCE * (good + defective)))
    order = max(AUROC_TOLERANCE, 1.0 / (good * defective))
    checks = ((parity.score_difference, score, "scores differ by"), (parity.map_difference, maps, "maps differ by"),
              (parity.descriptor_difference, DESCRIPTOR_TOLERANCE, "descriptors differ by"),
              (parity.auroc_torch - parity.auroc, order + 1e-9, "AUROC is lower by"),
              (parity.verdicts_moved, allowed, "verdicts that moved to or from UNCERTAIN:"),
              (parity.verdicts_flipped, 0, "verdicts between PASS and REJECT that flipped:"))
    return [f"{words} {value:.3g} (allowed {limit:.3g})" for value, limit, words in checks if not value <= limit]


def _shift(reference: np.ndarray, other: np.ndarray) -> float:
    """Geometric mean of the ratio of two sets of positive values."""
    return float(np.exp(np.mean(np.log(np.maximum(other, 1e-9)) - np.log(np.maximum(reference, 1e-9)))))


def _peaks(output: NetworkOutput, chosen: np.ndarray) -> np.ndarray:
    return output.maps[chosen].max((1, 2))


def _auroc(scores: np.ndarray, trial: Trial) -> float:
    """Share of pairs of a defective and a good image that are in order; ties count half."""
    difference = scores[trial.defective][:, None] - scores[trial.good][None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def _pasted(image: np.ndarray, rng: np.random.Generator, size: int) -> np.ndarray:
    """A patch of the image, changed in brightness, pasted elsewhere."""
    height, width = rng.integers(size // 16, size // 6 + 1, 2)
    (top, left), (row, column) = (rng.integers(0, (size - height, size - width)) for _ in range(2))
    result = image.copy()
    patch = image[top:top + height, left:left + width].astype(np.float32) * rng.uniform(0.4, 1.6)
    result[row:row + height, column:column + width] = np.clip(patch, 0, 255).astype(np.uint8)
    return result
