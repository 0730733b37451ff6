from learned_jpeg.evaluation import bd_rates

import bjontegaard
import numpy as np
import pytest


def curves(rng, number, points):
    """Random curves, strictly rising."""
    return (
        np.sort(rng.uniform(low, high, (number, points)), axis=1)
        for low, high in ((0.1, 3), (20, 45))
    )


@pytest.mark.parametrize(("one", "other"), [(23, 6), (6, 5), (4, 23), (3, 2), (2, 2)])
def test_it_equals_the_published_package(one, other):
    rng = np.random.default_rng(0)
    anchor, tested = [*curves(rng, 40, one)], [*curves(rng, 40, other)]
    percent, _ = bd_rates.bd_rates(*anchor, *tested)
    checked = 0
    for index, value in enumerate(percent):
        rows = [part[index] for part in (*anchor, *tested)]
        if min(rows[1].max(), rows[3].max()) <= max(rows[1].min(), rows[3].min()):
            assert np.isnan(value)
            continue
        checked += 1
        expected = bjontegaard.bd_rate(
            *rows, method="pchip", require_matching_points=False, min_overlap=0
        )
        assert value == pytest.approx(expected, abs=1e-6)
    assert checked > 10


QUALITY = np.array([28.0, 30, 33, 37])


def test_half_the_bits_are_minus_50_percent_in_any_order_of_the_points():
    order = [3, 0, 2, 1]
    rate = np.array([0.5, 1, 2, 3])
    percent, overlap = bd_rates.bd_rates(
        rate[None], QUALITY[None], rate[order][None] / 2, QUALITY[order][None]
    )
    assert percent[0] == pytest.approx(-50)
    assert overlap[0] == pytest.approx(1)


def test_what_another_point_beats_and_what_is_not_finite_does_not_count():
    rate = np.array([[0.5, 1, 2, 3]])
    more_rate = np.array([[0.5, 1, 2, 3, 2.5, 4, 1.5, 0.7]])
    more_quality = np.array([[*QUALITY, 20, np.inf, np.nan, 28]])
    percent, overlap = bd_rates.bd_rates(rate, QUALITY[None], more_rate, more_quality)
    assert (percent[0], overlap[0]) == pytest.approx((0, 1))


@pytest.mark.parametrize(
    ("rate", "quality"),
    [([0.5, 1], [50.0, 60]), ([1.0], [30.0]), ([1.0, 2], [30.0, 30])],
    ids=["no overlap", "one point", "one point that counts"],
)
def test_without_two_curves_over_one_quality_there_is_none(rate, quality):
    percent, overlap = bd_rates.bd_rates([[0.5, 1, 2, 3]], [QUALITY], [rate], [quality])
    assert np.isnan(percent[0])
    assert overlap[0] == 0


def test_the_overlap_is_a_part_of_the_shorter_range():
    _, overlap = bd_rates.bd_rates([[1, 2]], [[30.0, 40]], [[1, 2]], [[38.0, 42]])
    assert overlap[0] == pytest.approx(0.5)


def test_curves_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="curves of rates"):
        bd_rates.bd_rates([[1, 2]], [[30.0, 40, 50]], [[1, 2]], [[38.0, 42]])


def test_saved_bits_are_those_of_each_quality():
    rate = np.array([0.5, 1, 2, 3])
    qualities, percent = bd_rates.rate_ratio(rate, QUALITY, 0.75 * rate, QUALITY, number=7)
    assert (qualities[0], qualities[-1], len(percent)) == (28, 37, 7)
    assert percent == pytest.approx(-25)
    assert bd_rates.rate_ratio(rate, QUALITY, rate, QUALITY + 20)[0].size == 0


def test_bootstrap_means_scatter_as_the_standard_error_says():
    values = np.random.default_rng(1).normal(5, 2, [200, 1])
    means = bd_rates.bootstrap_means(values)
    assert means.shape == (bd_rates.RESAMPLES, 1)
    assert means.mean() == pytest.approx(values.mean(), abs=0.02)
    assert means.std() == pytest.approx(values.std() / np.sqrt(200), rel=0.1)
    low, high = bd_rates.interval(means[:, 0])
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(200), rel=0.15)


def test_bootstrap_means_are_drawn_alike_and_leave_out_what_is_missing():
    values = np.array([[1.0, np.nan], [1, 3], [1, np.inf]])
    means = bd_rates.bootstrap_means(values)
    np.testing.assert_array_equal(means, bd_rates.bootstrap_means(values))
    assert (means[:, 0] == 1).all()
    missing, infinite = np.isnan(means[:, 1]), np.isinf(means[:, 1])
    assert missing.mean() == pytest.approx((1 / 3) ** 3, abs=0.02)  # all three are the first one
    assert infinite.mean() == pytest.approx(1 - (2 / 3) ** 3, abs=0.05)
    assert (means[~missing & ~infinite, 1] == 3).all()


def test_there_is_no_interval_of_little():
    values = np.full(bd_rates.RESAMPLES, np.nan)
    values[:100] = 1
    assert np.isnan(bd_rates.interval(values)).all()
