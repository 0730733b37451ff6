"""image_utils against SciPy, Pillow and the closed forms."""

import io

import image_utils
import jpeg_file
from arg_parser import UserError

import numpy as np
import pytest
import scipy.fft
import tensorflow as tf
from PIL import Image


def random_blocks(seed, shape=(2, 3, 5, 8, 8, 3)):
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.float32)


def save(tmp_path, array, name="image.png", **options):
    path = tmp_path / name
    Image.fromarray(array).save(path, **options)
    return path


def test_dct_agrees_with_scipy():
    blocks = random_blocks(0)
    expected = scipy.fft.dctn(blocks.astype(np.float64), axes=(3, 4), norm="ortho")
    np.testing.assert_allclose(image_utils.dct(blocks), expected, atol=1e-3)


def test_idct_agrees_with_scipy_and_inverts_dct():
    blocks = random_blocks(1)
    expected = scipy.fft.idctn(blocks.astype(np.float64), axes=(3, 4), norm="ortho")
    np.testing.assert_allclose(image_utils.idct(blocks), expected, atol=1e-3)
    np.testing.assert_allclose(image_utils.idct(image_utils.dct(blocks)), blocks, atol=1e-3)


def test_frequencies_are_vertical_then_horizontal():
    rows = np.zeros([1, 1, 1, 8, 8, 1], np.float32)
    rows[0, 0, 0, ::2] = 1  # changes from row to row, so a vertical frequency
    coefficients = image_utils.dct(rows)[0, 0, 0, :, :, 0]
    assert abs(coefficients[7, 0]) > 1
    np.testing.assert_allclose(coefficients[:, 1:], 0, atol=1e-5)


def test_the_decoders_idct_is_the_idct_but_for_rounding():
    blocks = random_blocks(2)
    got = image_utils.idct_decoder(blocks).numpy()
    np.testing.assert_array_equal(got, np.round(got))
    # Half a level, and what the quarter levels kept between the two passes add.
    assert np.abs(got - image_utils.idct(blocks)).max() < 0.5 + 0.5


def test_blocks_hold_the_image_in_reading_order_and_go_back():
    image = np.arange(2 * 16 * 24 * 3, dtype=np.float32).reshape(2, 16, 24, 3)
    blocks = image_utils.to_blocks(image)
    assert blocks.shape == (2, 2, 3, 8, 8, 3)
    np.testing.assert_array_equal(blocks[1, 1, 2], image[1, 8:, 16:])
    np.testing.assert_array_equal(image_utils.from_blocks(blocks), image)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 16), (9, 7), (17, 31)])
def test_padding_repeats_the_edge(height, width):
    image = np.random.default_rng(0).random([1, height, width, 3], np.float32)
    pad = ((0, 0), (0, -height % 8), (0, -width % 8), (0, 0))
    np.testing.assert_array_equal(image_utils.pad_to_blocks(image), np.pad(image, pad, "edge"))


def test_colour_conversion_agrees_with_pillow_within_a_level():
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    rgb = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, len(levels), 3)
    pillow = np.asarray(Image.fromarray(rgb).convert("YCbCr")).astype(np.float32)
    ours = image_utils.rgb_to_ycbcr(rgb.astype(np.float32)).numpy() + 128
    assert np.abs(np.round(ours) - pillow).max() <= 1


def test_colour_conversion_follows_jfif_and_inverts():
    rgb = np.random.default_rng(0).random([1, 50, 50, 3], np.float32) * 255
    red, green, blue = np.moveaxis(rgb.astype(np.float64), -1, 0)
    # ITU-T T.871, clause 7.
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    expected = np.stack([luma - 128, (blue - luma) / 1.772, (red - luma) / 1.402], -1)
    ycbcr = image_utils.rgb_to_ycbcr(rgb)
    np.testing.assert_allclose(ycbcr, expected, atol=1e-3)
    np.testing.assert_allclose(image_utils.ycbcr_to_rgb(ycbcr), rgb, atol=1e-3)


@pytest.mark.parametrize("quality", range(1, 101))
def test_ijg_tables_equal_those_that_pillow_writes(quality):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    written = Image.open(file).quantization
    tables = image_utils.ijg_qtables(quality).numpy()
    for number in (0, 1):
        # Pillow hands tables out in natural, row-major order.
        np.testing.assert_array_equal(tables[..., number].ravel(), written[number])


def test_cubic_rounding_is_exact_forward_and_cubic_backward():
    x = tf.constant([-1.7, -0.5, 0.2, 0.49, 3.0, 7.25])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = image_utils.round_cubic(x)
    np.testing.assert_array_equal(y, np.round(x))
    np.testing.assert_allclose(tape.gradient(y, x), 3 * (x.numpy() - np.round(x)) ** 2, atol=1e-6)


def test_mixed_rounding_is_exact_forward_and_has_slope_1_unless_it_gives_0():
    x = tf.constant([-1.7, -0.5, 0.2, 0.49, 0.51, 3.0, 7.25])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = image_utils.round_mixed(x)
    np.testing.assert_array_equal(y, np.round(x))
    np.testing.assert_allclose(
        tape.gradient(y, x), [1, 0.75, 0.12, 3 * 0.49**2, 1, 1, 1], atol=1e-6
    )


