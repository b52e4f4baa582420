"""The conditions of one shot: light, optics, sensor and disturbances, and the faults that a cell can suffer.

Three levels of illumination carry MSC-AD's names: high (bright, with hot highlights), mid, low (dim and noisy); the
exposure stays the same, as it does on a robot.  ``vary`` makes the normal variation from shot to shot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hetnet_ros.errors import InputError

ILLUMINATIONS = ("high", "mid", "low")
"""Levels of illumination, brightest first."""
OPTICAL_FAULTS = ("lens_cap", "light_off", "motion_blur", "defocus", "overexposed")
"""Faults of the shot itself, see :func:`with_fault`; a wrong part and a frozen camera are faults of what is shown."""


@dataclass(frozen=True)
class Conditions:
    """Everything about a shot but the part and the camera's place.

    key: irradiance of the movable lamp, 1 is nominal.  key_azimuth_deg, key_elevation_deg, key_distance_mm: where it
    stands, seen from the part, in the cell frame.  key_size_deg: its apparent half-width.  key_kelvin: its colour.
    ring: ring light around the lens.  ambient: light of the surroundings.
    exposure: gain from radiance to full scale.  vignetting: loss in the corners, 0 to 1.
    lens_px: blur of a sharp lens, standard deviation at 640 pixels width.  defocus_px: radius of the blur disc.
    motion_px, motion_deg: length and direction of motion blur.  full_well: electrons at full scale; read_noise:
    electrons.
    shadow, shadow_deg, shadow_at, shadow_width: darkness (0 to 1) of an obstacle's soft shadow across the image, its
    direction, offset and half-width in units of the image's width.
    glare, glare_x, glare_y, glare_size: strength beside the lamp's, place (0 to 1) and radius (image widths) of
    veiling glare.
    gradient, gradient_deg: relative fall of light across the image, 0 to 1, and its direction.
    """

    key: float = 0.55
    key_azimuth_deg: float = 130.0
    key_elevation_deg: float = 52.0
    key_distance_mm: float = 600.0
    key_size_deg: float = 9.0
    key_kelvin: float = 5200.0
    ring: float = 0.14
    ambient: float = 0.32
    exposure: float = 1.0
    vignetting: float = 0.18
    lens_px: float = 0.55
    defocus_px: float = 0.0
    motion_px: float = 0.0
    motion_deg: float = 0.0
    full_well: float = 9000.0
    read_noise: float = 14.0
    shadow: float = 0.0
    shadow_deg: float = 30.0
    shadow_at: float = 0.0
    shadow_width: float = 0.25
    glare: float = 0.0
    glare_x: float = 0.5
    glare_y: float = 0.5
    glare_size: float = 0.2
    gradient: float = 0.0
    gradient_deg: float = 0.0

    @classmethod
    def at(cls, illumination: str) -> Conditions:
        """Nominal conditions at an illumination of ILLUMINATIONS; InputError for another name."""
        if illumination == "high":
            return cls(key=0.95, ring=0.30, ambient=0.52)
        if illumination == "mid":
            return cls()
        if illumination == "low":
            return cls(key=0.22, ring=0.055, ambient=0.13, key_kelvin=4600.0)
        raise InputError(f"illumination {illumination!r} is unknown; choose from {', '.join(ILLUMINATIONS)}")


def vary(nominal: Conditions, rng: np.random.Generator, amount: float = 1.0) -> Conditions:
    """Conditions as they vary from shot to shot; ``amount`` 0 is none, 1 is that of an ordinary cell.

    At 1 the lamp wanders by some 14 degrees around and 6 degrees up and down and differs by 10 percent in strength;
    half of the shots have a soft shadow, a third some glare, all a slight gradient, defocus of up to one pixel.
    """
    u = rng.uniform(-1, 1, 6) * amount
    shadow, glare = rng.random(2)
    return replace(
        nominal,
        key=nominal.key * (1 + 0.10 * u[0]),
        ring=nominal.ring * (1 + 0.10 * u[1]),
        ambient=nominal.ambient * (1 + 0.10 * u[2]),
        key_azimuth_deg=nominal.key_azimuth_deg + 14 * u[3],
        key_elevation_deg=nominal.key_elevation_deg + 6 * u[4],
        key_kelvin=nominal.key_kelvin * (1 + 0.04 * u[5]),
        shadow=amount * (0.45 * rng.random() if shadow < 0.5 else 0.0),
        shadow_deg=float(rng.uniform(0, 180)),
        shadow_at=float(rng.uniform(-0.6, 0.6)),
        shadow_width=float(rng.uniform(0.06, 0.2)),
        glare=amount * (0.22 * rng.random() if glare < 0.33 else 0.0),
        glare_x=float(rng.uniform(0, 1)),
        glare_y=float(rng.uniform(0, 1)),
        glare_size=float(rng.uniform(0.12, 0.3)),
        gradient=float(0.18 * amount * rng.random()),
        gradient_deg=float(rng.uniform(0, 360)),
        defocus_px=float(amount * rng.uniform(0, 1.0)),
    )


def with_fault(conditions: Conditions, fault: str, rng: np.random.Generator) -> Conditions:
    """The same shot with a fault of OPTICAL_FAULTS, of a strength no one could inspect through."""
    if fault == "lens_cap":
        return replace(conditions, exposure=0.0, glare=0.0)
    if fault == "light_off":
        return replace(conditions, key=0.0, ring=0.0, ambient=0.03)
    if fault == "motion_blur":
        return replace(conditions, motion_px=float(rng.uniform(18, 36)), motion_deg=float(rng.uniform(0, 180)))
    if fault == "defocus":
        return replace(conditions, defocus_px=float(rng.uniform(7, 12)))
    if fault == "overexposed":
        return replace(conditions, exposure=conditions.exposure * float(rng.uniform(5, 9)) / max(conditions.key, 0.2))
    raise InputError(f"fault {fault!r} is unknown; choose from {', '.join(OPTICAL_FAULTS)}")
