import io

import learned_jpeg
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes
from learned_jpeg.metrics import measures
from learned_jpeg.search import auto_sampling
from learned_jpeg.search.quantizer import Trellis, analyse
from learned_jpeg.search.tuning import TUNES, tuned_qtables

import numpy as np
import pytest
import skimage.data
from makers import benchmark, picture
from PIL import Image, ImageDraw


def chosen(pixels, quality):
    analysis = analyse(pixels, tuned_qtables(quality, "psnr"), "420")
    return auto_sampling.choose(analysis, TUNES["psnr"])


@pytest.mark.parametrize("quality, sampling", [(20, "420"), (80, "420"), (98, "444")])
def test_a_photograph_has_full_chroma_at_high_quality_alone(quality, sampling):
    assert chosen(np.asarray(picture(160, 192)), quality) == sampling


def test_colours_that_half_resolution_would_mix_stay():
    stripes = np.zeros([64, 64, 3], np.uint8)
    stripes[:, ::2] = [255, 0, 0]
    stripes[:, 1::2] = [0, 110, 0]
    assert chosen(stripes, 80) == "444"


@pytest.mark.parametrize("ink", ["red", "blue", "#00a000"])
@pytest.mark.parametrize("quality", [50, 75, 92])
def test_thin_lines_keep_their_colour(ink, quality):
    image = Image.new("RGB", (200, 150), "white")
    draw = ImageDraw.Draw(image)
    for n in range(0, 200, 23):
        draw.line((n, 5, 190 - n, 140), ink)
    assert chosen(np.asarray(image), quality) == "444"


def test_the_finest_tables_keep_all_chroma():
    calm = np.asarray(picture(160, 192).convert("L").convert("RGB"))
    analysis = analyse(calm, np.ones([8, 8, 2], np.uint8), "420")
    assert auto_sampling.choose(analysis, TUNES["visual"]) == "444"


def test_a_gray_picture_has_no_chroma_to_choose_for():
    pixels = np.asarray(picture(40, 50, "L"))[..., None]
    assert chosen(pixels, 75) == "444"


@pytest.mark.parametrize("size", [(160, 192), (83, 141), (5, 9)], ids=str)
def test_the_error_is_that_of_a_files_pixels(size):
    pixels = np.ascontiguousarray(skimage.data.coffee()[50 : 50 + size[0], 100 : 100 + size[1]])
    analysis = analyse(pixels, tuned_qtables(30, "visual"), "420")
    planes = [auto_sampling._quantized(plane) for plane in analysis.unrounded]
    steps = np.ascontiguousarray(np.moveaxis(np.float32(analysis.qtables), -1, 0)).reshape(2, 64)
    luma = auto_sampling._decoded(analysis.unrounded.luma[None], steps[0])[0]
    coded = auto_sampling._decoded(planes[0][None], steps[0])[0]
    found = auto_sampling._error(analysis, luma, coded, auto_sampling._decoded(planes[1], steps[1]))

    levels = Planes(*(plane.astype(np.int16) for plane in planes))
    data = jpeg_file.write_jpeg(levels, analysis.qtables, *size, "420", "optimized")
    shown = np.asarray(Image.open(io.BytesIO(data)))
    error = np.square(np.subtract(pixels, shown, dtype=np.float64)).sum(-1)
    whole = np.pad(error, [(0, -side % 8) for side in size])
    blocks = whole.reshape(len(whole) // 8, 8, -1, 8).sum((1, 3))
    assert found == pytest.approx(np.sqrt(np.mean(blocks**2)), rel=0.03)


def test_one_sampling_alone_is_searched(monkeypatch):
    searched = []
    search = Trellis.__call__

    def counted(self, analysis):
        searched.append(analysis.sampling)
        return search(self, analysis)

    monkeypatch.setattr(Trellis, "__call__", counted)
    for quality in (50, 98):
        data = learned_jpeg.encode(np.asarray(picture(96, 96)), quality=quality)
        assert searched == [jpeg_file.read_jpeg(data)[4]]
        searched.clear()


def graphic(name):
    return np.asarray(benchmark("graphics").GRAPHICS[name]())


@pytest.mark.parametrize(
    ("name", "options", "metric", "quality"),
    [
        ("ljpeg_PIL", {"tune": "psnr"}, "psnr", 70),
        ("ljpeg_PIL", {"tune": "psnr"}, "psnr", 98),
        ("ljpeg_PIL", {"tune": "visual"}, "ssimulacra2", 93),
        ("rdo_lpips", {}, "lpips", 93),
    ],
)
def test_the_chosen_sampling_is_better_at_equal_bytes(name, options, metric, quality):
    pixels = np.ascontiguousarray(skimage.data.astronaut()[64:320, 64:320])
    assert_better(pixels, name, options, metric, quality)


@pytest.mark.parametrize("quality", [50, 75, 92])
@pytest.mark.parametrize("name", ["chart", "poster", "city_map", "lines"])
def test_the_chosen_sampling_of_a_graphic_is_better_at_equal_bytes(name, quality):
    assert_better(graphic(name)[:256, 200:456], "rdo_visual", {}, "ssimulacra2", quality)


def assert_better(pixels, name, options, metric, quality):
    pixels = np.ascontiguousarray(pixels)
    model, original = learned_jpeg.load(name), measures.Reference(pixels)
    sizes, figures = {}, {}
    for sampling in SAMPLINGS:
        files = [
            model.encode(pixels, quality=value, sampling=sampling, **options)
            for value in np.clip(np.arange(-9, 9, 3) + quality, 1, 99.9)
        ]
        sizes[sampling] = np.log([len(data) for data in files])
        decoded = map(jpeg_file.decode, files)
        figures[sampling] = [original.measure(image, [metric])[metric] for image in decoded]
    middle = (sizes["420"][3] + sizes["444"][3]) / 2
    found = {name: np.interp(middle, sizes[name], figures[name]) for name in SAMPLINGS}
    best = (min if metric == "lpips" else max)(found, key=found.get)
    data = model.encode(pixels, quality=quality, sampling="auto", **options)
    assert jpeg_file.read_jpeg(data)[4] == best
