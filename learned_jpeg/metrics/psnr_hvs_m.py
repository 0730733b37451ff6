"""PSNR-HVS-M: the error of luma's DCT coefficients, weighed by contrast sensitivity and masking.

N. Ponomarenko, F. Silvestri, K. Egiazarian, M. Carli, J. Astola, V. Lukin: On between-coefficient
contrast masking of DCT basis functions, VPQM 2007.
"""

from learned_jpeg.jpeg.standard import BLOCK, DCT_MATRIX, IJG_BASE_TABLES

import numpy as np

# The weights of errors and of the masking, which follow from the standard's luminance table.
SENSITIVITY = (25.73509 / IJG_BASE_TABLES[..., 0]).ravel()
MASKING = ((10 / IJG_BASE_TABLES[..., 0]) ** 2).ravel()
MASKING[0] = 0  # DC masks nothing and is not masked

_DCT = np.kron(DCT_MATRIX, DCT_MATRIX).T
# BT.601 luma in 8 bits.
LUMA = np.array([65.481, 128.553, 24.966]) / 255


class PsnrHvsM:
    """The weighted squared error against one original, uint8 RGB [H, W, 3].

    The 8x8 blocks do not overlap; samples beyond the last whole block do not count.
    """

    MIN_SIZE = BLOCK

    def __init__(self, original):
        self._coefficients, self._masks = _coefficients_and_masks(original)

    def compare(self, decoded):
        """The masked error, a mean over luma's samples in units of the squared peak (255)."""
        coefficients, masks = _coefficients_and_masks(decoded)
        errors = np.abs(coefficients - self._coefficients)
        masks = np.maximum(masks, self._masks)
        errors[:, 1:] -= masks[:, np.newaxis] / MASKING[1:]
        return float(np.mean(np.square(np.maximum(errors, 0) * SENSITIVITY)))


def _coefficients_and_masks(image):
    """Luma's DCT coefficients [n, 64], over the peak, and the masking of each block [n]."""
    height, width = (side // BLOCK * BLOCK for side in image.shape[:2])
    luma = np.round(16 + image[:height, :width] @ LUMA) / 255
    tiles = luma.reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK).swapaxes(1, 2)
    coefficients = tiles.reshape(-1, BLOCK**2) @ _DCT
    whole = _scaled_variance(tiles)
    quarters = sum(
        _scaled_variance(tiles[..., rows, columns])
        for rows in (slice(4), slice(4, 8))
        for columns in (slice(4), slice(4, 8))
    )
    # An energy below rounding errors is that of a flat block.
    ratio = np.divide(quarters, whole, out=np.zeros_like(whole), where=whole > 1e-12)
    return coefficients, np.sqrt(np.square(coefficients) @ MASKING * ratio) / 32


def _scaled_variance(tiles):
    """The unbiased variance of each tile [..., rows, columns] times its number of samples, [n]."""
    n = tiles.shape[-2] * tiles.shape[-1]
    return np.var(tiles, axis=(-1, -2)).ravel() * (n * n / (n - 1))
