"""image_utils against SciPy, Pillow, closed forms, and the numpy functions for whole files."""

import io

import image_utils
from learned_jpeg.jpeg import jpeg_file, sampling
from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import ZIGZAG

import numpy as np
import pytest
import scipy.fft
import tensorflow as tf
from PIL import Image

SIZES = [(1, 1), (1, 9), (9, 2), (8, 16), (9, 7), (17, 31), (5, 4)]


def random_blocks(seed, shape=(2, 3, 5, 8, 8)):
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.float32)


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
    rows = np.zeros([1, 1, 1, 8, 8], np.float32)
    rows[0, 0, 0, ::2] = 1  # changes from row to row, so a vertical frequency
    coefficients = image_utils.dct(rows)[0, 0, 0]
    assert abs(coefficients[7, 0]) > 1
    np.testing.assert_allclose(coefficients[:, 1:], 0, atol=1e-5)


def test_the_decoders_idct_is_the_idct_but_for_rounding():
    blocks = random_blocks(2)
    got = image_utils.idct_decoder(blocks).numpy()
    np.testing.assert_array_equal(got, np.round(got))
    # A half, and the error of the two bits that are kept between the passes.
    assert np.abs(got - image_utils.idct(blocks)).max() < 0.5 + 0.5


def test_blocks_hold_the_image_in_reading_order_and_go_back():
    samples = np.arange(2 * 3 * 16 * 24, dtype=np.float32).reshape(2, 3, 16, 24)
    blocks = image_utils.to_blocks(samples)
    assert blocks.shape == (2, 3, 2, 3, 8, 8)
    np.testing.assert_array_equal(blocks[1, 2, 1, 2], samples[1, 2, 8:, 16:])
    np.testing.assert_array_equal(image_utils.from_blocks(blocks), samples)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 16), (9, 7), (17, 31)])
def test_padding_repeats_the_edge(height, width):
    image = np.random.default_rng(0).random([1, height, width, 3], np.float32)
    pad = ((0, 0), (0, -height % 8), (0, -width % 8), (0, 0))
    np.testing.assert_array_equal(image_utils.pad(image, 8, (1, 2)), np.pad(image, pad, "edge"))


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


# Chroma on a grid of its own


@pytest.mark.parametrize("height, width", SIZES)
@pytest.mark.parametrize("kind", sampling.SAMPLINGS)
def test_split_gives_the_samples_of_the_files_grids(kind, height, width):
    ycbcr = np.random.default_rng(0).integers(-128, 128, [2, height, width, 3]).astype("f4")
    luma, chroma = image_utils.split(tf.constant(ycbcr), kind)
    grids = [[8 * blocks for blocks in grid] for grid in sampling.grid(height, width, kind)]
    assert luma.shape == (2, *grids[0])
    assert chroma.shape == (2, 2, *grids[1])
    planes = np.moveaxis(ycbcr, -1, 1)
    expected = sampling.down(planes[:, 1:]) if kind == "420" else planes[:, 1:]
    for found, samples in ((luma, planes[:, 0]), (chroma, expected)):
        edges = [(0, to - of) for to, of in zip(found.shape, samples.shape, strict=True)]
        np.testing.assert_array_equal(found, np.pad(samples, edges, "edge"))


