"""The sound surface around a region of a depth image: a robust plane, or a quadric where the metal is curved.

The model is polynomial in inverse depth over normalised image coordinates.  There a plane is exactly linear and the
regressors (the rays) carry no noise, so least squares is unbiased at any tilt.  Walls, steps and the background are kept
out by consensus (RANSAC, Fischler and Bolles 1981) before Tukey's biweight refines what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_TRIALS = 120
_SCORED = 600
_REFINEMENTS = 8
_TUKEY = 4.685
_FLOOR_M = 2e-5
"""Residuals below this are the sensor's rounding, not shape."""
_STEP_M = 3e-4
"""Consensus tolerates at least this much, so that gentle curvature is one surface and a step is two."""
MIN_POINTS = 24
MIN_SHARE = 0.12


@dataclass(frozen=True, eq=False)
class Surface:
    """Inverse depth f(u, v), 1/m, about ``origin``: coefficients of 1, u, v, u^2, uv, v^2 in units of ``scale``.

    covariance: (6, 6) of the coefficients.  noise_m: standard deviation of the depth about the surface, m.  points: how
    many depths support it.
    """

    origin: np.ndarray
    scale: float
    coefficients: np.ndarray
    covariance: np.ndarray
    noise_m: float
    points: int

    def depth(self, rays: np.ndarray) -> np.ndarray:
        """z of the surface along rays (N, 2), float64 (N,) m; NaN where a ray misses it."""
        inverse = _terms((np.atleast_2d(rays) - self.origin) / self.scale, 6) @ self.coefficients
        return np.where(inverse > 1e-6, 1.0 / np.maximum(inverse, 1e-6), np.nan)

    def gradient(self, ray: np.ndarray) -> np.ndarray:
        """(df/du, df/dv) at one ray (2,), 1/m."""
        return _slopes((np.asarray(ray) - self.origin) / self.scale) @ self.coefficients / self.scale

    def normal(self, ray: np.ndarray) -> np.ndarray:
        """Unit normal where one ray (2,) meets the surface, float64 (3,), towards the camera."""
        inverse = 1.0 / self.depth(ray)[0]
        slope = self.gradient(ray)
        outward = -np.array([slope[0], slope[1], inverse - np.dot(slope, ray)])
        return outward / np.linalg.norm(outward)

    def depth_variance(self, ray: np.ndarray) -> float:
        """Variance of the surface's own depth along one ray, m^2."""
        row = _terms((np.atleast_2d(ray) - self.origin) / self.scale, 6)[0]
        return float(self.depth(ray)[0] ** 4 * row @ self.covariance @ row)

    def tilt_variance(self, ray: np.ndarray) -> float:
        """Mean variance of the normal's direction about an axis in the surface, rad^2."""
        rows = _slopes((np.asarray(ray) - self.origin) / self.scale) / self.scale
        slope = rows @ self.covariance @ rows.T
        return float(np.trace(slope) / 2 * self.depth(ray)[0] ** 2)


def fit_surface(
    rays: np.ndarray,
    depth: np.ndarray,
    smooth: np.ndarray,
    nearness: np.ndarray,
    inside: tuple[np.ndarray, np.ndarray],
    noise_m: float,
) -> Surface | None:
    """Fit the sound surface to the surroundings of a region; None if they follow no common surface.

    rays: (N, 2) normalised coordinates; depth: (N,) m; smooth: (N,) the same depths less their noise, m; nearness: (N,)
    weight of each, larger beside the region.  inside: rays (M, 2) and smoothed depths (M,) of the region itself: damage
    takes metal away, so a surface that the region's depths stand in front of is the background and not the metal.
    noise_m: standard deviation of ``depth``, m.
    """
    if len(rays) < MIN_POINTS:
        return None
    origin = np.average(rays, axis=0, weights=nearness)
    scale = float(np.abs(rays - origin).max()) or 1.0
    places = (rays - origin) / scale
    tolerance = max(_STEP_M, noise_m)
    start = _consensus(places, smooth, nearness, ((inside[0] - origin) / scale, inside[1]), tolerance)
    if start is None:
        return None
    plane = _refine(places, depth, smooth, nearness, np.append(start, np.zeros(3)), 3, tolerance)
    if plane is None:
        return None
    best = plane
    curved = _refine(places, depth, smooth, nearness, plane[0], 6, 2 * tolerance)
    if curved is not None and _evidence(places, depth, curved[0], curved[1], 6) < _evidence(
        places, depth, plane[0], curved[1], 3
    ):
        best = curved
    coefficients, kept = best
    if kept.sum() < max(MIN_POINTS, MIN_SHARE * len(rays)):
        return None
    count = 6 if best is curved else 3
    terms = _terms(places[kept], count)
    residual = 1.0 / (terms @ coefficients[:count]) - depth[kept]
    spread = max(1.4826 * float(np.median(np.abs(residual))), noise_m, _FLOOR_M)
    weight = depth[kept] ** 4 / spread**2  # variance of 1/z is spread^2 / z^4
    covariance = np.zeros((6, 6))
    covariance[:count, :count] = np.linalg.pinv((terms * weight[:, None]).T @ terms)
    return Surface(origin, scale, coefficients, covariance, spread, int(kept.sum()))


