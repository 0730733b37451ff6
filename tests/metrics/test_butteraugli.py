import io
import re
import shutil
import subprocess

from learned_jpeg.metrics.butteraugli import Butteraugli

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageDraw

FILES = [(3, "4:2:0"), (30, "4:2:0"), (30, "4:4:4"), (75, "4:2:0"), (92, "4:4:4"), (98, "4:4:4")]
# The 3-norms that `butteraugli_main` of libjxl 0.7.0 (Debian's libjxl-devtools) prints for FILES.
MEASURED = {
    ("photograph", 203, 191): [10.054688, 1.857212, 1.832559, 1.111222, 0.641773, 0.359592],
    ("photograph", 64, 150): [10.684010, 1.762759, 1.757689, 1.092563, 0.638201, 0.397473],
    ("photograph", 33, 15): [11.756509, 1.534209, 1.403198, 0.833361, 0.624719, 0.421135],
    ("photograph", 9, 8): [6.779038, 1.287882, 1.287882, 0.736674, 0.518282, 0.312339],
    ("graphic", 120, 161): [12.985476, 10.402029, 5.495811, 9.565966, 0.651429, 0.194333],
}


def picture(name, height, width):
    if name == "photograph":
        return np.ascontiguousarray(skimage.data.astronaut()[:height, 100 : 100 + width])
    image = Image.new("RGB", (width, height), "navy")
    draw = ImageDraw.Draw(image)
    for n in range(0, width, 9):
        draw.line((n, 0, width - n, height), (255, n % 256, 40))
    draw.rectangle((width // 3, height // 3, width // 2, height // 2), "white")
    return np.asarray(image)


def jpeg(image, quality, subsampling):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def by_the_program(folder, a, b):
    files = folder / "a.png", folder / "b.png"
    for file, pixels in zip(files, (a, b), strict=True):
        Image.fromarray(pixels).save(file)
    printed = subprocess.run(["butteraugli_main", *files], capture_output=True, check=True).stdout
    return float(re.search(rb"3-norm: (\S+)", printed)[1])


needs_the_program = pytest.mark.skipif(
    not shutil.which("butteraugli_main"), reason="no butteraugli_main (Debian: libjxl-devtools)"
)


@pytest.mark.parametrize("which", MEASURED, ids=str)
def test_butteraugli_is_what_the_program_measured(which):
    image = picture(*which)
    reference = Butteraugli(image)
    found = [reference.compare(jpeg(image, *file)) for file in FILES]
    assert found == pytest.approx(MEASURED[which], rel=1e-3)


@needs_the_program
@pytest.mark.parametrize("size", [(8, 8), (15, 14), (16, 301), (131, 77)], ids=str)
def test_butteraugli_is_the_programs(size, tmp_path):
    image = np.ascontiguousarray(skimage.data.coffee()[: size[0], 200 : 200 + size[1]])
    reference = Butteraugli(image)
    for quality, subsampling in ((5, "4:2:0"), (60, "4:4:4"), (95, "4:2:0")):
        decoded = jpeg(image, quality, subsampling)
        expected = by_the_program(tmp_path, image, decoded)
        assert reference.compare(decoded) == pytest.approx(expected, rel=1e-3)


@needs_the_program
def test_butteraugli_of_extremes_is_the_programs(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    black, white = np.zeros_like(noise), np.full_like(noise, 255)
    for a, b in [(noise, black), (white, black), (black, noise), (white, noise)]:
        expected = by_the_program(tmp_path, a, b)
        assert Butteraugli(a).compare(b) == pytest.approx(expected, rel=1e-3)


def test_equal_images_have_no_visible_difference():
    image = picture("photograph", 40, 50)
    assert Butteraugli(image).compare(image.copy()) == 0


def test_an_error_is_less_visible_where_the_original_is_busy():
    flat = np.full((60, 60, 3), 128, np.uint8)
    busy = flat + np.random.default_rng(0).integers(-60, 60, (60, 60, 1)).astype(np.uint8)
    error = np.random.default_rng(1).integers(0, 9, (60, 60, 1)).astype(np.uint8)
    assert Butteraugli(busy).compare(busy + error) < Butteraugli(flat).compare(flat + error)


def test_the_map_shows_where_the_difference_is_and_its_norms_are_the_figure():
    image = picture("photograph", 96, 112)
    changed = image.copy()
    changed[40:48, 60:68] = jpeg(image, 3, "4:2:0")[40:48, 60:68]
    reference = Butteraugli(image)
    visible = reference.error_map(changed).astype(np.float64)
    assert visible.shape == (96, 112)
    row, column = np.unravel_index(visible.argmax(), visible.shape)
    assert 38 <= row < 50 and 58 <= column < 70
    assert visible[:16].max() < 0.1 * visible.max()
    norms = [np.mean(visible**n) ** (1 / n) for n in (3, 6, 12)]
    assert np.mean(norms) == pytest.approx(reference.compare(changed), rel=1e-5)