@pytest.mark.parametrize("height, width", SIZES)
def test_merge_upsamples_as_the_decoder_does(height, width):
    (rows, columns), (chroma_rows, chroma_columns) = sampling.grid(height, width, "420")
    random = np.random.default_rng(height * 100 + width)
    luma = random.integers(-128, 128, [2, 8 * rows, 8 * columns])
    # A decoder does not use the samples beyond the picture.
    chroma = random.integers(-128, 128, [2, 2, 8 * chroma_rows, 8 * chroma_columns])
    merged = image_utils.merge(
        tf.constant(luma, tf.float32), tf.constant(chroma, tf.float32), height, width, "420"
    )
    own = chroma[..., : -(-height // 2), : -(-width // 2)]
    expected = np.concatenate(
        [luma[:, None, :height, :width], sampling.up(own, height, width)], axis=1
    )
    np.testing.assert_array_equal(merged, np.moveaxis(expected, 1, -1))


@pytest.mark.parametrize("height, width", [*SIZES, (40, 33)])
def test_merge_gives_the_components_that_pillow_decodes(height, width):
    """They do so for a file with low frequencies of chroma and DC of luma."""
    luma_grid, chroma_grid = sampling.grid(height, width, "420")
    random = np.random.default_rng(0)
    luma, chroma = (np.zeros([*shape, 8, 8], np.int16) for shape in (luma_grid, [2, *chroma_grid]))
    luma[..., 0, 0] = random.integers(-1000, 1000, luma_grid)
    chroma[..., :3, :3] = random.integers(-150, 150, [2, *chroma_grid, 3, 3])
    data = jpeg_file.write_jpeg(
        Planes(luma, chroma), np.ones([8, 8, 2], int), height, width, "420", "standard"
    )
    samples = (
        tf.clip_by_value(image_utils.from_blocks(image_utils.idct_decoder(part)), -128, 127)
        for part in (tf.constant(luma[None], tf.float32), tf.constant(chroma[None], tf.float32))
    )
    merged = image_utils.merge(*samples, height, width, "420")[0].numpy() + 128
    with Image.open(io.BytesIO(data)) as image:
        image.draft("YCbCr", image.size)  # without the conversion to RGB
        np.testing.assert_array_equal(merged, np.asarray(image))


@pytest.mark.parametrize("height, width", [(16, 16), (9, 7), (9, 3), (1, 1)])
@pytest.mark.parametrize("kind", sampling.SAMPLINGS)
def test_the_gradient_passes_through_split_and_merge(kind, height, width):
    """Both are linear but for rounding: a shift of a plane shifts the picture by as much."""
    ycbcr = tf.Variable(tf.random.stateless_normal([1, height, width, 3], [0, 0]))
    with tf.GradientTape() as tape:
        samples = image_utils.split(ycbcr, kind)
        back = image_utils.merge(*samples, height, width, kind)
        cb = tf.reduce_sum(back[..., 1])
    by_samples, by_pixels = tape.gradient(cb, [samples[1], ycbcr])
    # A constant stays a constant, so all weights add up to the number of pixels.
    assert float(tf.reduce_sum(by_samples[:, 0])) == pytest.approx(height * width, rel=1e-4)
    assert float(tf.reduce_sum(by_pixels[..., 1])) == pytest.approx(height * width, rel=1e-4)
    assert not by_samples[:, 1].numpy().any()
    assert not by_pixels.numpy()[..., [0, 2]].any()
    assert (by_pixels.numpy()[..., 1] > 0).all()


def test_tables_broadcast_over_the_blocks_of_their_plane():
    tables = np.random.default_rng(0).random([3, 8, 8, 2], np.float32)
    luma, chroma = image_utils.over_planes(tables)
    over_luma, over_chroma = np.ones([3, 4, 5, 8, 8]) * luma, np.ones([3, 2, 2, 3, 8, 8]) * chroma
    np.testing.assert_array_equal(over_luma[1, 3, 2], tables[1, ..., 0])
    for component in (0, 1):
        np.testing.assert_array_equal(over_chroma[2, component, 1, 2], tables[2, ..., 1])


# Rounding


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


def test_straight_through_rounding_takes_halves_up_and_leaves_the_gradient():
    x = tf.constant([-1.5, -0.5, 0.5, 1.5, 2.4, 126.5])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = image_utils.round_straight_through(x)
    np.testing.assert_array_equal(y, [-1, 0, 1, 2, 2, 127])
    np.testing.assert_array_equal(tape.gradient(y, x), np.ones(6))


# The rate of a file


@pytest.mark.parametrize(
    "quality, subsampling, tolerance",
    [
        *((quality, 0, 0.03) for quality in (5, 15, 40, 75)),
        # The estimate is fitted to 4:4:4. At 4:2:0, differences of DC are larger.
        *((5, 2, 0.1), (15, 2, 0.04), (40, 2, 0.03), (75, 2, 0.03)),
    ],
)
def test_the_estimated_bits_are_those_of_a_file(photograph, quality, subsampling, tolerance):
    file = io.BytesIO()
    Image.fromarray(photograph).save(file, "JPEG", quality=quality, subsampling=subsampling)
    planes, *_ = jpeg_file.read_jpeg(file.getvalue())
    coefficients = Planes(*(tf.constant(plane[None], tf.float32) for plane in planes))
    bits = 8 * (len(file.getvalue()) - file.getvalue().index(b"\xff\xda"))  # from the scan on
    assert image_utils.estimated_bits(coefficients, coefficients).numpy() == pytest.approx(
        [bits], rel=tolerance
    )


def test_a_coefficient_costs_most_where_it_would_make_its_block_longer():
    """The gradient at zeros at each zigzag position, in a block whose last level is the fourth."""
    block = np.zeros([1, 1, 1, 8, 8], np.float32)
    block[0, 0, 0, 1, 1] = 3  # the fourth AC position in zigzag order
    luma, chroma = tf.Variable(block), tf.zeros([1, 2, 1, 1, 8, 8])
    with tf.GradientTape() as tape:
        unrounded = Planes(tf.constant(block + np.float32(0.3)), chroma)
        bits = image_utils.estimated_bits(Planes(luma, chroma), unrounded)
    gradient = tape.gradient(bits, luma).numpy().ravel()[ZIGZAG[1:]]
    assert np.all(np.diff(gradient[4:]) > 0)  # the further behind the last level, the dearer
    np.testing.assert_allclose(gradient[62] - gradient[4], 1.2 * 58, rtol=1e-4)
    assert gradient[:3].max() <= gradient[4]
    assert gradient[3] == pytest.approx(1.5 / 3 / np.log(2), rel=1e-4)  # 3 to 4 alone


def test_both_components_of_chroma_count_like_luma():
    values = random_blocks(0, (1, 3, 4, 8, 8)) // 16
    nothing = tf.zeros([1, 2, 3, 4, 8, 8])

    def bits(luma, chroma):
        planes = Planes(tf.convert_to_tensor(luma), tf.convert_to_tensor(chroma))
        return float(image_utils.estimated_bits(planes, planes)[0])

    empty = bits(0 * values, nothing)
    chroma = np.stack([values, 0 * values], axis=1)
    expected = bits(values, nothing)
    assert expected > 2 * empty
    assert bits(0 * values, chroma) == pytest.approx(expected, rel=1e-5)
    assert bits(0 * values, chroma[:, ::-1]) == pytest.approx(expected, rel=1e-5)
