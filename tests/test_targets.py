"""The search for a target."""

import io
import math
from types import SimpleNamespace

from learned_jpeg import targets

import numpy as np
import pytest
from makers import picture, saved
from PIL import Image

RUN = [targets.Setting(SimpleNamespace(dial=None, number=number)) for number in range(6)]


def search(target, side, tries=None, tolerance=0.005):
    """A search among models whose quantity doubles from one to the next."""

    def attempt(setting, scale):
        quantity = 10.0 * 2**setting.model.number * scale**-0.6
        if tries is not None:
            tries.append(quantity)
        return quantity, (quantity, setting.model.number, scale)

    found = targets.Search(attempt, target, tolerance, side, -0.8)
    found.among_models(RUN)
    return found.best


@pytest.mark.parametrize("target", [11.0, 55.5, 99.0, 319.0])
@pytest.mark.parametrize("side", [-1, 1])
def test_the_search_needs_few_tries(target, side):
    tries = []
    quantity, _, scale = search(target, side, tries)
    assert quantity == pytest.approx(target, rel=0.005)
    assert 0.5 < scale < 2
    assert len(tries) <= 9


@pytest.mark.parametrize("target, number", [(3.0, 0), (640.0, 5)])
def test_beyond_the_models_the_nearest_is_taken(target, number):
    assert search(target, 1)[1:] == (number, 1.0)


@pytest.mark.parametrize("side", [-1, 1])
def test_what_comes_in_steps_never_ends_beyond_the_limit(side):
    """A file has whole bytes and tables whole entries: the nearest may be on the wrong side."""

    def attempt(setting, scale):
        quantity = 10.0 * 2**setting.model.number * scale**-0.6
        steps = 1.25 ** np.round(np.log(quantity) / np.log(1.25))
        return steps, steps

    for target in np.geomspace(12, 300, 40):
        found = targets.Search(attempt, target, 0.005, side, -0.8)
        found.among_models(RUN)
        assert side * (found.best / target - 1) <= 0.0051
        assert abs(math.log(found.best / target)) < 0.3


@pytest.mark.parametrize("low, high", [(1, 100), (0.001, 0.5)])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_a_dial_is_searched_within_its_bounds(low, high, part):
    model = SimpleNamespace(dial=SimpleNamespace(low=low, high=high))
    tries = []

    def attempt(setting, scale):
        assert scale == 1 and low <= setting.dial <= high
        tries.append(setting.dial)
        return 1000 * setting.dial**0.7, setting.dial

    target = 1000 * (low * (high / low) ** part) ** 0.7
    found = targets.Search(attempt, target, 0.005, 1, -0.8)
    found.on_dial(model)
    assert 1000 * found.best**0.7 == pytest.approx(target, rel=0.0051)
    assert len(tries) <= 8


def test_a_target_outside_a_dial_gives_its_end():
    model = SimpleNamespace(dial=SimpleNamespace(low=1, high=100))
    for target, end in ((0.1, 1), (1e5, 100)):
        found = targets.Search(
            lambda setting, scale: (setting.dial, setting.dial), target, 0.005, 1, -1
        )
        found.on_dial(model)
        assert found.best == pytest.approx(end)


@pytest.mark.parametrize(
    "kind, value, inside, outside",
    [("size", 1000, [1000, 990], [1001, 989]), ("bpp", 2.0, [250, 248], [251, 247])],
)
def test_a_file_is_never_above_a_size(kind, value, inside, outside):
    pixels = np.zeros([10, 100, 3], np.uint8)
    target = targets.Target(kind, value)
    for size in inside:
        assert target.missed(pixels, bytes(size)) is None
    for size in outside:
        assert "out of reach" in target.missed(pixels, bytes(size))


def test_a_psnr_is_reached_from_above():
    pixels = np.asarray(picture())
    data = saved(picture(), "JPEG", quality=80)
    reached = targets.psnr(pixels, data)
    assert targets.Target("psnr", reached - 0.05).missed(pixels, data) is None
    assert "out of reach" in targets.Target("psnr", reached + 0.05).missed(pixels, data)


def test_psnr_in_bands_is_that_of_the_whole(monkeypatch):
    image = np.asarray(picture(100, 90))
    data = saved(picture(100, 90), "JPEG", quality=50)
    monkeypatch.setattr(targets, "PSNR_ROWS", 7)
    decoded = np.asarray(Image.open(io.BytesIO(data)))
    mse = np.mean((image.astype(float) - decoded) ** 2)
    assert targets.psnr(image, data) == pytest.approx(10 * math.log10(255**2 / mse))
    flat = np.full((8, 8, 1), 128, np.uint8)
    assert targets.psnr(flat, saved(Image.fromarray(flat[..., 0]), "JPEG")) == math.inf
