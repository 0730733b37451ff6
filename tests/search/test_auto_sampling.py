from functools import partial

import learned_jpeg
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.sampling import SAMPLINGS
from learned_jpeg.metrics import measures
from learned_jpeg.search import auto_sampling
from learned_jpeg.search.quantizer import Trellis, analyse
from learned_jpeg.search.tuning import tuned_qtables

import numpy as np
import pytest
import skimage.data
from makers import picture


def chosen(pixels, quality):
    qtables = tuned_qtables(quality, "psnr")
    analyses = {name: partial(analyse, pixels, qtables, name) for name in SAMPLINGS}
    name, found, _ = auto_sampling.choose(Trellis("psnr"), analyses)
    expected = Trellis("psnr")(analyses[name]()).chroma
    np.testing.assert_array_equal(found.integers.chroma, expected)
    return name


@pytest.mark.parametrize("quality, sampling", [(20, "420"), (80, "420"), (98, "444")])
def test_a_photograph_has_full_chroma_at_high_quality_alone(quality, sampling):
    assert chosen(np.asarray(picture(160, 192)), quality) == sampling


def test_colours_that_half_resolution_would_mix_keep_theirs():
    stripes = np.zeros([64, 64, 3], np.uint8)
    stripes[:, ::2] = [255, 0, 0]
    stripes[:, 1::2] = [0, 110, 0]
    assert chosen(stripes, 80) == "444"


def test_what_loses_little_by_itself_is_not_searched_twice(monkeypatch):
    """It is an easy case of the whole comparison, which chooses the same."""
    pixels = np.asarray(picture(160, 192))
    for quality in (20, 60, 90, 98):
        fast = chosen(pixels, quality)
        with monkeypatch.context() as patch:
            patch.setattr(auto_sampling, "_LITTLE", 0)
            assert chosen(pixels, quality) == fast


@pytest.mark.parametrize(
    ("name", "options", "metric", "quality"),
    [
        ("ljpeg_PIL", {"tune": "psnr"}, "psnr", 70),
        ("ljpeg_PIL", {"tune": "psnr"}, "psnr", 98),
        ("ljpeg_PIL", {"tune": "visual"}, "ssimulacra2", 93),
        ("rdo_lpips", {}, "lpips", 93),
    ],
)
def test_what_is_taken_is_better_at_equal_bytes(name, options, metric, quality):
    pixels = np.ascontiguousarray(skimage.data.astronaut()[64:320, 64:320])
    model, original = learned_jpeg.load(name), measures.Reference(pixels)
    sizes, figures = {}, {}
    for sampling in SAMPLINGS:
        files = [
            model.encode(pixels, dial=dial, sampling=sampling, **options)
            for dial in np.clip(np.arange(-9, 9, 3) + quality, 1, 99.9)
        ]
        sizes[sampling] = np.log([len(data) for data in files])
        decoded = map(jpeg_file.decode, files)
        figures[sampling] = [original.measure(image, [metric])[metric] for image in decoded]
    middle = (sizes["420"][3] + sizes["444"][3]) / 2
    found = {name: np.interp(middle, sizes[name], figures[name]) for name in SAMPLINGS}
    best = (min if metric == "lpips" else max)(found, key=found.get)
    data = model.encode(pixels, dial=quality, sampling="auto", **options)
    assert jpeg_file.read_jpeg(data)[4] == best
