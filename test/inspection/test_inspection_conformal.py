"""Conformal p-values and thresholds."""

import numpy as np
import pytest

from hetnet_ros.inspection.conformal import is_promised, p_value, prediction_bound, smallest_rate, threshold


def good(count, seed):
    return np.sort(np.exp(np.random.default_rng(seed).normal(-1.0, 0.2, count)))


def test_p_values_count_the_scores_at_least_as_large():
    assert [p_value((1.0, 2.0, 3.0), x) for x in (0.5, 1.0, 2.5, 9.0)] == [1.0, 1.0, 0.5, 0.25]


@pytest.mark.parametrize("count, rate", [(7, 0.125), (7, 0.2), (7, 0.5), (100, 0.03), (100, 0.2)])
def test_a_score_reaches_the_threshold_exactly_where_its_p_value_is_at_most_the_rate(count, rate):
    assert is_promised(count, rate)
    scores = good(count, 0)
    limit = threshold(scores, rate)
    for raw in (*scores, *np.nextafter(scores, np.inf), 0.0, 99.0):
        assert (raw >= limit) == (p_value(scores, raw) <= rate + 1e-12)


def test_n_images_promise_no_rate_under_one_in_n_plus_one():
    assert is_promised(99, 0.01) and not is_promised(98, 0.01) and smallest_rate(99) == 0.01
    assert threshold(good(20, 0), 0.001) > good(20, 0)[-1]


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_the_bound_is_exceeded_by_the_share_it_names_where_logarithms_are_normal(share):
    exceeded = np.mean([good(1, 10_000 + i)[0] > prediction_bound(good(12, i), share) for i in range(4000)])
    assert exceeded == pytest.approx(share, abs=4 * np.sqrt(share / 4000))


def test_fewer_good_images_give_a_wider_margin():
    wide, narrow = (np.mean([prediction_bound(good(n, i), 0.002) for i in range(50)]) for n in (4, 100))
    assert wide > 1.5 * narrow


def test_equal_scores_still_leave_a_margin():
    assert prediction_bound(np.full(10, 0.5), 0.002) > 0.5
