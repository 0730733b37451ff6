from functools import partial

from learned_jpeg import auto_sampling
from learned_jpeg.quantizer import Trellis, analyse
from learned_jpeg.sampling import SAMPLINGS
from learned_jpeg.tuning import tuned_qtables

import numpy as np
import pytest
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
