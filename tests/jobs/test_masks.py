"""Masks of --importance: brighter parts get more of the bits, whose number stays the same."""

import json

import ljpeg_PIL
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.models import encoding, shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.search import importance

import numpy as np
import pytest
import skimage.data
from makers import psnr
from PIL import Image

MODEL = shipped.load("ljpeg_PIL")
PIXELS = skimage.data.coffee()[100:228, 200:392]
BRIGHT = np.zeros(PIXELS.shape[:2], np.float32)
BRIGHT[32:96, 48:144] = 1


@pytest.fixture
def folder(tmp_path):
    """Two pictures, and a mask of each."""
    for number in range(2):
        (tmp_path / "in" / f"f{number}").mkdir(parents=True)
        (tmp_path / "masks" / f"f{number}").mkdir(parents=True)
        Image.fromarray(PIXELS).save(tmp_path / "in" / f"f{number}" / "a.png")
        mask = Image.fromarray(np.uint8(255 * BRIGHT) if number else np.uint8(255 * (1 - BRIGHT)))
        mask.save(tmp_path / "masks" / f"f{number}" / "a.webp", lossless=True)
    return tmp_path


def run(folder, *options):
    command = ["compress", folder / "in", "--output_dir", folder / "out", "--tune", "visual"]
    return ljpeg_PIL.main([*map(str, [*command, "--quality", 60, *options])])


def shown(folder, number):
    data = (folder / "out" / f"f{number}" / "a.jpg").read_bytes()
    return len(data), jpeg_file.decode(data)


def test_brighter_areas_are_nearer_to_the_picture_at_as_many_bytes(folder, capsys):
    assert run(folder) == 0
    size, plain = shown(folder, 0)
    assert run(folder, "--force", "--importance", folder / "masks", "--json") == 0
    for number, inner in ((0, False), (1, True)):
        found, picture = shown(folder, number)
        assert 0.99 * size <= found <= size
        inside, outside = (BRIGHT == 1, BRIGHT == 0) if inner else (BRIGHT == 0, BRIGHT == 1)
        gain = [psnr(PIXELS[p], picture[p]) - psnr(PIXELS[p], plain[p]) for p in (inside, outside)]
        assert gain[0] > 0.15 and gain[1] < -0.3
    *files, _ = map(json.loads, capsys.readouterr().out.splitlines()[-3:])
    assert all(one["table_scale"] < 1 for one in files)


def test_an_even_mask_changes_no_byte(folder):
    assert run(folder) == 0
    _, plain = shown(folder, 0)
    Image.new("L", PIXELS.shape[1::-1], 90).save(folder / "mask.png")
    assert run(folder, "--force", "--importance", folder / "mask.png") == 0
    np.testing.assert_array_equal(shown(folder, 1)[1], plain)


@pytest.mark.parametrize("sampling", ["444", "420", "auto"])
@pytest.mark.parametrize("size", [(128, 192, 3), (37, 51, 3), (37, 51, 1)])
def test_prices_fit_any_picture(sampling, size):
    pixels = PIXELS[: size[0], : size[1], : size[2]]
    mask = np.random.default_rng(0).random(size[:2])
    coding = Coding(sampling=sampling, quantizer="trellis", tune="visual")
    data = encoding.encode(MODEL, pixels, 60, coding, prices=importance.prices(mask))
    assert jpeg_file.decode(data).shape[:2] == size[:2]


def test_a_block_costs_what_its_pixels_say():
    """An edge of blocks: the means of 8x8 pixels for luma and of 16x16 for halved chroma."""
    prices = importance.prices(np.repeat(np.arange(32) < 8, 24).reshape(32, 24))
    coding = MODEL.complete(Coding(sampling="420", quantizer="trellis"))
    analysis = MODEL.analyse_picture(PIXELS[:32, :24], 60.0, coding)
    importance.add(analysis, prices)
    luma, chroma = analysis.log2_bit_price
    strength = importance.STRENGTH
    np.testing.assert_allclose(luma[:, 0], [0, strength, strength, strength])
    np.testing.assert_allclose(chroma[0][:, 0], [strength / 2, strength])
    assert luma.shape == (4, 3) and chroma.shape == (2, 2, 2)


def test_a_target_is_met_with_a_mask_too(folder):
    assert run(folder, "--importance", folder / "masks", "--target_size", 4000) == 0
    assert all(3960 <= shown(folder, number)[0] <= 4000 for number in range(2))


def test_a_mask_that_changes_is_another_option(folder, capsys):
    options = ["--importance", folder / "masks", "--update"]
    assert run(folder, *options) == 0
    mask = Image.open(folder / "masks" / "f0" / "a.webp").rotate(180)
    Image.eval(mask, lambda value: value // 2).save(folder / "masks" / "f0" / "a.webp", quality=50)
    assert run(folder, *options) == 0
    assert "1 of 2 files" in capsys.readouterr().out.splitlines()[-1]


def test_what_does_not_fit_is_one_line_and_nothing_is_written(folder, capsys):
    Image.new("L", (30, 40)).save(folder / "masks" / "f0" / "a.webp")
    (folder / "masks" / "f1" / "a.webp").unlink()
    assert run(folder, "--importance", folder / "masks") == 1
    said = capsys.readouterr().err
    assert "has 30x40 pixels, the picture 192x128" in said and "has no mask of its name" in said
    assert not (folder / "out" / "f0").exists() and shown(folder, 1)
    with pytest.raises(UserError, match="gone.png: no such file or folder"):
        run(folder, "--importance", folder / "gone.png")
    with pytest.raises(UserError, match="add --quantizer trellis"):
        run(folder, "--importance", folder / "masks", "--quantizer", "round")
