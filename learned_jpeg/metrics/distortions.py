"""Differentiable distortions for the loss of a training: those of MS-SSIM and PSNR-HVS-M.

Both functions take RGB float32 [B, H, W, 3] in [0, 1], and return a figure for each image, 0 for
equal images.
"""

from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.jpeg.transform import DCT_OF_BLOCK
from learned_jpeg.metrics.psnr_hvs_m import LUMA, MASKING, SENSITIVITY
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

tf = lazy_import("tensorflow")

MIN_SIZE = 161  # of MS-SSIM: the coarsest of five scales must hold a window of 11x11
# Added to a masking energy: the root of 0 has no finite gradient.
_EPSILON = 1e-12


def ms_ssim_error(images, reconstruction):
    """1 - MS-SSIM, mean of the RGB channels: float32 [B] in [0, 1].

    Raises ValueError for images with a side below MIN_SIZE, if it is known at tracing.
    """
    if any(side is not None and side < MIN_SIZE for side in images.shape[1:3]):
        raise ValueError(f"MS-SSIM needs images of {MIN_SIZE} pixels a side or more")
    return 1.0 - tf.image.ssim_multiscale(images, reconstruction, 1.0)


def hvs_m_error(images, reconstruction):
    """PSNR-HVS-M's masked error of luma on the scale 0 to 255, a mean over pixels: float32 [B].

    Source: see `psnr_hvs_m`, which rounds luma to 8 bits, as this function does not. Samples beyond
    the last whole block do not count.
    """
    (x, masks_x), (y, masks_y) = _coefficients(images), _coefficients(reconstruction)
    thresholds = tf.maximum(masks_x, masks_y)[..., None] * _threshold_factors()
    errors = tf.maximum(tf.abs(x - y) - thresholds, 0.0) * SENSITIVITY.astype(np.float32)
    return 255.0**2 * tf.reduce_mean(tf.square(errors), [1, 2, 3])


def _threshold_factors():
    """The factor [64] of each frequency on a block's masking."""
    factors = np.zeros(BLOCK**2, np.float32)
    factors[1:] = 1 / MASKING[1:]
    return factors


def _coefficients(images):
    """Luma's DCT coefficients [B, rows, columns, 64], and the masking of each block."""
    luma = tf.linalg.matvec(images, LUMA.astype(np.float32))
    rows, columns = (tf.shape(luma)[axis] // BLOCK * BLOCK for axis in (1, 2))
    blocks = tf.nn.space_to_depth(luma[:, :rows, :columns, None], BLOCK)
    flat = tf.reshape(tf.reshape(blocks, [-1, BLOCK**2]) @ DCT_OF_BLOCK.T, tf.shape(blocks))
    tiles = tf.reshape(blocks, tf.concat([tf.shape(blocks)[:3], [BLOCK, BLOCK]], 0))
    whole = _scaled_variance(tiles)
    quarters = tf.add_n(
        [
            _scaled_variance(tiles[..., down : down + 4, right : right + 4])
            for down in (0, 4)
            for right in (0, 4)
        ]
    )
    ratio = tf.math.divide_no_nan(quarters, whole)
    energy = tf.linalg.matvec(tf.square(flat), MASKING.astype(np.float32)) * ratio
    return flat, tf.sqrt(energy + _EPSILON) / 32.0


def _scaled_variance(tiles):
    """The unbiased variance of each tile times the number of its samples."""
    n = float(tiles.shape[-1] * tiles.shape[-2])
    return tf.math.reduce_variance(tiles, [-2, -1]) * n * n / (n - 1.0)
