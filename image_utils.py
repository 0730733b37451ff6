"""Pure functions on tensors: colour, blocks, DCT, chroma sampling, rounding, the rate of a file.

Images are float32 [batch, height, width, 3]. Samples of luma are [batch, height, width], of chroma
[batch, 2, height', width'], both around 0. `Planes` hold their blocks [..., 8, 8], with the
vertical frequency (or row) before the horizontal frequency (or column). Tables are [..., 8, 8, 2]:
[vertical, horizontal, (luma, chroma)].
"""

import learned_jpeg.runtime.tensorflow_settings  # noqa: F401
from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import (
    BLOCK,
    DCT_MATRIX,
    IJG_IDCT_MATRIX,
    RGB_TO_YCBCR,
    YCBCR_TO_RGB,
    ZIGZAG,
)

import numpy as np
import tensorflow as tf

# With this option, products of matrices have 10 bits of mantissa on some GPUs.
tf.config.experimental.enable_tensor_float_32_execution(False)


def _multiply_colours(images, matrix):
    # A plain product of two matrices is faster than tensordot.
    matrix = tf.constant(matrix.T, tf.float32)
    return tf.reshape(tf.matmul(tf.reshape(images, [-1, 3]), matrix), tf.shape(images))


def rgb_to_ycbcr(rgb):
    """RGB in [0, 255] to full-range YCbCr with every channel centred on 0, in [-128, 127.5]."""
    return _multiply_colours(rgb, RGB_TO_YCBCR) - tf.constant([128.0, 0.0, 0.0])


def ycbcr_to_rgb(ycbcr):
    """The inverse of `rgb_to_ycbcr`; the result is neither rounded nor clipped."""
    return _multiply_colours(ycbcr + tf.constant([128.0, 0.0, 0.0]), YCBCR_TO_RGB)


