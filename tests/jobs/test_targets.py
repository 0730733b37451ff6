"""The search for a target."""

import io
import math
from types import SimpleNamespace

from learned_jpeg import api
from learned_jpeg.jobs import targets
from learned_jpeg.models import shipped
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
import skimage.data
from makers import picture, saved
from PIL import Image
from ssimulacra2 import compute_ssimulacra2

RUN = [targets.Setting(SimpleNamespace(rate_setting=None, number=number)) for number in range(6)]


def search(target, side, tries=None, tolerance=0.005):
    """A search among models whose quantity doubles from one to the next."""

    def attempt(setting, scale):
        quantity = 10.0 * 2**setting.model.number * scale**-0.6
        if tries is not None:
            tries.append(quantity)
        return math.log(quantity / target), (quantity, setting.model.number, scale)

    found = targets.Search(attempt, tolerance, side, -0.8)
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
    """Bytes and table entries are whole numbers: the nearest file may be on the wrong side."""

    def attempt(setting, scale):
        quantity = 10.0 * 2**setting.model.number * scale**-0.6
        steps = 1.25 ** np.round(np.log(quantity) / np.log(1.25))
        return math.log(steps / target), steps

    for target in np.geomspace(12, 300, 40):
        found = targets.Search(attempt, 0.005, side, -0.8)
        found.among_models(RUN)
        assert side * (found.best / target - 1) <= 0.0051
        assert abs(math.log(found.best / target)) < 0.3


@pytest.mark.parametrize("low, high", [(1, 100), (0.001, 0.5)])
@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_a_dial_is_searched_within_its_bounds(low, high, part):
    model = SimpleNamespace(rate_setting=SimpleNamespace(low=low, high=high))
    tries = []

    def attempt(setting, scale):
        assert scale == 1 and low <= setting.rate_setting <= high
        tries.append(setting.rate_setting)
        return math.log(1000 * setting.rate_setting**0.7 / target), setting.rate_setting

    target = 1000 * (low * (high / low) ** part) ** 0.7
    found = targets.Search(attempt, 0.005, 1, -0.8)
    found.on_rate_setting(targets.Setting(model))
    assert 1000 * found.best**0.7 == pytest.approx(target, rel=0.0051)
    assert len(tries) <= 8


def test_a_target_outside_a_dial_gives_its_end():
    model = SimpleNamespace(rate_setting=SimpleNamespace(low=1, high=100))
    for target, end in ((0.1, 1), (1e5, 100)):

        def attempt(setting, scale, target=target):
            return math.log(setting.rate_setting / target), setting.rate_setting

        found = targets.Search(attempt, 0.005, 1, -1)
        found.on_rate_setting(targets.Setting(model))
        assert found.best == pytest.approx(end)


def test_where_auto_turns_every_target_is_met():
    """A file grows by a tenth and more where 4:4:4 becomes the cheaper sampling."""
    pixels, model = skimage.data.coffee()[:160, :160], api.load("ljpeg_PIL")

    def finished(setting, scale):
        choices = {"sampling": setting.sampling or "auto", "tune": "psnr"}
        return model.encode(pixels, setting.rate_setting, table_scale=scale, **choices)

    def encode(rate_setting):
        data = finished(targets.Setting(shipped.load("ljpeg_PIL"), rate_setting), 1.0)
        return targets.sampling(data), len(data), targets.psnr(pixels, data)

    low, high = 40.0, 99.0
    while high - low > 0.1:
        middle = (low + high) / 2
        low, high = (middle, high) if encode(middle)[0] == "420" else (low, middle)
    samplings, sizes, qualities = zip(encode(low), encode(high), strict=True)
    assert samplings == ("420", "444") and sizes[1] > 1.1 * sizes[0]
    for kind, (low, high) in (("size", sizes), ("psnr", qualities)):
        for part in (0.2, 0.45, 0.7):
            target = targets.Target(kind, low + part * (high - low))
            found = target.encode(pixels, [targets.Setting(shipped.load("ljpeg_PIL"))], finished)
            assert target.missed(found.quantity) is None
            assert abs(found.quantity / target.value - 1) <= 0.01
            assert found.setting.sampling and found.scale == 1.0


