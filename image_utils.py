"""Pure functions on images and DCT blocks: colour, padding, blocks, DCT, rounding, tables.

Unless a docstring says otherwise, images are float32 tensors [batch, height, width, 3] and
blocks are [batch, height / 8, width / 8, 8, 8, channels] with the vertical frequency (or row)
on axis 3 and the horizontal one on axis 4. Tables are [..., 8, 8, 2]: [vertical, horizontal,
(luma, chroma)].
"""

import warnings

from arg_parser import UserError

import numpy as np
import tensorflow as tf
from PIL import Image

BLOCK = 8

# Full-range JFIF colour conversion: ITU-T T.871, clause 7 (from the BT.601 luma weights).
RGB_TO_YCBCR = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.299 / 1.772, -0.587 / 1.772, 0.5],
        [0.5, -0.587 / 1.402, -0.114 / 1.402],
    ]
)
YCBCR_TO_RGB = np.linalg.inv(RGB_TO_YCBCR)

# The example tables of ITU-T T.81, Annex K.1 (luma, then chroma), row-major.
IJG_BASE_TABLES = np.stack(
    [
        np.array(
            [
                [16, 11, 10, 16, 24, 40, 51, 61],
                [12, 12, 14, 19, 26, 58, 60, 55],
                [14, 13, 16, 24, 40, 57, 69, 56],
                [14, 17, 22, 29, 51, 87, 80, 62],
                [18, 22, 37, 56, 68, 109, 103, 77],
                [24, 35, 55, 64, 81, 104, 113, 92],
                [49, 64, 78, 87, 103, 121, 120, 101],
                [72, 92, 95, 98, 112, 100, 103, 99],
            ]
        ),
        np.array(
            [
                [17, 18, 24, 47, 99, 99, 99, 99],
                [18, 21, 26, 66, 99, 99, 99, 99],
                [24, 26, 56, 99, 99, 99, 99, 99],
                [47, 66, 99, 99, 99, 99, 99, 99],
                [99, 99, 99, 99, 99, 99, 99, 99],
                [99, 99, 99, 99, 99, 99, 99, 99],
                [99, 99, 99, 99, 99, 99, 99, 99],
                [99, 99, 99, 99, 99, 99, 99, 99],
            ]
        ),
    ],
    axis=-1,
)


def _zigzag():
    def key(place):
        row, column = divmod(place, BLOCK)
        return row + column, row if (row + column) % 2 else column

    return sorted(range(BLOCK * BLOCK), key=key)


# The places of a row-major block in the order of the file (T.81, figure A.6).
ZIGZAG = _zigzag()


def _dct_matrix():
    """The orthonormal DCT-II as a matrix [frequency, sample] (T.81, A.3.3)."""
    frequency, sample = np.mgrid[:BLOCK, :BLOCK]
    matrix = np.sqrt(2 / BLOCK) * np.cos((2 * sample + 1) * frequency * np.pi / (2 * BLOCK))
    matrix[0] /= np.sqrt(2)
    return matrix


DCT_MATRIX = _dct_matrix()


def _multiply_colours(images, matrix):
    # tensordot would do; a plain product of two matrices is the fastest form.
    matrix = tf.constant(matrix.T, tf.float32)
    return tf.reshape(tf.matmul(tf.reshape(images, [-1, 3]), matrix), tf.shape(images))


def rgb_to_ycbcr(rgb):
    """RGB in [0, 255] to full-range YCbCr with every channel centred on 0, in [-128, 127.5]."""
    return _multiply_colours(rgb, RGB_TO_YCBCR) - tf.constant([128.0, 0.0, 0.0])


def ycbcr_to_rgb(ycbcr):
    """The inverse of `rgb_to_ycbcr`; the result is neither rounded nor clipped."""
    return _multiply_colours(ycbcr + tf.constant([128.0, 0.0, 0.0]), YCBCR_TO_RGB)


