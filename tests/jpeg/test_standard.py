"""The constants of the standard against SciPy, Pillow and their definitions."""

import io

from learned_jpeg.jpeg import standard
from learned_jpeg.jpeg.standard import ijg_qtables

import numpy as np
import pytest
import scipy.fft
import tensorflow as tf
from PIL import Image


@pytest.mark.parametrize("quality", range(1, 101))
def test_ijg_tables_equal_those_that_pillow_writes(quality):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", quality=quality)
    written = Image.open(file).quantization
    tables = ijg_qtables(quality)
    for number in (0, 1):
        # Pillow hands tables out in natural, row-major order.
        np.testing.assert_array_equal(tables[..., number].ravel(), written[number])


def test_ijg_tables_of_many_qualities_are_the_same_in_numpy_and_tensorflow():
    qualities = np.concatenate([np.arange(1, 101), np.linspace(1, 100, 333)]).astype(np.float32)
    tables = ijg_qtables(qualities)
    assert (tables.shape, tables.dtype) == ((433, 8, 8, 2), np.float32)
    np.testing.assert_array_equal(tables[49], ijg_qtables(50))
    np.testing.assert_array_equal(ijg_qtables(qualities, tf.experimental.numpy), tables)
    # The tables of a quality between two whole numbers have whole entries between theirs.
    assert (tables == np.round(tables)).all() and tables.min() == 1 and tables.max() == 255
    assert (np.diff(tables[np.argsort(qualities)], axis=0) <= 0).all()


def test_zigzag_is_that_of_the_file():
    """Pillow writes a table of the entries 1 to 64 in zigzag order."""
    entries = list(range(1, 65))
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG", qtables=[entries])
    data = file.getvalue()
    start = data.index(b"\xff\xdb") + 5
    in_file = data[start : start + 64]
    assert [entries[f] for f in standard.ZIGZAG] == list(in_file)


def test_the_dct_matrix_is_orthonormal_and_scipys():
    expected = scipy.fft.dct(np.eye(8), axis=0, norm="ortho")
    np.testing.assert_allclose(standard.DCT_MATRIX, expected, atol=1e-12)


def test_the_decoders_matrix_is_the_inverse_in_13_bits():
    difference = standard.IJG_IDCT_MATRIX - np.sqrt(8) * standard.DCT_MATRIX.T
    assert 0 < np.abs(difference).max() < 8 * 2.0**-14
    np.testing.assert_array_equal(standard.IJG_IDCT_MATRIX * 2**13 % 1, 0)


def test_the_colour_matrices_are_jfifs_and_inverse():
    # ITU-T T.871, clause 7, which rounds them.
    expected = [[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]]
    np.testing.assert_allclose(standard.RGB_TO_YCBCR, expected, atol=5e-5)
    expected = [[1, 0, 1.402], [1, -0.34414, -0.71414], [1, 1.772, 0]]
    np.testing.assert_allclose(standard.YCBCR_TO_RGB, expected, atol=5e-6)


def test_the_bounds_are_those_of_8_bit_jpeg():
    """AC has 10 bits (T.81, table F.2). DC, whose differences have 11 bits (table F.1), is bounded
    by a block of black and a block of white with a table entry of 1."""
    assert (standard.LOWEST.ravel()[1:] == -1023).all()
    assert (standard.HIGHEST.ravel()[1:] == 1023).all()
    assert standard.LOWEST[0, 0] == -128 * 8
    assert 127 * 8 <= standard.HIGHEST[0, 0] <= 1024
