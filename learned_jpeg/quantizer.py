"""The second half of the encoder: coefficients over their tables to the file's integers.

A quantizer is called with the `Analysis` of one whole picture and returns its integers.
"""

from dataclasses import dataclass

from learned_jpeg.sampling import Planes

import numpy as np

# What 8-bit JPEG can code (T.81, tables F.1 and F.2): a block of noise at a table of ones can go
# past it, a mean cannot.
LARGEST_AC = 1023
LARGEST_DC = 1024


@dataclass
class Analysis:
    """What is known of one whole picture before its integers are chosen.

    unrounded: Planes of float32, coefficients over the tables; qtables: uint8 [8, 8, 2] (luma,
    chroma); sampling: "444" or "420"; height, width: in pixels.
    chroma_samples: float32 [2, height, width], Cb and Cr around 0 at full resolution: the search
    at 4:2:0 lets luma take over chroma's error if it has them.
    log2_lambda: Planes of float32 [rows, columns] and [2, rows', columns'], how much more the bits
    of a block weigh, in doublings; or None.
    """

    unrounded: Planes
    qtables: np.ndarray
    sampling: str
    height: int
    width: int
    chroma_samples: np.ndarray | None = None
    log2_lambda: Planes | None = None


class Round:
    """The published way: each coefficient to the nearest integer, halves to even ones."""

    def __call__(self, analysis):
        """Returns Planes of int16 for an Analysis."""
        return Planes(*(None if plane is None else _round(plane) for plane in analysis.unrounded))


def _round(plane):
    result = np.empty(plane.shape, np.int16)
    for index in np.ndindex(plane.shape[:-3]):  # a row of blocks: no copy of all
        values = np.clip(np.rint(plane[index]), -LARGEST_DC, LARGEST_DC)
        values.reshape(-1, 64)[:, 1:].clip(
            -LARGEST_AC, LARGEST_AC, out=values.reshape(-1, 64)[:, 1:]
        )
        result[index] = values
    return result