def pad_to_blocks(images):
    """Repeats the last row and column until height and width are multiples of 8."""
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    rows = tf.minimum(tf.range(-(-height // BLOCK) * BLOCK), height - 1)
    columns = tf.minimum(tf.range(-(-width // BLOCK) * BLOCK), width - 1)
    return tf.cond(
        tf.logical_or(height % BLOCK > 0, width % BLOCK > 0),
        lambda: tf.gather(tf.gather(images, rows, axis=1), columns, axis=2),
        lambda: images,
    )


def to_blocks(images):
    """[B, H, W, C] to [B, H/8, W/8, 8, 8, C]; H and W must be multiples of 8."""
    batch, height, width, channels = tf.unstack(tf.shape(images))
    rows, columns = height // BLOCK, width // BLOCK
    blocks = tf.reshape(images, [batch, rows, BLOCK, columns, BLOCK, channels])
    return tf.transpose(blocks, [0, 1, 3, 2, 4, 5])


def from_blocks(blocks):
    """The inverse of `to_blocks`."""
    batch, rows, columns, _, _, channels = tf.unstack(tf.shape(blocks))
    images = tf.transpose(blocks, [0, 1, 3, 2, 4, 5])
    return tf.reshape(images, [batch, rows * BLOCK, columns * BLOCK, channels])


def _multiply_blocks(blocks, vertical, horizontal):
    # Both directions and all channels as one matrix product: more multiplications than the
    # separable form, far fewer passes over memory, and that is what the time goes into.
    channels = blocks.shape[-1]
    product = np.kron(np.kron(vertical, horizontal), np.eye(channels)).T.astype(np.float32)
    flat = tf.reshape(blocks, [-1, BLOCK * BLOCK * channels])
    return tf.reshape(tf.matmul(flat, tf.constant(product)), tf.shape(blocks))


def dct(blocks):
    """The orthonormal two-dimensional DCT-II of every 8x8 block and channel."""
    return _multiply_blocks(blocks, DCT_MATRIX, DCT_MATRIX)


def idct(blocks):
    """The inverse of `dct`."""
    return _multiply_blocks(blocks, DCT_MATRIX.T, DCT_MATRIX.T)


@tf.custom_gradient
def round_cubic(x):
    """Rounds to the nearest integer; the gradient is 3 (x - round(x))^2.

    The surrogate of Strümpler et al. 2020 (arXiv 2009.12927): the derivative of
    round(x) + (x - round(x))^3 (Shin and Song 2017).
    """
    rounded = tf.round(x)
    return rounded, lambda upstream: upstream * 3.0 * tf.square(x - rounded)


@tf.custom_gradient
def round_mixed(x):
    """Rounds to the nearest integer; the gradient is 3 x^2 where that is 0, and 1 elsewhere.

    `round_cubic` with the slope that rounding has on average, 1, for what does not round to 0.
    Its own average is 1/4: a table's gradient then asks mostly what a coarser table would do to
    unchanged integers, which scales the picture up. The squared error bears that, LPIPS does
    not. Where x rounds to 0, nearly all x may be far below a half, and a slope of 1 would count
    as coded what is not.
    """
    rounded = tf.round(x)
    slope = tf.where(rounded == 0.0, 3.0 * tf.square(x), 1.0)
    return rounded, lambda upstream: upstream * slope


# The surrogates for the gradient of the coefficients' rounding, by the name of the option.
ROUNDINGS = {"cubic": round_cubic, "mixed": round_mixed}


@tf.custom_gradient
def round_straight_through(x):
    """Rounds halves up, as the IJG decoder does; the gradient is that of the identity."""
    return tf.floor(x + 0.5), lambda upstream: upstream


def _ijg_idct_matrix():
    """One pass of the IJG library's accurate integer IDCT as a matrix [sample, frequency].

    It is sqrt(8) times the orthonormal one, but for its constants of 13 bits. The factors are
    those of Loeffler, Ligtenberg and Moschytz 1989, in the arrangement of jidctint.c.
    """
    x = np.eye(BLOCK)

    def times(factor):
        return np.round(factor * 2**13) / 2**13

    shared = (x[2] + x[6]) * times(0.541196100)
    low = shared + x[2] * times(0.765366865)
    high = shared - x[6] * times(1.847759065)
    plus, minus = x[0] + x[4], x[0] - x[4]
    even = np.stack([plus + low, minus + high, minus - high, plus - low])

    turn = (x[1] + x[3] + x[5] + x[7]) * times(1.175875602)
    outer, inner = (x[1] + x[7]) * times(-0.899976223), (x[3] + x[5]) * times(-2.562915447)
    first = turn + (x[3] + x[7]) * times(-1.961570560)
    second = turn + (x[1] + x[5]) * times(-0.390180644)
    odd = np.stack(
        [
            x[1] * times(1.501321110) + outer + second,
            x[3] * times(3.072711026) + inner + first,
            x[5] * times(2.053119869) + inner + second,
            x[7] * times(0.298631336) + outer + first,
        ]
    )
    return np.concatenate([even + odd, (even - odd)[::-1]])


IJG_IDCT_MATRIX = _ijg_idct_matrix()


def idct_decoder(blocks):
    """The inverse DCT with the very arithmetic of the IJG library's decoder, and so of Pillow's.

    blocks: dequantized coefficients, whole numbers. Returns whole numbers: the samples before
    they are clipped. The decoder's two roundings are passed straight through by the gradient.
    """
    one = np.eye(BLOCK)
    # After the columns it keeps two bits below the point (PASS1_BITS).
    columns = round_straight_through(_multiply_blocks(blocks, 4.0 * IJG_IDCT_MATRIX, one))
    return round_straight_through(_multiply_blocks(columns, one, IJG_IDCT_MATRIX / 32.0))


def ijg_qtables(quality):
    """The tables of the IJG library (and so of Pillow) at a quality.

    quality: number or tensor [...] in [1, 100], not necessarily whole.
    Returns float32 [..., 8, 8, 2] of whole numbers in [1, 255].
    Source: jpeg_quality_scaling and jpeg_add_quant_table of the IJG library, baseline forced.
    """
    quality = tf.convert_to_tensor(quality, tf.float32)[..., None, None, None]
    scale = tf.where(quality < 50.0, tf.floor(5000.0 / quality), 200.0 - 2.0 * quality)
    base = tf.constant(IJG_BASE_TABLES, tf.float32)
    return tf.clip_by_value(tf.floor((base * scale + 50.0) / 100.0), 1.0, 255.0)


def estimated_bits(coefficients, unrounded):
    """Bits of the JPEG files of a batch of images, differentiable: float32 [B].

    coefficients: whole numbers [B, rows, columns, 8, 8, 3]; unrounded: what they are rounded
    from, for the sign of those that are 0.

    A block costs 4.7 bits; 1.2 more for each place up to its last coefficient other than 0, in
    zigzag order; 1.8 more for each such coefficient and 1.5 for each doubling of it; and 1.5 for
    each doubling of 1 + its mean's difference to the block before. These are least squares over
    Pillow's files of photographs, 4:4:4 and with the example Huffman tables, at qualities from
    5 to 75, and within 1% of them (root mean square).
    """
    batch = tf.shape(coefficients)[0]

    def log2(x):
        return tf.math.log(x) / np.log(2.0).astype(np.float32)

    magnitudes = coefficients * tf.sign(tf.stop_gradient(unrounded))
    ac = tf.transpose(magnitudes, [0, 1, 2, 5, 3, 4])
    ac = tf.gather(tf.reshape(ac, [batch, -1, BLOCK * BLOCK]), ZIGZAG[1:], axis=-1)
    coded = tf.minimum(ac, 1.0)
    up_to_last = tf.minimum(tf.cumsum(coded, axis=-1, reverse=True), 1.0)
    blocks = 4.7 + tf.reduce_sum(
        1.2 * up_to_last + 1.8 * coded + 1.5 * log2(tf.maximum(ac, 1.0)), axis=-1
    )
    means = tf.reshape(coefficients[:, :, :, 0, 0], [batch, -1, 3])
    differences = tf.abs(means - tf.pad(means[:, :-1], [[0, 0], [1, 0], [0, 0]]))
    return tf.reduce_sum(blocks, -1) + tf.reduce_sum(1.5 * log2(1.0 + differences), [1, 2])


def per_channel(luma_chroma):
    """[..., 2] for (luma, chroma) to [..., 3] for (Y, Cb, Cr): Cb and Cr share theirs."""
    return tf.concat([luma_chroma, luma_chroma[..., 1:]], axis=-1)


def read_image(path, background=(255, 255, 255)):
    """Reads one still image as RGB uint8 [height, width, 3].

    Anything that Pillow reads: 16-bit samples are scaled to 8 bit, gray and palettes become
    RGB, transparency is laid over `background` (RGB, 0 to 255), CMYK is converted. Of an
    animation, the first frame is taken.

    Raises UserError, naming the file, when it cannot be read.
    """
    try:
        # Pillow warns of a palette with transparency in bytes, which is handled here.
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore", UserWarning)
            image.load()
            return to_rgb(image, background)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error})") from error


def to_rgb(image, background=(255, 255, 255)):
    """A loaded Pillow image as RGB uint8 [height, width, 3]; see `read_image`."""
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips 16-bit gray to 8 bit where it should scale it.
        samples = np.asarray(image, np.float64)
        if image.mode != "F":
            samples = samples / 257.0
        gray = np.clip(np.round(samples), 0, 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=-1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return np.array(image.convert("RGB"))


def random_crop(image, size, generator):
    """A square of `size` pixels cut at any pixel, so that the 8x8 grid falls anywhere.

    image: numpy [height, width, 3], both at least `size`; generator: numpy's Generator.
    """
    top = generator.integers(image.shape[0] - size + 1)
    left = generator.integers(image.shape[1] - size + 1)
    return image[top : top + size, left : left + size]
