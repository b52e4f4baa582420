"""Dropout from random bytes: what torch's own does, but faster."""

import pytest
import torch

from hetnet_ros.network.dropout import ByteDropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("probability", [0.1, 0.2, 0.5])
def test_it_zeroes_the_share_asked_for_and_keeps_the_mean(probability, dtype):
    torch.manual_seed(0)
    values = torch.ones(7, 101, 103, dtype=dtype)  # an odd number of values: the last draw is used in part
    dropped = ByteDropout(probability)(values)
    assert dropped.dtype == dtype and dropped.shape == values.shape
    assert float((dropped == 0).float().mean()) == pytest.approx(probability, abs=0.006)
    assert float(dropped.float().mean()) == pytest.approx(1, abs=0.01)
    assert len(dropped.unique()) == 2


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    zero = (ByteDropout(0.2)(torch.ones(100_000)) == 0).double()
    for shift in range(1, 9):
        assert float((zero[shift:] * zero[:-shift]).mean()) == pytest.approx(0.04, abs=0.004), shift


def test_the_gradient_takes_the_values_that_were_kept():
    values = torch.rand(64, 33, requires_grad=True)
    dropped = ByteDropout(0.5)(values)
    dropped.sum().backward()
    torch.testing.assert_close(values.grad * values, dropped)


def test_a_seed_repeats_it_and_inference_is_without_it():
    layer, values = ByteDropout(0.2), torch.rand(3, 50)
    torch.manual_seed(3)
    first = layer(values)
    assert not torch.equal(layer(values), first)
    torch.manual_seed(3)
    assert torch.equal(layer(values), first)
    assert layer.eval()(values) is values
    assert ByteDropout(0.0)(values) is values
