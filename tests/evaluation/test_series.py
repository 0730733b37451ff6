from pathlib import Path

from learned_jpeg.evaluation import bd_rates, series
from learned_jpeg.evaluation.series import SHOWN, Point, Series

import numpy as np
import pytest

METRIC = {metric.name: metric for metric in SHOWN}


def make(label, kind, rates, psnr, images=1, noise=0.0):
    """A curve of images alike, but for random factors on their rates."""
    factors = np.exp(noise * np.random.default_rng(0).normal(size=images))
    points = []
    for rate, value in zip(rates, psnr, strict=True):
        same = np.full(images, 1.0)
        figures = {
            "bpp": rate * factors,
            "n_bytes": 1000 * rate * factors,
            "psnr": value * same,
            "ms_ssim": value / 50 * same,
            "lpips": (1 - value / 50) * same,
            "ssimulacra2": 2 * value * same,
            "psnr_hvs_m": value * same,
            "butteraugli": (8 - value / 5) * same,
            "colorvideovdp": np.nan * same,
            "mse": same,
            "width": 8 * same,
            "height": 9 * same,
        }
        points.append(Point(str(rate), figures, Path("files") / str(rate)))
    return Series(label, kind, points)


PSNR = [28.0, 30, 33, 37]


def test_points_stand_in_the_order_of_their_rates():
    curve = make("run", "run", [1.5, 0.25, 1], [37, 28, 33])
    assert list(curve.column("bpp")) == [0.25, 1, 1.5]
    assert list(curve.column("psnr")) == [28, 33, 37]
    assert curve.images("psnr").shape == (1, 3)


def test_a_point_knows_the_files_of_its_images():
    assert Point("x", {}, Path("out/x")).file("a/b.png") == Path("out/x/a/b.png.jpg")


def test_equal_and_unknown_images_have_their_db():
    shown = METRIC["ms_ssim"].shown([1.0, np.nan, 0.9])
    np.testing.assert_allclose(shown, [np.inf, np.nan, 10])


def test_ms_ssim_is_shown_in_db_and_its_mean_taken_before():
    point = Point("x", {"ms_ssim": np.array([0.9, 0.98])}, Path())
    shown = METRIC["ms_ssim"].shown([point.means["ms_ssim"]])
    assert shown == pytest.approx(-10 * np.log10(1 - 0.94))


@pytest.mark.parametrize("metric", SHOWN, ids=lambda metric: metric.name)
def test_half_the_bits_are_a_bd_rate_of_minus_50_percent_in_every_metric(metric):
    anchor = make("JPEG", "encoder", [0.5, 1, 2, 3], PSNR)
    run = make("run", "run", [1.5, 0.25, 1, 0.5], [37, 28, 33, 30])
    delta = series.compare(anchor, run, metric)
    assert (delta.percent, delta.overlap) == pytest.approx((-50, 1))
    assert (delta.low, delta.high) == pytest.approx((-50, -50))
    assert (delta.wins, delta.compared, delta.is_open) == (1, 1, False)


def test_an_interval_over_images_and_wins():
    anchor = make("JPEG", "encoder", [0.5, 1, 2, 3], PSNR, images=50)
    # Rates of single images differ by 30%, and by 2% in the mean.
    run = make("run", "run", [0.5 * 0.98, 0.98, 1.96, 2.94], PSNR, images=50, noise=0.3)
    delta = series.compare(anchor, run, METRIC["psnr"])
    factors = run.images("bpp")[:, 0] / anchor.images("bpp")[:, 0]
    assert delta.images == pytest.approx(100 * (factors - 1))
    assert delta.wins == (factors < 1).sum()
    assert delta.percent == pytest.approx(100 * (factors.mean() - 1))
    error = 100 * 1.96 * factors.std() / np.sqrt(50)
    assert delta.high - delta.percent == pytest.approx(error, rel=0.25)
    assert delta.percent - delta.low == pytest.approx(error, rel=0.25)
    assert delta.is_open


def test_curves_without_overlap_say_nothing():
    anchor = make("JPEG", "encoder", [0.5, 1], [28, 30])
    run = make("run", "run", [0.5, 1], [38, 40])
    delta = series.compare(anchor, run, METRIC["psnr"])
    assert np.isnan([delta.percent, delta.low, delta.high]).all()
    assert (delta.wins, delta.compared, delta.is_open) == (0, 0, True)


def test_images_are_drawn_alike_for_all_metrics_and_only_once(monkeypatch):
    curve = make("run", "run", [1, 2], [30, 31], images=5, noise=0.3)
    first = curve.resampled("bpp")
    monkeypatch.setattr(bd_rates, "bootstrap_means", None)
    assert curve.resampled("bpp") is first


def sized(label, sizes):
    """A curve with a file of a size for each image."""
    point = Point(label, {"n_bytes": np.array(sizes, float), "bpp": np.array(sizes) / 1000}, Path())
    return Series(label, "run", [point], {"a size": point})


def test_a_few_images_are_spread_over_the_set():
    assert series.chosen(list("abcdefgh"), 4) == ["b", "d", "f", "h"]
    assert series.chosen(list("ab"), 4) == ["a", "b"]
    assert len(series.chosen(list(range(100)), 8)) == 8


def test_files_of_equal_bytes_are_compared_and_no_others():
    curves = [sized("a", [1000]), sized("b", [995]), sized("c", [970]), sized("d", [1004])]
    near, far = series.equal([*curves, sized("e", [np.nan])], "a size", 0)
    assert [one.label for one, _ in near] == ["a", "b", "d"]
    assert [one.label for one in far] == ["c"]
    assert series.equal(curves, "another size", 0) == ([], [])
