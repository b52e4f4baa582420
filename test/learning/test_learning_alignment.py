"""Where the map's stages look: found on a network whose teachers look aside by a known way."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hetnet_ros.learning.alignment import stage_offsets, with_spot


class Blind(torch.nn.Module):
    """Stands for the two parts of a network that are measured: distances are a picture's darkness, seen ``aside`` px beside."""

    def __init__(self, aside: tuple[int, int]) -> None:
        super().__init__()
        self.aside = aside

    def teachers(self, image: torch.Tensor) -> torch.Tensor:
        return image.mean(1)

    def stage_distances(self, grey: torch.Tensor) -> list[torch.Tensor]:
        seen = torch.roll(1 - grey, (-self.aside[1], -self.aside[0]), (1, 2))
        return [torch.nn.functional.avg_pool2d(seen[:, None], side)[:, 0] for side in (4, 8)] + [torch.zeros(len(grey), 8, 8)]


@pytest.mark.parametrize("aside", [(0, 0), (5, -3)])
def test_the_way_that_stages_look_aside_is_found(aside):
    images = np.full((3, 128, 128, 3), 200, np.uint8)
    found = stage_offsets(Blind(aside), images, torch.device("cpu"), seed=0)
    np.testing.assert_allclose(found[:2], np.tile(aside, (2, 1)), atol=0.6)
    np.testing.assert_array_equal(found[2], (0, 0))  # a stage that sees no spot stays where it is


def test_a_spot_stands_out_at_its_place_only():
    image = np.full((80, 80, 3), 30, np.uint8)
    changed = with_spot(image, np.array([60.0, 20.0])).astype(int) - image
    assert changed[19, 59].min() > 150 and abs(changed[60:, :30]).max() == 0