@pytest.mark.parametrize("quality", [5, 15, 40, 75])
def test_the_estimated_bits_are_those_of_a_file(photograph, quality):
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "JPEG", quality=quality, subsampling=0)
    coefficients, qtables, *_ = jpeg_file.read_jpeg(file.getvalue())
    coefficients = tf.constant(coefficients[None], tf.float32)
    bits = 8 * (len(file.getvalue()) - file.getvalue().index(b"\xff\xda"))  # from the scan on
    assert image_utils.estimated_bits(coefficients, coefficients).numpy() == pytest.approx(
        bits, rel=0.03
    )


def test_a_coefficient_costs_most_where_it_would_make_its_block_longer():
    """The gradient at 0 of one place after another, in a block that ends at the fourth."""
    block = np.zeros([1, 1, 1, 8, 8, 3], np.float32)
    block[0, 0, 0, 1, 1, 0] = 3  # fourth AC place in zigzag order
    unrounded = tf.constant(block + np.float32(0.3))
    coefficients = tf.Variable(block)
    with tf.GradientTape() as tape:
        bits = image_utils.estimated_bits(coefficients, unrounded)
    gradient = tape.gradient(bits, coefficients).numpy()[0, 0, 0, :, :, 0].ravel()
    gradient = gradient[image_utils.ZIGZAG[1:]]
    assert np.all(np.diff(gradient[4:]) > 0)  # the further behind the end, the dearer
    np.testing.assert_allclose(gradient[62] - gradient[4], 1.2 * 58, rtol=1e-4)
    assert gradient[:3].max() <= gradient[4]
    assert gradient[3] == pytest.approx(1.5 / 3 / np.log(2), rel=1e-4)  # 3 to 4 alone


def test_straight_through_rounding_takes_halves_up_and_leaves_the_gradient():
    x = tf.constant([-1.5, -0.5, 0.5, 1.5, 2.4, 126.5])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = image_utils.round_straight_through(x)
    np.testing.assert_array_equal(y, [-1, 0, 1, 2, 2, 127])
    np.testing.assert_array_equal(tape.gradient(y, x), np.ones(6))


def test_luma_and_chroma_spread_over_three_channels():
    np.testing.assert_array_equal(image_utils.per_channel(tf.constant([[1, 2]])), [[1, 2, 2]])


@pytest.mark.parametrize("name", ["image.png", "image.bmp", "image.tiff"])
def test_colour_images_are_read_as_they_are(tmp_path, name):
    image = np.random.default_rng(0).integers(0, 256, [9, 7, 3], np.uint8)
    np.testing.assert_array_equal(image_utils.read_image(save(tmp_path, image, name)), image)


def test_gray_images_of_8_and_16_bits_become_rgb(tmp_path):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = np.repeat(gray[..., None], 3, -1)
    np.testing.assert_array_equal(image_utils.read_image(save(tmp_path, gray)), expected)
    wide = gray.astype(np.uint16) * 257
    np.testing.assert_array_equal(image_utils.read_image(save(tmp_path, wide)), expected)


def test_palettes_become_rgb(tmp_path):
    image = np.zeros([8, 8, 3], np.uint8)
    image[:4], image[4:] = (200, 10, 30), (0, 90, 255)
    Image.fromarray(image).quantize(4).save(tmp_path / "palette.png")
    np.testing.assert_array_equal(image_utils.read_image(tmp_path / "palette.png"), image)


def test_transparency_is_laid_over_the_background(tmp_path):
    image = np.full([4, 4, 4], 100, np.uint8)
    image[:2, :, 3], image[2:, :, 3] = 0, 255
    path = save(tmp_path, image)
    assert (image_utils.read_image(path)[:2] == 255).all()
    assert (image_utils.read_image(path, (1, 2, 3))[:2] == (1, 2, 3)).all()
    assert (image_utils.read_image(path)[2:] == 100).all()


def test_a_file_that_is_no_image_is_named(tmp_path):
    text = tmp_path / "text.png"
    text.write_text("not an image")
    whole = save(tmp_path, np.random.default_rng(0).integers(0, 256, [64, 64, 3], np.uint8))
    broken = tmp_path / "broken.png"
    broken.write_bytes(whole.read_bytes()[:5000])
    for path in (text, broken, tmp_path / "missing.png", tmp_path):
        with pytest.raises(UserError, match=path.name):
            image_utils.read_image(path)


def test_random_crops_fall_on_every_grid_offset():
    rows, columns = np.mgrid[:64, :80]
    image = np.stack([rows, columns, rows], -1).astype(np.uint8)
    generator = np.random.default_rng(0)
    corners = [image_utils.random_crop(image, 16, generator)[0, 0] for _ in range(2000)]
    offsets = {(top % 8, left % 8) for top, left, _ in corners}
    assert len(offsets) == 64
    assert max(top for top, _, _ in corners) == 48
    assert max(left for _, left, _ in corners) == 64
