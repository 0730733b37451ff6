import dataclasses
from concurrent.futures import ThreadPoolExecutor

from learned_jpeg.jpeg.jpeg_file import write_jpeg
from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes
from learned_jpeg.jpeg.transform import inverse
from learned_jpeg.search.quantizer import Analysis, Round, Trellis, analyse
from learned_jpeg.search.tuning import TUNES, tuned_qtables

import numpy as np
import pytest
from PIL import Image, ImageDraw


def text():
    image = Image.new("RGB", (160, 96), "white")
    for line in range(6):
        ImageDraw.Draw(image).text(
            (4, 15 * line), "The quick brown fox", fill=(150 * (line % 2), 0, 0)
        )
    return np.asarray(image)


GENERATOR = np.random.default_rng(0)
PICTURES = {
    "one pixel": np.full([1, 1, 3], 77, np.uint8),
    "one wide": GENERATOR.integers(0, 256, [37, 1, 3], np.uint8),
    "one high": GENERATOR.integers(0, 256, [1, 700, 3], np.uint8),
    "odd": GENERATOR.integers(0, 256, [33, 17, 3], np.uint8),
    "black": np.zeros([40, 40, 3], np.uint8),
    "white": np.full([40, 40, 3], 255, np.uint8),
    "extremes": GENERATOR.integers(0, 2, [40, 56, 3], np.uint8) * np.uint8(255),
    "text": text(),
    "gray": GENERATOR.integers(0, 256, [21, 30, 1], np.uint8),
}


def psnr(pixels, planes, qtables, sampling):
    decoded = inverse(planes, qtables, *pixels.shape[:2], sampling)
    return 10 * np.log10(255**2 / ((decoded.astype(float) - pixels) ** 2).mean())


def test_round_goes_to_the_nearest_and_stays_in_range():
    luma = np.zeros([1, 2, 8, 8], np.float32)
    luma[0, 0, 0, :5] = [-2000, 1500, 0.5, 1.5, -2.4]
    luma[0, 1, 0, :2] = [1023.9, -1023.9]
    found = Round()(Analysis(Planes(luma, None), np.ones([8, 8, 2], np.uint8), "444", 8, 16))
    assert found.chroma is None
    assert found.luma.dtype == np.int16
    assert found.luma[0, 0, 0, :5].tolist() == [-1024, 1023, 0, 2, -2]
    assert found.luma[0, 1, 0, :2].tolist() == [1023, -1023]


@pytest.mark.parametrize("tune", TUNES)
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("name", PICTURES)
def test_the_file_of_any_picture_decodes_to_the_levels(name, sampling, tune, decode):
    pixels = PICTURES[name]
    for quality in (1, 60, 100):
        qtables = tuned_qtables(quality, tune)
        planes = Trellis(tune)(analyse(pixels, qtables, sampling))
        data = write_jpeg(planes, qtables, *pixels.shape[:2], sampling, "progressive")
        expected = inverse(planes, qtables, *pixels.shape[:2], sampling)
        assert np.array_equal(decode(data), np.broadcast_to(expected, decode(data).shape))
        if name in ("black", "white", "one pixel"):
            assert abs(expected.astype(int) - pixels).max() <= (3 if quality == 100 else 30)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_search_costs_less_than_rounding_at_the_same_error(photograph, sampling):
    qtables = tuned_qtables(50, "psnr")
    analysis = analyse(photograph, qtables, sampling)
    finer = analyse(photograph, tuned_qtables(39, "psnr"), sampling)
    size = photograph.shape[:2]
    found, rounded = Trellis("psnr")(analysis), Round()(finer)
    searched = write_jpeg(found, qtables, *size, sampling, "progressive")
    plain = write_jpeg(rounded, tuned_qtables(39, "psnr"), *size, sampling, "progressive")
    assert len(searched) < 0.97 * len(plain)
    assert psnr(photograph, found, qtables, sampling) > psnr(
        photograph, rounded, tuned_qtables(39, "psnr"), sampling
    )


def test_taking_over_and_clipping_save_bits(photograph):
    for pixels, option in ((photograph, "take_over"), (text(), "clipping")):
        qtables = tuned_qtables(40, "psnr")
        analysis = analyse(pixels, qtables, "420")
        found = {}
        for whether in (False, True):
            tune = dataclasses.replace(TUNES["psnr"], **{option: whether})
            result = Trellis(tune).search(analysis)
            found[whether] = psnr(pixels, result.levels, qtables, "420"), result.bits
        gain, more = found[True][0] - found[False][0], found[True][1] / found[False][1] - 1
        assert gain - 12 * more > 0.02  # a percent of bits is about 0.12 dB at most


@pytest.mark.parametrize("huffman", ["optimized", "progressive"])
def test_bits_are_about_those_of_the_file_and_fewest_in_the_kind_that_was_searched_for(
    photograph, huffman
):
    qtables = tuned_qtables(25, "visual")
    analysis = analyse(photograph, qtables, "420")
    costs = {}
    for kind in ("optimized", "progressive"):
        search = Trellis("visual", huffman=kind)
        found = search.search(analysis)
        data = write_jpeg(found.levels, qtables, *photograph.shape[:2], "420", huffman)
        if kind == huffman:
            assert found.bits / 8 < len(data) < 1.05 * found.bits / 8 + 400
        costs[kind] = sum(found.error) + search.bit_price(qtables) * 8 * len(data)
    assert costs.pop(huffman) < 0.999 * min(costs.values())


def test_dc_is_nearer_where_it_weighs_more(photograph):
    analysis = analyse(photograph, tuned_qtables(40, "visual"), "420")
    errors, bits = [], []
    for weight in (1, 4):
        tune = dataclasses.replace(
            TUNES["visual"], dc_weight=weight, take_over=False, clipping=False
        )
        found = Trellis(tune).search(analysis)
        errors.append(
            [
                np.square(x - v)[..., 0, 0].mean()
                for x, v in zip(analysis.unrounded, found.levels, strict=True)
            ]
        )
        bits.append(found.bits)
    assert (np.array(errors[1]) < np.array(errors[0])).all()
    assert bits[1] > bits[0]


def test_dearer_bits_are_fewer_where_they_are_dearer(photograph):
    analysis = analyse(photograph, tuned_qtables(60, "psnr"), "420")
    plain = Trellis("psnr").search(analysis)
    maps = [np.zeros(plane.shape[:-2], np.float32) for plane in analysis.unrounded]
    even = Trellis("psnr").search(dataclasses.replace(analysis, log2_bit_price=Planes(*maps)))
    assert all(np.array_equal(*pair) for pair in zip(plain.levels, even.levels, strict=True))
    maps[0][:, 10:] = 2
    dear = Trellis("psnr")(dataclasses.replace(analysis, log2_bit_price=Planes(*maps)))

    def nonzero(luma):
        return (luma != 0).sum((-1, -2))

    before, after = nonzero(plain.levels.luma), nonzero(dear.luma)
    assert after[:, 10:].sum() < 0.9 * before[:, 10:].sum()
    assert abs(after[:, :10].sum() - before[:, :10].sum()) < 0.05 * before[:, :10].sum()


def test_threads_may_share_a_search(photograph):
    analysis = analyse(photograph, tuned_qtables(60, "visual"), "444")
    search = Trellis("visual")
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(search, [analysis] * 4))
    for planes in found[1:]:
        assert all(np.array_equal(*pair) for pair in zip(planes, found[0], strict=True))
