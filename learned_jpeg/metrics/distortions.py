"""Differentiable distortions beside the squared error and LPIPS: MS-SSIM's and PSNR-HVS-M's.

Both take float32 [B, H, W, 3] RGB in [0, 1] and give one figure for each image, 0 for equal ones.
"""

from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.jpeg.transform import DCT_OF_BLOCK
from learned_jpeg.metrics.psnr_hvs_m import LUMA, MASKING, SENSITIVITY
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

tf = lazy_import("tensorflow")

MIN_SIZE = 161  # of MS-SSIM: the coarsest of five scales must hold a window of 11x11
# A masking energy of 0 has no finite gradient of its root.
_EPSILON = 1e-12


def ms_ssim_error(images, reconstruction):
    """1 - MS-SSIM, mean of the RGB channels: float32 [B] in [0, 1].

    Raises ValueError for images with a side below MIN_SIZE, where that is known while tracing.
    """
    if any(side is not None and side < MIN_SIZE for side in images.shape[1:3]):
        raise ValueError(f"MS-SSIM needs images of {MIN_SIZE} pixels a side or more")
    return 1.0 - tf.image.ssim_multiscale(images, reconstruction, 1.0)


def hvs_m_error(images, reconstruction):
    """PSNR-HVS-M's masked error of luma on the scale 0 to 255, a mean over pixels: float32 [B].

    N. Ponomarenko et al., VPQM 2007, see `psnr_hvs_m`; but luma is not rounded to 8
    bits. Whole blocks alone count.
    """
    (x, masks_x), (y, masks_y) = _analyse(images), _analyse(reconstruction)
    zones = tf.maximum(masks_x, masks_y)[..., None] * _zone()
    errors = tf.maximum(tf.abs(x - y) - zones, 0.0) * SENSITIVITY.astype(np.float32)
    return 255.0**2 * tf.reduce_mean(tf.square(errors), [1, 2, 3])


def _zone():
    zone = np.zeros(BLOCK**2, np.float32)
    zone[1:] = 1 / MASKING[1:]
    return zone


def _analyse(images):
    """The blocks' DCT coefficients [B, rows, columns, 64] of luma, and what each block masks."""
    luma = tf.linalg.matvec(images, LUMA.astype(np.float32))
    rows, columns = (tf.shape(luma)[axis] // BLOCK * BLOCK for axis in (1, 2))
    blocks = tf.nn.space_to_depth(luma[:, :rows, :columns, None], BLOCK)
    flat = tf.reshape(tf.reshape(blocks, [-1, BLOCK**2]) @ DCT_OF_BLOCK.T, tf.shape(blocks))
    tiles = tf.reshape(blocks, tf.concat([tf.shape(blocks)[:3], [BLOCK, BLOCK]], 0))
    whole = _scatter(tiles)
    quarters = tf.add_n(
        [
            _scatter(tiles[..., down : down + 4, right : right + 4])
            for down in (0, 4)
            for right in (0, 4)
        ]
    )
    ratio = tf.math.divide_no_nan(quarters, whole)
    energy = tf.linalg.matvec(tf.square(flat), MASKING.astype(np.float32)) * ratio
    return flat, tf.sqrt(energy + _EPSILON) / 32.0


def _scatter(tiles):
    """Unbiased variance of each tile times its samples."""
    n = float(tiles.shape[-1] * tiles.shape[-2])
    return tf.math.reduce_variance(tiles, [-2, -1]) * n * n / (n - 1.0)
