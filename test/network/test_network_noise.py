"""LMGN's statistics: the fitted normal is the data's, per position, and noise boxes hold samples of it."""

import numpy as np
import pytest
import torch

from hetnet_ros.network.noise import LocalGaussian, add_noise_boxes


def features(count, channels=3, height=5, width=6, seed=0):
    """Correlated channels whose mean and scale differ from position to position."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(height, width, channels, channels, generator=generator)
    mean = torch.randn(channels, height, width, generator=generator) * 3
    z = torch.randn(count, height, width, channels, 1, generator=generator)
    return (mix @ z)[..., 0].permute(0, 3, 1, 2) + mean, mix, mean


def covariances(gaussian):
    return gaussian.factor @ gaussian.factor.transpose(1, 2)


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("block_bytes", [2**20, 4 * 9 * 6 * 3])  # one block, and blocks of very few rows
def test_mean_and_covariance_are_those_of_the_neighbourhood(window, block_bytes):
    data, *_ = features(40)
    gaussian = LocalGaussian.fit(lambda: data.split(7), window, ridge=1e-9, block_bytes=block_bytes)
    got = covariances(gaussian).view(5, 6, 3, 3)
    half = window // 2
    for i in range(5):
        for j in range(6):
            patch = data[:, :, max(0, i - half):i + half + 1, max(0, j - half):j + half + 1]
            samples = patch.permute(0, 2, 3, 1).reshape(-1, 3).numpy().astype(np.float64)
            np.testing.assert_allclose(gaussian.mean[:, i, j], samples.mean(0), rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(got[i, j], np.cov(samples.T, bias=True), rtol=2e-3, atol=2e-3)


def test_samples_have_the_fitted_mean_and_covariance():
    data, *_ = features(200)
    gaussian = LocalGaussian.fit(lambda: [data], 1, ridge=1e-6)
    position = torch.tensor([13])
    drawn = gaussian.sample(20000, position, torch.Generator().manual_seed(1))[:, :, 0].numpy()
    expected = covariances(gaussian)[13].numpy()
    scale = np.sqrt(np.diag(expected).max())
    np.testing.assert_allclose(drawn.mean(0), gaussian.mean.flatten(1)[:, 13], atol=0.05 * scale)
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.06 * scale**2)


def test_fewer_images_than_channels_still_give_a_proper_distribution():
    data = torch.randn(2, 16, 3, 3, generator=torch.Generator().manual_seed(2))
    gaussian = LocalGaussian.fit(lambda: [data], 1)
    assert bool(torch.isfinite(gaussian.factor).all())
    assert bool((gaussian.factor.diagonal(dim1=1, dim2=2) > 0).all())


def test_noise_boxes_change_the_same_places_in_every_stage_and_nothing_else():
    stages = (torch.zeros(4, 3, 16, 16), torch.zeros(4, 5, 8, 8))
    fitted = [LocalGaussian.fit(lambda s=s: [torch.randn(50, *s.shape[1:])], 1) for s in stages]
    noisy = add_noise_boxes(stages, fitted, boxes=1, max_side=0.5, generator=torch.Generator().manual_seed(5))
    changed = [(n != 0).any(1) for n in noisy]
    assert 0 < int(changed[0].sum()) < changed[0].numel()
    assert torch.equal(changed[0].flatten(1).any(1), changed[1].flatten(1).any(1))  # the same images
    coarse = torch.nn.functional.max_pool2d(changed[0].float(), 2) > 0
    grown = torch.nn.functional.max_pool2d(changed[1].float()[:, None], 3, 1, 1)[:, 0] > 0
    assert bool((coarse <= grown).all())                                           # the same places, but for rounding
    assert all(not s.any() for s in stages)                                        # the originals are untouched


def test_the_same_generator_gives_the_same_noise():
    stages = (torch.randn(2, 3, 8, 8),)
    fitted = [LocalGaussian.fit(lambda: [torch.randn(50, 3, 8, 8, generator=torch.Generator().manual_seed(0))], 3)]
    first, second = (add_noise_boxes(stages, fitted, 3, 0.5, torch.Generator().manual_seed(9)) for _ in range(2))
    assert torch.equal(first[0], second[0])


def test_no_data_and_an_even_neighbourhood_are_refused():
    with pytest.raises(ValueError, match="no features"):
        LocalGaussian.fit(lambda: [])
    with pytest.raises(ValueError, match="odd"):
        LocalGaussian.fit(lambda: [torch.zeros(1, 1, 2, 2)], neighbourhood=2)
