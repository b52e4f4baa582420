"""The anomaly map: how stages are weighed, combined and drawn, and how an image's score is read."""

import pytest
import torch

from hetnet_ros.network.anomaly_map import AnomalyMap


def test_a_stage_that_rises_further_on_good_images_counts_less_in_the_geometric_mean():
    anomaly_map = AnomalyMap(64, (1, 1), 0.0, "geometric")
    even, uneven = torch.full((3, 4, 4), 0.2), torch.full((3, 4, 4), 0.02)
    even[:, 0, 0], uneven[:, 1, 2] = 0.4, 0.4
    anomaly_map.weigh([even, uneven], 1.0)
    torch.testing.assert_close(anomaly_map.scale.levels, torch.tensor([0.4, 0.4]))
    once = anomaly_map.scale.weights
    assert once.sum() == pytest.approx(1) and once[0] > 2 * once[1]
    anomaly_map.weigh([even, uneven], 2.0)
    twice = anomaly_map.scale.weights
    assert twice[0] / twice[1] == pytest.approx(float(once[0] / once[1]) ** 2, rel=1e-4)
    anomaly_map.weigh([even, uneven], 0.0)
    torch.testing.assert_close(anomaly_map.scale.weights, torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("combination", ["sum", "geometric"])
def test_the_image_as_a_whole_raises_the_score_alone(combination):
    generator = torch.Generator().manual_seed(3)
    good = [torch.rand(6, 8, 8, generator=generator) * 0.1, torch.rand(6, 1, 1, generator=generator) * 0.02 + 0.01]
    plain, whole = (AnomalyMap(64, (1,), 0.0, combination, whole=power) for power in (0.0, 0.5))
    plain.weigh(good[:1], 0.5)
    whole.weigh(good, 0.5)
    torch.testing.assert_close(whole.weights, plain.weights)
    assert float(whole.levels[-1]) == pytest.approx(float(good[1].mean()))
    level = good[1].mean().view(1, 1, 1)
    expected, score = plain([good[0][:1]])
    for distance, factor in ((0 * level, 1.0), (level, 1.0), (4 * level, 2.0)):  # a known image is not excused for a defect
        raised, found = whole([good[0][:1], distance])
        torch.testing.assert_close(raised, expected)
        assert float(found) == pytest.approx(float(score) * factor, rel=1e-4)


@pytest.mark.parametrize("combination", ["sum", "geometric"])
def test_a_stages_share_multiplies_its_weight(combination):
    good = [torch.rand(3, 4, 4, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 0)]
    anomaly_map = AnomalyMap(64, (1, 1, 0.5), 0.0, combination)
    before = anomaly_map.weights.clone()
    anomaly_map.weigh(good, 1.0)
    assert before[2] / before[0] == pytest.approx(0.5)
    torch.testing.assert_close(anomaly_map.weights, before)


def test_the_geometric_mean_wants_a_defect_seen_by_all_stages():
    generator = torch.Generator().manual_seed(5)
    good = [torch.rand(6, 8, 8, generator=generator) * 0.1 for _ in range(2)]
    summed, geometric = (AnomalyMap(64, (1, 1), 0.0, combination) for combination in ("sum", "geometric"))
    for one in (summed, geometric):
        one.weigh(good, 0.0)
    alone = [torch.full((1, 8, 8), 0.05), torch.full((1, 8, 8), 0.05)]
    alone[0][0, 4, 4] = 0.4
    shared = [torch.full((1, 8, 8), 0.05), torch.full((1, 8, 8), 0.05)]
    shared[0][0, 4, 4] = shared[1][0, 4, 4] = 0.2
    assert summed(alone)[1] > 0.99 * summed(shared)[1]
    assert geometric(alone)[1] < 0.9 * geometric(shared)[1]
    # both stages at their levels: the map reads 1 but for the floor
    assert geometric([torch.full((1, 8, 8), float(one)) for one in geometric.scale.levels])[1] == pytest.approx(1.1, rel=1e-3)


def test_what_raises_a_map_as_a_whole_is_taken_off():
    generator = torch.Generator().manual_seed(6)
    clear = torch.rand(1, 8, 8, generator=generator) * 0.1 + 0.4
    plain, relative = (AnomalyMap(64, (1,), 0.0, "geometric", image_level=share) for share in (0.0, 1.0))
    assert plain([2 * clear])[1] > 1.5 * plain([clear])[1]  # an image out of focus, for one
    assert relative([2 * clear])[1] == pytest.approx(float(relative([clear])[1]), rel=0.03)
    dented = clear.clone()
    dented[0, 3, 5] = 1.5
    assert relative([dented])[1] > 1.5 * relative([clear])[1]


def test_where_good_images_read_much_more_is_wanted():
    edge = torch.full((4, 8, 8), 0.1)
    edge[:, 2] = 0.4  # an edge that is never reproduced well
    edge += torch.rand(edge.shape, generator=torch.Generator().manual_seed(7)) * 0.02
    plain, placed = (AnomalyMap(64, (1,), 0.0, "geometric", place_level=share) for share in (0.0, 1.0))
    placed.learn_places([[edge[:2]], [edge[2:]]])
    scratched = edge[:1].clone()
    scratched[0, 6, 5] = 0.35  # less than the edge, and far more than elsewhere
    for one, found in ((plain, False), (placed, True)):
        raised, _ = one([scratched])
        assert (divmod(int(raised.argmax()), 64)[0] // 8 == 6) == found
    assert abs(float(placed.places.mean())) < 1e-6, "what is taken off has no mean, which image_level is for"
    assert "places" in placed.state_dict() and "places" not in plain.state_dict()


def test_the_map_of_nothing_at_all_is_finite():
    anomaly_map = AnomalyMap(64, (1, 1), 4.0, "geometric")
    anomaly_map.weigh([torch.zeros(2, 8, 8), torch.zeros(2, 4, 4)], 2.0)
    raised, score = anomaly_map([torch.zeros(1, 8, 8) - 1e-6, torch.zeros(1, 4, 4)])
    assert torch.isfinite(raised).all() and 0 <= float(score) < 1


def test_a_stage_that_looks_aside_is_drawn_where_it_looks():
    anomaly_map = AnomalyMap(64, (1,), 0.0)
    distance = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(2))
    plain, _ = anomaly_map([distance])
    anomaly_map.align(torch.tensor([[4.0, -2.0]]))  # its samples look 4 px right of and 2 px above their cells' centres
    drawn, _ = anomaly_map([distance])
    torch.testing.assert_close(drawn[:, 8:50, 14:54], plain[:, 10:52, 10:50])
