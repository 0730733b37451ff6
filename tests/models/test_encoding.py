"""From pixels to a file: tiles, gray pictures, scaled tables, options."""

import ljpeg_PIL
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.sampling import SAMPLINGS
from learned_jpeg.metrics import measures
from learned_jpeg.models import architectures, encoding, shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.search import importance
from learned_jpeg.search.tuning import TUNES

import numpy as np
import pytest

# The models whose files are rounded; those of the search have tests of their own.
ROUNDED = [name for name in architectures.names() if architectures.load(name).quantizer == "round"]


def rate_of(pipeline, value=40.0):
    return None if pipeline.rate_setting is None else value


def read(pipeline, pixels, rate_setting, **options):
    return jpeg_file.read_jpeg(encoding.encode(pipeline, pixels, rate_setting, **options))


def assert_planes_equal(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", SAMPLINGS)
@pytest.mark.parametrize("name", ROUNDED)
@pytest.mark.parametrize("height, width", [(153, 131), (64, 72)])
def test_tiles_give_the_same_file_as_the_whole_image(
    name, height, width, kind, photograph, randomized, monkeypatch
):
    pipeline, pixels = randomized(name, 20, kind), photograph[:height, :width]
    rate_setting = rate_of(pipeline)
    whole = encoding.encode(pipeline, pixels, rate_setting)
    monkeypatch.setattr(pipeline, "tile", 64)
    assert encoding.encode(pipeline, pixels, rate_setting) == whole
    # The coefficients are those of the whole image at once, not only of tiles among themselves.
    coded = pipeline.encode(pixels[None].astype(np.float32) / 255, rate_setting)
    assert_planes_equal(
        jpeg_file.read_jpeg(whole)[0], [plane[0].numpy() for plane in coded.coefficients]
    )


@pytest.mark.parametrize("kind", SAMPLINGS)
@pytest.mark.parametrize("name", ROUNDED)
def test_a_gray_image_gives_the_luma_of_its_rgb_form(name, kind, photograph, randomized):
    pipeline, gray = randomized(name, 20, kind), photograph[:45, :70, 1:2]
    one, *_, found = read(pipeline, gray, rate_of(pipeline))
    three, *_ = read(pipeline, np.repeat(gray, 3, axis=-1), rate_of(pipeline))
    assert one.chroma is None and found == "444"
    np.testing.assert_array_equal(one.luma, three.luma)


def test_scaled_tables_are_written_and_the_error_grows_with_them(photograph, decode, randomized):
    pipeline, pixels = randomized("ljpeg", 20), photograph[:45, :70]
    plain, scaled = (encoding.encode(pipeline, pixels, table_scale=scale) for scale in (1.0, 2.5))
    expected = np.clip(np.round(jpeg_file.read_jpeg(plain)[1] * 2.5), 1, 255)
    assert np.abs(jpeg_file.read_jpeg(scaled)[1] - expected).max() <= 1
    assert len(scaled) < len(plain)
    assert measures.psnr(pixels, decode(scaled)) < measures.psnr(pixels, decode(plain))


@pytest.mark.parametrize("name", ROUNDED)
def test_a_file_may_have_another_sampling_than_the_model(name, photograph, randomized):
    pixels = photograph[:45, :70]
    for of_model, of_file in (SAMPLINGS, SAMPLINGS[::-1]):
        pipeline = randomized(name, 20, of_model)
        rate_setting = rate_of(pipeline)
        other = encoding.encode(pipeline, pixels, rate_setting, Coding(sampling=of_file))
        assert jpeg_file.read_jpeg(other)[-1] == of_file
        assert encoding.encode(randomized(name, 20, of_file), pixels, rate_setting) == other


def test_the_rate_setting_has_a_default(photograph):
    pipeline, pixels = ljpeg_PIL.LJPEGPIL(), photograph[:20, :20]
    default = encoding.encode(pipeline, pixels, pipeline.rate_setting.default)
    assert encoding.encode(pipeline, pixels) == default
    assert encoding.encode(pipeline, pixels, 30) != default


@pytest.mark.parametrize("rate_setting", [0, 100.5, -1, float("nan")])
def test_a_rate_setting_beyond_its_bounds_is_refused(rate_setting, photograph):
    with pytest.raises(UserError, match="quality .* not in 1 to 100"):
        encoding.encode(ljpeg_PIL.LJPEGPIL(), photograph, rate_setting)


def test_a_model_without_a_rate_setting_refuses_a_value(photograph, randomized):
    with pytest.raises(UserError, match="ljpeg has tables of its own"):
        encoding.encode(randomized("ljpeg"), photograph, 50)


def test_open_choices_are_the_models_and_others_stay():
    assert Coding().with_defaults("420", "trellis") == Coding("progressive", "420", "trellis")
    chosen = Coding("standard", "444", "round", "visual")
    assert chosen.with_defaults("420", "trellis") == chosen


@pytest.mark.parametrize("name", ["ljpeg", "ljpeg_attention", "google_baseline", "ljpeg_PIL"])
@pytest.mark.parametrize("sampling", ["444", "420"])
def test_every_model_can_search_and_its_file_is_smaller_at_the_same_tables(
    name, sampling, photograph, randomized
):
    model = ljpeg_PIL.LJPEGPIL() if name == "ljpeg_PIL" else randomized(name)
    picture = photograph[:150, :133]
    rounded, searched = (
        encoding.encode(model, picture, coding=Coding("optimized", sampling, quantizer))
        for quantizer in ("round", "trellis")
    )
    # Files of a random network that edits pixels may be hardly more than headers.
    assert len(searched) < (1.02 if name == "google_baseline" else 0.97) * len(rounded)
    read = [jpeg_file.read_jpeg(data) for data in (rounded, searched)]
    np.testing.assert_array_equal(read[0][1], read[1][1])
    assert read[1][4] == sampling
    levels = [np.abs(planes.luma.astype(int)) for planes, *_ in read]
    assert np.abs(levels[0] - levels[1]).max() <= 2 + 0.5 * levels[0].max()


def test_auto_takes_one_of_both_samplings(photograph):
    model = ljpeg_PIL.LJPEGPIL()
    picture = photograph[:64, :64]
    auto = encoding.encode(model, picture, coding=Coding(sampling="auto", quantizer="trellis"))
    both = [
        encoding.encode(model, picture, coding=Coding(sampling=sampling, quantizer="trellis"))
        for sampling in ("444", "420")
    ]
    assert auto in both
    assert encoding.encode(model, picture, coding=Coding(sampling="auto")) == auto


def test_sampling_auto_and_refine_choose_the_search(photograph):
    """Rounding can do neither: as the default it gives way, as a choice it is an error."""
    rdo, ijg = shipped.load("rdo_visual"), shipped.load("ljpeg_PIL")
    picture = photograph[:64, :64]

    def encode(model, **choices):
        return encoding.encode(model, picture, coding=Coding(**choices))

    assert encode(rdo, quantizer="round") == encode(rdo, quantizer="round", sampling="420")
    for tune in TUNES:
        rounded = encode(ijg, quantizer="round", tune=tune)
        assert rounded == encode(ijg, quantizer="round", tune=tune, sampling="444")
    refined = encode(ijg, refine=1, tune="psnr", sampling="420")
    assert refined == encode(ijg, refine=1, tune="psnr", sampling="420", quantizer="trellis")
    assert encode(ijg, refine=1) == encode(ijg, refine=1, quantizer="trellis")
    for model in (rdo, ijg):
        with pytest.raises(UserError, match="auto is a choice of the search"):
            encode(model, quantizer="round", sampling="auto")
        with pytest.raises(UserError, match="refine is searching again"):
            encode(model, quantizer="round", refine=1)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_bands_that_are_refined_are_analysed_as_in_the_whole_picture(
    sampling, photograph, monkeypatch
):
    model = shipped.load("rdo_visual")
    prices = importance.prices(photograph[..., 0] / 255)
    found = []

    def refine(search, analyse, pixels, *rest):
        found.extend(analyse(*rows) for rows in ((0, len(pixels)), (0, 112), (112, len(pixels))))
        return search(found[0]), found[0].qtables

    monkeypatch.setattr(encoding.refining, "refine", refine)
    encoding.encode(model, photograph, 60, Coding(sampling=sampling, refine=1), prices=prices)
    whole, *bands = found
    for name in ("unrounded", "log2_bit_price"):
        luma, chroma = (
            np.concatenate([getattr(band, name)[i] for band in bands], axis=i) for i in range(2)
        )
        assert_planes_equal((luma, chroma), getattr(whole, name))
    if sampling == "420":
        samples = np.concatenate([band.chroma_samples for band in bands], 1)
        np.testing.assert_array_equal(samples, whole.chroma_samples)