@pytest.mark.parametrize(
    "kind, value, inside, outside",
    [
        ("size", 1000, [1000, 990, 5], [1001]),
        ("bpp", 2.0, [2.0, 1.981, 0.1], [2.001]),
        ("psnr", 30.0, [30.0, 30.29, 60.0, math.inf], [29.999]),
        ("ssimulacra2", 70.0, [70.0, 70.69, 100.0], [69.999, -3.0]),
        ("butteraugli", 2.0, [2.0, 1.981, 0.0], [2.001]),
    ],
)
def test_a_size_is_never_passed_and_a_quality_always_reached(kind, value, inside, outside):
    target = targets.Target(kind, value)
    for quantity in inside:
        assert target.missed(quantity) is None
    for quantity in outside:
        assert f"--target_{kind}" in target.missed(quantity)


@pytest.mark.parametrize("level", [0, 100, 255])
@pytest.mark.parametrize("kind, value", [("psnr", 45), ("ssimulacra2", 70), ("size", 10**5)])
@pytest.mark.parametrize("options", [{}, {"tune": "visual"}])
def test_a_flat_picture_has_no_target_to_miss(level, kind, value, options):
    """It is lossless at most qualities, and small at all of them."""
    pixels, model = np.full([40, 50, 3], level, np.uint8), api.load("ljpeg_PIL")

    def finished(setting, scale):
        return model.encode(pixels, setting.rate_setting, table_scale=scale, **options)

    target = targets.Target(kind, value)
    found = target.encode(pixels, [targets.Setting(shipped.load("ljpeg_PIL"))], finished)
    assert target.missed(found.quantity) is None


def test_bytes_and_bits_are_those_of_the_file():
    pixels = np.zeros([10, 100, 3], np.uint8)
    assert targets.Target("size", 1).measure(pixels)(bytes(250)) == 250
    assert targets.Target("bpp", 1).measure(pixels)(bytes(250)) == 2.0


def test_ssimulacra2_is_the_packages():
    """Of 8 and 16 bits, and of gray as of three equal channels."""
    image = picture(90, 80)
    pixels, data = np.asarray(image), saved(image, "JPEG", quality=60)
    (found,) = {
        targets.Target("ssimulacra2", 1).measure(each)(data)
        for each in (pixels, 257 * pixels.astype(np.uint16))
    }
    files = io.BytesIO(saved(image, "PNG")), io.BytesIO(data)
    assert found == pytest.approx(compute_ssimulacra2(*files), abs=1e-3)
    gray = image.convert("L")
    data = saved(gray, "JPEG", quality=60)
    files = io.BytesIO(saved(gray.convert("RGB"), "PNG")), io.BytesIO(data)
    found = targets.Target("ssimulacra2", 1).measure(np.asarray(gray)[..., None])(data)
    assert found == pytest.approx(compute_ssimulacra2(*files), abs=1e-3)
    with pytest.raises(UserError, match="8 pixels a side"):
        targets.Target("ssimulacra2", 1).measure(pixels[:7])


def test_psnr_in_bands_is_that_of_the_whole(monkeypatch):
    image = np.asarray(picture(100, 90))
    data = saved(picture(100, 90), "JPEG", quality=50)
    monkeypatch.setattr(targets, "PSNR_ROWS", 7)
    decoded = np.asarray(Image.open(io.BytesIO(data)))
    mse = np.mean((image.astype(float) - decoded) ** 2)
    assert targets.psnr(image, data) == pytest.approx(10 * math.log10(255**2 / mse))
    flat = np.full((8, 8, 1), 128, np.uint8)
    assert targets.psnr(flat, saved(Image.fromarray(flat[..., 0]), "JPEG")) == math.inf