def _terms(places: np.ndarray, count: int) -> np.ndarray:
    u, v = places[:, 0], places[:, 1]
    return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v][:count], 1)


def _slopes(place: np.ndarray) -> np.ndarray:
    u, v = place
    return np.array([[0, 1, 0, 2 * u, v, 0], [0, 0, 1, 0, u, 2 * v]], np.float64)


def _consensus(
    places: np.ndarray,
    smooth: np.ndarray,
    nearness: np.ndarray,
    inside: tuple[np.ndarray, np.ndarray],
    tolerance: float,
) -> np.ndarray | None:
    """Coefficients of the plane that most of the near surroundings lie on and that the region does not stand out of."""
    rng = np.random.default_rng(len(places))
    chance = nearness / nearness.sum()
    picks = rng.choice(len(places), size=(_TRIALS, 3), p=chance)
    corners = _terms(places[picks.ravel()], 3).reshape(_TRIALS, 3, 3)
    usable = np.abs(np.linalg.det(corners)) > 1e-2
    if not usable.any():
        return None
    planes = np.linalg.solve(corners[usable], (1.0 / smooth[picks[usable]])[..., None])[..., 0]
    scored = rng.choice(len(places), size=min(len(places), _SCORED), replace=False)
    fits = np.abs(_depths(planes, places[scored]) - smooth[scored]) < tolerance
    score = fits @ nearness[scored]
    if len(inside[1]):
        within = rng.choice(len(inside[1]), size=min(len(inside[1]), _SCORED // 2), replace=False)
        ahead = _depths(planes, inside[0][within]) - inside[1][within] > 3 * tolerance
        score = score * (1.0 - ahead.mean(1))
    best = int(score.argmax())
    return planes[best] if score[best] > 0 else None


def _depths(planes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """z of planes (T, 3) at places (N, 2): (T, N)."""
    inverse = planes @ _terms(places, 3).T
    return np.where(inverse > 1e-6, 1.0 / np.maximum(inverse, 1e-6), np.inf)


def _refine(
    places: np.ndarray,
    depth: np.ndarray,
    smooth: np.ndarray,
    nearness: np.ndarray,
    start: np.ndarray,
    count: int,
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Tukey's biweight from a start; the six coefficients and which points support them, or None."""
    terms, coefficients = _terms(places, count), start[:count].copy()
    kept = np.zeros(len(places), bool)
    for _ in range(_REFINEMENTS):
        inverse = terms @ coefficients
        residual = np.where(inverse > 1e-6, 1.0 / np.maximum(inverse, 1e-6), np.inf) - smooth
        kept = np.abs(residual) < 2 * tolerance
        if kept.sum() < max(MIN_POINTS, count):
            return None
        bound = _TUKEY * max(1.4826 * float(np.median(np.abs(residual[kept]))), tolerance / 4)
        weight = np.where(kept, np.clip(1 - (np.where(kept, residual, 0) / bound) ** 2, 0, None) ** 2, 0) * nearness
        weight = np.sqrt(weight) * depth**2
        coefficients = np.linalg.lstsq(terms * weight[:, None], weight / depth, rcond=None)[0]
    return np.append(coefficients, np.zeros(6 - count)), kept


def _evidence(places: np.ndarray, depth: np.ndarray, coefficients: np.ndarray, kept: np.ndarray, count: int) -> float:
    """Bayesian information criterion of a model on the same points; smaller is better."""
    residual = 1.0 / np.maximum(_terms(places[kept], 6) @ coefficients, 1e-6) - depth[kept]
    return len(residual) * np.log(np.mean(residual**2) + _FLOOR_M**2) + count * np.log(len(residual))
