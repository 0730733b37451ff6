"""The constants of the JPEG standard and of the IJG library, each once, with its source.

Tables are [vertical, horizontal], everywhere. "T.81" is Recommendation ITU-T T.81 | ISO/IEC
10918-1.
"""

import numpy as np

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
    def key(f):
        row, column = divmod(f, BLOCK)
        return row + column, row if (row + column) % 2 else column

    return sorted(range(BLOCK * BLOCK), key=key)


# ZIGZAG[k] is the row-major index in a block of the zigzag position k (T.81, figure A.6).
ZIGZAG = _zigzag()


# The least and the largest levels that 8-bit JPEG can code (T.81, F.1.2.1 and F.1.2.2), [8, 8]. DC
# never exceeds them; AC of noise does at table entries of 1.
LOWEST = np.full([BLOCK, BLOCK], -1023.0, np.float32)
LOWEST[0, 0] = -1024.0
HIGHEST = np.full([BLOCK, BLOCK], 1023.0, np.float32)


def _dct_matrix():
    """The orthonormal DCT-II as a matrix [frequency, sample] (T.81, A.3.3)."""
    frequency, sample = np.mgrid[:BLOCK, :BLOCK]
    matrix = np.sqrt(2 / BLOCK) * np.cos((2 * sample + 1) * frequency * np.pi / (2 * BLOCK))
    matrix[0] /= np.sqrt(2)
    return matrix


DCT_MATRIX = _dct_matrix()


def _ijg_idct_matrix():
    """One pass of the IJG library's accurate integer IDCT as a matrix [sample, frequency].

    It is sqrt(8) times the orthonormal IDCT, with constants of 13 bits. The factors are those of
    Loeffler, Ligtenberg and Moschytz 1989, in the arrangement of jidctint.c.
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


def file_qtables(tables):
    """Tables [...] as a baseline file holds them: uint8, the nearest whole numbers in 1..255."""
    return np.clip(np.rint(tables), 1, 255).astype(np.uint8)


def ijg_qtables(quality, xp=np):
    """The tables of the IJG library (and so of Pillow) at a quality.

    quality: number or array [...] in [1, 100], not necessarily whole; xp: numpy, or
    tensorflow.experimental.numpy for a tensor.
    Returns float32 [..., 8, 8, 2] (luma, chroma) of whole numbers in [1, 255].
    Source: jpeg_quality_scaling and jpeg_add_quant_table of the IJG library, baseline forced.
    """
    quality = xp.asarray(quality, np.float32)[..., None, None, None]
    scale = xp.where(quality < 50.0, xp.floor(np.float32(5000) / quality), 200.0 - 2.0 * quality)
    base = IJG_BASE_TABLES.astype(np.float32)
    return xp.clip(xp.floor((base * scale + 50.0) / np.float32(100)), 1.0, 255.0)
