import functools

from learned_jpeg.jpeg.jpeg_file import write_jpeg
from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes
from learned_jpeg.metrics.measures import Reference
from learned_jpeg.models import encoding
from learned_jpeg.models.encoding import Coding
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.search import refining
from learned_jpeg.search.quantizer import Trellis, analyse
from learned_jpeg.search.refining import SHARES, refine
from learned_jpeg.search.tuning import tuned_qtables
from ljpeg_PIL import LJPEGPIL

import numpy as np
import pytest
import skimage.data

LPIPS = SHARES["visual"]
PICTURE = skimage.data.astronaut()[:201, 100:263]


def refined(pixels, tune, sampling, steps, share, quality=50, **options):
    """The levels, Planes, and the file of a picture after steps of refining."""
    qtables = tuned_qtables(quality, tune)
    analysis = analyse(pixels, qtables, sampling)
    search = Trellis(tune, huffman="optimized")
    if not steps:
        levels = search(analysis)
    else:
        of_rows = functools.partial(refining.rows, analysis)
        levels, _ = refine(search, of_rows, pixels, sampling, steps, share, **options)
    return levels, write_jpeg(levels, qtables, *pixels.shape[:2], sampling, "optimized")


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_two_steps_lessen_lpips_at_about_the_same_size(sampling, decode):
    plain, fine = (refined(PICTURE, "visual", sampling, steps, LPIPS)[1] for steps in (0, 2))
    reference = Reference(PICTURE)
    before, after = (reference.measure(decode(data), ["lpips", "psnr"]) for data in (plain, fine))
    assert after["lpips"] < 0.92 * before["lpips"]
    assert after["psnr"] > before["psnr"] - 0.03
    assert len(fine) < 1.02 * len(plain)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("quality", [60, 85])
def test_without_lpips_the_cost_falls(sampling, quality, decode):
    costs = []
    for steps in (0, 1):
        _, data = refined(PICTURE, "psnr", sampling, steps, 0, quality)
        error = np.square(decode(data).astype(float) - PICTURE).sum() / 3
        price = Trellis("psnr").bit_price(tuned_qtables(quality, "psnr"))
        costs.append(error + price * 8 * len(data))
    assert costs[1] < costs[0]


def test_steps_that_do_not_improve_leave_the_first_search(monkeypatch):
    plain, _ = refined(PICTURE, "visual", "420", 0, 0)
    far = np.full([2, *plain.chroma.shape[1:]], 9, np.float32)
    monkeypatch.setattr(refining._Band, "chroma_shift", lambda self, *found: far)
    assert equal(refined(PICTURE, "visual", "420", 2, 0)[0], plain)
    monkeypatch.setattr(refining, "LONGEST", -0.5)  # uphill
    monkeypatch.setattr(refining, "NEWEST", 1)
    assert equal(refined(PICTURE, "visual", "420", 2, LPIPS)[0], plain)


def test_refining_gives_the_same_file_every_time():
    first, second = (refined(PICTURE[:99], "visual", "420", 1, LPIPS)[1] for _ in range(2))
    assert first == second


def test_a_gray_picture_has_less_lpips_too(decode):
    gray = PICTURE[..., 1:2]
    plain, fine = (refined(gray, "visual", "444", steps, LPIPS)[1] for steps in (0, 2))
    reference = Reference(np.repeat(gray, 3, 2))
    before, after = (reference.measure(decode(x), ["lpips"])["lpips"] for x in (plain, fine))
    assert after < 0.95 * before
    assert refined(gray, "psnr", "444", 2, 0)[1] == refined(gray, "psnr", "444", 0, 0)[1]


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 4), (33, 33)])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_pictures_of_any_size_are_refined(size, sampling):
    pixels = PICTURE[: size[0], : size[1]]
    levels, _ = refined(pixels, "visual", sampling, 1, LPIPS, 20)
    assert isinstance(levels, Planes)


def test_sixteen_bits_are_refined():
    deep = PICTURE[:64, :64].astype(np.uint16) * 257
    assert (
        refined(deep, "visual", "420", 1, LPIPS)[1]
        == (refined(PICTURE[:64, :64], "visual", "420", 1, LPIPS)[1])
    )


def test_the_part_that_is_done_is_reported():
    reported = []
    refined(PICTURE[:64, :64], "psnr", "420", 3, 0, progress=reported.append)
    assert reported == [0.25, 0.5, 0.75, 1]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("tune", ["psnr", "visual"])
def test_bands_are_as_good_as_a_whole(sampling, tune, decode, monkeypatch):
    options = PICTURE, tune, sampling, 1, SHARES[tune]
    _, whole = refined(*options)
    monkeypatch.setattr(refining, "BAND", PICTURE.shape[1] * 80)
    reported = []
    _, parts = refined(*options, progress=reported.append)
    assert len(reported) == 6 and reported[-1] == pytest.approx(1)
    reference = Reference(PICTURE)
    a, b = (reference.measure(decode(data), ["lpips", "psnr"]) for data in (whole, parts))
    # 0.1 dB are about 2% of the bits.
    bits = len(parts) / len(whole) - 1
    assert bits == pytest.approx((b["psnr"] - a["psnr"]) / 5, abs=0.01)
    assert b["lpips"] == pytest.approx(a["lpips"], rel=0.03)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_pixels_in_refining_are_nearly_a_decoders(sampling, decode):
    analysis = analyse(PICTURE, tuned_qtables(50, "visual"), sampling)
    search = Trellis("visual", huffman="optimized")
    band = refining._Band(search, analysis, None, 0)
    levels = search(analysis)
    pixels = band.pixels(band.decode(levels)).astype(int)
    data = write_jpeg(levels, analysis.qtables, *PICTURE.shape[:2], sampling, "optimized")
    difference = np.abs(decode(data) - pixels)
    assert difference.max() <= 4 and difference.mean() < 0.2


def test_only_files_of_the_search_are_refined(decode):
    def encode(**options):
        return encoding.encode(LJPEGPIL(), PICTURE, 50.0, Coding(**options))

    reference = Reference(PICTURE)
    figures = [
        reference.measure(decode(encode(tune="visual", refine=steps)), ["lpips"])["lpips"]
        for steps in (0, 1)
    ]
    assert figures[1] < figures[0]
    with pytest.raises(UserError, match="quantizer trellis"):
        encode(refine=1, quantizer="round")
    with pytest.raises(UserError, match="refine is -1"):
        Coding(refine=-1)
