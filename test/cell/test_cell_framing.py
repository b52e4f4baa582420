"""The frame that holds every part, checked on the depth that pictures have."""

from __future__ import annotations

import numpy as np
import pytest

from hetnet_ros.cell.camera import PinholeCamera
from hetnet_ros.cell.canvas import PLATE_MM
from hetnet_ros.cell.faces import FACES
from hetnet_ros.cell.framing import part_frame
from hetnet_ros.cell.parts import draw_part, draw_shot, photograph
from hetnet_ros.errors import InputError

CAMERA = PinholeCamera.of_size(160, 120)


def metal(face: str, index: int) -> np.ndarray:
    """bool (120, 160): the pixels that see more than a millimetre above the plate."""
    part = draw_part(face, 5, index, 0.0)
    shot = photograph(part, draw_shot(part, 0), CAMERA)
    x, y = CAMERA.rays()
    seen = shot.depth[..., None] * 1e3 * np.stack([x, y, np.ones_like(x)], -1)
    return shot.optical_from_face.inverse().apply(seen)[..., 2] > PLATE_MM + 1


@pytest.mark.parametrize("face", list(FACES))
def test_every_part_lies_in_the_frame_and_fills_most_of_it(face):
    x, y, width, height = part_frame((face,), CAMERA)
    union = np.any([metal(face, index) for index in range(6)], 0)
    rows, columns = np.nonzero(union)
    assert x <= columns.min() / 160 and (columns.max() + 1) / 160 <= x + width + 1e-9
    assert y <= rows.min() / 120 and (rows.max() + 1) / 120 <= y + height + 1e-9
    assert (np.ptp(columns) + 1) / 160 > 0.85 * width and (np.ptp(rows) + 1) / 120 > 0.85 * height


def test_less_play_needs_less_room_and_an_unknown_face_is_refused():
    still, usual = part_frame(("front",), jitter=0.0), part_frame(("front",))
    assert still[0] > usual[0] and still[2] < usual[2]
    with pytest.raises(InputError, match="lid"):
        part_frame(("lid",))