def pad(values, multiple, axes):
    """Repeats the last element along axes until their lengths are multiples of a number."""
    for axis in axes:
        length = tf.shape(values)[axis]
        indices = tf.minimum(tf.range(-(-length // multiple) * multiple), length - 1)
        values = tf.cond(
            length % multiple > 0,
            lambda values=values, indices=indices, axis=axis: tf.gather(values, indices, axis=axis),
            lambda values=values: values,
        )
    return values


def to_blocks(samples):
    """[..., H, W] to [..., H/8, W/8, 8, 8]; H and W must be multiples of 8."""
    shape = tf.shape(samples)
    split = [shape[-2] // BLOCK, BLOCK, shape[-1] // BLOCK, BLOCK]
    return _swap_middle(tf.reshape(samples, tf.concat([shape[:-2], split], 0)))


def from_blocks(blocks):
    """The inverse of `to_blocks`."""
    shape = tf.shape(blocks)
    whole = [shape[-4] * BLOCK, shape[-3] * BLOCK]
    return tf.reshape(_swap_middle(blocks), tf.concat([shape[:-4], whole], 0))


def _swap_middle(values):
    rank = len(values.shape)
    return tf.transpose(values, [*range(rank - 4), rank - 4, rank - 2, rank - 3, rank - 1])


def split(ycbcr, sampling):
    """YCbCr images to the samples of luma and chroma, padded to whole blocks.

    sampling: "444", or "420", with the mean of 2x2 pixels as chroma, ceil(side / 2) samples a side
    before the padding, as in the file.
    """
    luma, chroma = ycbcr[..., 0], tf.transpose(ycbcr[..., 1:], [0, 3, 1, 2])
    if sampling == "420":
        chroma = pad(chroma, 2, (2, 3))
        rows = 0.5 * (chroma[:, :, ::2] + chroma[:, :, 1::2])
        chroma = 0.5 * (rows[..., ::2] + rows[..., 1::2])
    return pad(luma, BLOCK, (1, 2)), pad(chroma, BLOCK, (2, 3))


def merge(luma, chroma, height, width, sampling):
    """Decoded samples, whole numbers, to YCbCr images [B, height, width, 3], as a decoder does.

    At "420" chroma goes through the triangle filter of the IJG library ("fancy upsampling") with
    the library's rounding, which the gradient passes straight through.
    """
    if sampling == "420":
        chroma = _upsample(chroma[..., : -(-height // 2), : -(-width // 2)])
    planes = tf.concat([luma[:, None, :height, :width], chroma[..., :height, :width]], axis=1)
    return tf.transpose(planes, [0, 2, 3, 1])


def _upsample(samples):
    """h2v2_fancy_upsample of the IJG library: [..., H, W] to [..., 2 H, 2 W]."""
    # Along each axis, the nearer sample has the weight 3/4, the next sample 1/4. The library adds
    # 8/16 in even columns and 7/16 in odd columns before it truncates.
    rows = _with_neighbours(samples, -2, [0.75, 0.75])
    columns = _with_neighbours(rows, -1, [0.75, 0.75], [0.0, -1 / 16])
    # Chroma of one or two columns is repeated instead (jdsample.c).
    narrow = tf.repeat(tf.repeat(samples, 2, axis=-2), 2, axis=-1)
    return round_straight_through(tf.where(tf.shape(samples)[-1] > 2, columns, narrow))


def _with_neighbours(samples, axis, near, offsets=(0.0, 0.0)):
    length = tf.shape(samples)[axis]
    indices = tf.range(length)
    before = tf.gather(samples, tf.maximum(indices - 1, 0), axis=axis)
    after = tf.gather(samples, tf.minimum(indices + 1, length - 1), axis=axis)
    even = near[0] * samples + (1 - near[0]) * before + offsets[0]
    odd = near[1] * samples + (1 - near[1]) * after + offsets[1]
    rank = len(samples.shape)
    pairs = tf.stack([even, odd], axis=rank + axis + 1)
    shape = tf.shape(samples)
    doubled = tf.one_hot(rank + axis, rank, on_value=2, off_value=1, dtype=tf.int32) * shape
    return tf.reshape(pairs, doubled)


def _multiply_blocks(blocks, vertical, horizontal):
    # One matrix product for both directions: it has more multiplications than two products, but
    # fewer passes over memory, which take most of the time.
    product = np.kron(vertical, horizontal).T.astype(np.float32)
    flat = tf.reshape(blocks, [-1, BLOCK * BLOCK])
    return tf.reshape(tf.matmul(flat, tf.constant(product)), tf.shape(blocks))


def dct(blocks):
    """The orthonormal two-dimensional DCT-II of every 8x8 block [..., 8, 8]."""
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
    """Rounds to the nearest integer; the gradient is 3 x^2 where x rounds to 0, and 1 elsewhere.

    Rounding has the mean slope 1, `round_cubic` has 1/4. With 1/4, the gradient of a table is that
    of a coarser table with nearly unchanged levels, which scales the picture up; that harms LPIPS
    more than the squared error. Where x rounds to 0, nearly all x may be far below a half; a slope
    of 1 would treat these coefficients as coded.
    """
    rounded = tf.round(x)
    slope = tf.where(rounded == 0.0, 3.0 * tf.square(x), 1.0)
    return rounded, lambda upstream: upstream * slope


@tf.custom_gradient
def round_straight_through(x):
    """Rounds halves up, as the IJG decoder does; the gradient is that of the identity."""
    return tf.floor(x + 0.5), lambda upstream: upstream


def idct_decoder(blocks):
    """The inverse DCT with the rounding of the IJG library's decoder, and so of Pillow's.

    blocks: levels times tables, whole numbers. Returns whole numbers, the samples before they are
    clipped. The gradient passes the decoder's two roundings straight through.
    """
    one = np.eye(BLOCK)
    # The decoder keeps two bits below the point after the columns (PASS1_BITS).
    columns = round_straight_through(_multiply_blocks(blocks, 4.0 * IJG_IDCT_MATRIX, one))
    return round_straight_through(_multiply_blocks(columns, one, IJG_IDCT_MATRIX / 32.0))


def over_planes(luma_chroma):
    """Tables [B or 1, 8, 8, 2] as Planes that broadcast over blocks."""
    luma, chroma = tf.unstack(tf.convert_to_tensor(luma_chroma), axis=-1)
    return Planes(luma[:, None, None], chroma[:, None, None, None])


def estimated_bits(coefficients, unrounded):
    """Bits of the JPEG files of a batch of images, differentiable: float32 [B].

    coefficients: levels, Planes of whole numbers; unrounded: the coefficients before rounding,
    which give a level of 0 its sign.

    A block takes 4.7 bits; 1.2 for each zigzag position up to its last nonzero AC level; 1.8 for
    each nonzero AC level, and 1.5 times its log2; and 1.5 times log2(1 + |difference of DC to the
    block before|). These numbers are a least squares fit to Pillow's files of photographs, 4:4:4
    with the example Huffman tables, at qualities from 5 to 75; the error is 1% (root mean square).
    """

    def log2(x):
        return tf.math.log(x) / np.log(2.0).astype(np.float32)

    bits = 0.0
    for values, before in zip(coefficients, unrounded, strict=True):
        batch = tf.shape(values)[0]
        components = 1 if len(values.shape) == 5 else 2
        magnitudes = values * tf.sign(tf.stop_gradient(before))
        ac = tf.reshape(magnitudes, [batch, components, -1, BLOCK * BLOCK])
        ac = tf.gather(ac, ZIGZAG[1:], axis=-1)
        coded = tf.minimum(ac, 1.0)
        up_to_last = tf.minimum(tf.cumsum(coded, axis=-1, reverse=True), 1.0)
        blocks = 4.7 + tf.reduce_sum(
            1.2 * up_to_last + 1.8 * coded + 1.5 * log2(tf.maximum(ac, 1.0)), axis=-1
        )
        dc = tf.reshape(values[..., 0, 0], [batch, components, -1])
        differences = tf.abs(dc - tf.pad(dc[..., :-1], [[0, 0], [0, 0], [1, 0]]))
        bits += tf.reduce_sum(blocks + 1.5 * log2(1.0 + differences), [1, 2])
    return bits
