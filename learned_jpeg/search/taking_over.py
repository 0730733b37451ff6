"""Luma compensates the part of chroma's error that looks like luma in RGB."""

from functools import partial

from learned_jpeg.runtime import threads
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search.tuning import COMPONENTS, TAKEN_OVER

import numpy as np

luma_kernels = lazy_import("learned_jpeg.search.luma")


def targets(analysis, chroma, w):
    """The coefficients at which the search for luma aims, float32 [n, 64], of a quantizer.Analysis.

    chroma: its levels, int16 [2, rows, columns, 8, 8]; w: luma's Weights. At 4:2:0 without
    chroma_samples, these are luma's own coefficients.
    """
    planes, columns = analysis.unrounded, analysis.unrounded.luma.shape[1]
    luma, levels = planes.luma.reshape(-1, 64), chroma.reshape(*chroma.shape[:3], 64)
    factors = (TAKEN_OVER / COMPONENTS[0]).astype(np.float32)
    steps = np.ascontiguousarray(np.float32(analysis.qtables).reshape(64, 2).T)
    x = np.empty_like(luma)

    def over_444(rows):
        part = slice(rows.start * columns, rows.stop * columns)
        x[part] = luma[part]
        originals = tuple(plane[rows].reshape(-1, 64) for plane in planes.chroma)
        coded = tuple(plane[rows].reshape(-1, 64) for plane in levels)
        of_part = w.squared_weight, w.dead_zone_weight, w.mask[part]
        luma_kernels.take_over_444(x[part], originals, coded, factors, *steps, *of_part)

    def over_420(rows):
        part = slice(rows.start * columns, rows.stop * columns)
        x[part] = luma[part]
        of_part = factors, steps[0], w.squared_weight, w.dead_zone_weight, w.mask[part]
        grid = columns, rows.start
        luma_kernels.take_over_420(x[part], *grid, analysis.chroma_samples, decoded, *of_part)

    take_over = over_444
    if analysis.sampling == "420":
        if analysis.chroma_samples is None:
            return luma
        take_over = over_420
        decoded = luma_kernels.decode(levels, steps[1])
    parts = threads.parts(*planes.luma.shape[:2])
    threads.share([partial(take_over, rows) for rows in parts])
    return x
