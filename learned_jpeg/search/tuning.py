"""What the search minimizes, and the tables that go with it, by the name of the `--tune` option."""

from dataclasses import dataclass

from learned_jpeg.jpeg.standard import BLOCK, YCBCR_TO_RGB, file_qtables

import numpy as np


@dataclass(frozen=True)
class Tune:
    """The error that the search weighs against the bits, and the tables that go with it.

    bit_price: what a bit costs, in units of the square of luma's step; bit_price_knee: at fine
    tables less, by step / (step + knee). bit_price_texture: the exponent with which a bit costs
    more in a block of texture. squared_weight, error_table_power: weight of the squared error;
    over the table to this power, each frequency. hvs_weight: weight of PSNR-HVS-M's error of luma.
    mask_power: the exponent with which a block of texture hides its squared error;
    neighbour_mask_power: less so, by this exponent of how much more texture it has than the
    calmest block around it; brightness_power: how the weight of that error falls with the block's
    mean, from black to white by a factor of e^power. zeroing_penalty: what an error costs more
    where it leaves nothing of a coefficient, as a part of its square. chroma_weight: a factor on
    the weight of chroma's error; cb_weight: another on Cb's; chroma_mask_power: the exponent with
    which luma's mask is chroma's. dc_weight: a factor on the weight of the error of DC, luma's and
    chroma's.
    table_slope, table_curvature: tables rise to 1 + slope times over the frequencies, by this
    power. dc_table: a factor on the entry of DC. chroma_table, chroma_slope: chroma's step over
    luma's, and its own slope. luma_steps: luma's at the scales of SCALES. take_over: luma makes up
    for chroma's error where it can. clipping: what the decoder clips is free. fine_chroma_error:
    what of a file's error downsampled chroma may be at fine tables, over luma's step, beside what
    it may be at all tables.
    """

    bit_price: float
    bit_price_knee: float = 0.0
    bit_price_texture: float = 0.0
    squared_weight: float = 1.0
    error_table_power: float = 0.0
    hvs_weight: float = 0.0
    mask_power: float = 0.0
    zeroing_penalty: float = 0.0
    neighbour_mask_power: float = 0.0
    brightness_power: float = 0.0
    chroma_weight: float = 1.0
    cb_weight: float = 1.0
    chroma_mask_power: float = 1.0
    dc_weight: float = 1.0
    table_slope: float = 0.0
    table_curvature: float = 1.0
    dc_table: float = 1.0
    chroma_table: float = 1.0
    chroma_slope: float = 0.0
    luma_steps: tuple = ()
    take_over: bool = True
    clipping: bool = True
    fine_chroma_error: float = 0.0


# The scales of the IJG library's tables (100 at quality 50) over 100, at which a Tune's steps are
# those of about the same SSIMULACRA2 as mozjpeg's files. The last is that of quality 1.
SCALES = (0.002, 0.02, 0.1, 0.3, 0.7, 1.25, 2.5, 4.2, 10, 50)

# Chosen on photographs of 576x576, by the real files' BD-rates against mozjpeg and jpegli.
TUNES = {
    "psnr": Tune(
        0.125,
        chroma_weight=0.9,
        table_slope=0.8,
        table_curvature=0.5,
        chroma_table=0.65,
        chroma_slope=0.8,
        luma_steps=(0.15, 0.9, 2.45, 5.8, 11, 17.7, 33, 54, 96, 200),
    ),
    "visual": Tune(
        0.154,
        bit_price_knee=3,
        squared_weight=0.295,
        error_table_power=0.79,
        hvs_weight=0.6,
        mask_power=0.38,
        zeroing_penalty=0.24,
        chroma_weight=0.88,
        dc_weight=2.3,
        table_slope=12.9,
        table_curvature=1.455,
        dc_table=0.92,
        chroma_table=1.43,
        chroma_slope=5.8,
        # It gains 0.7% in PSNR, and loses as much in SSIMULACRA2 and Butteraugli.
        take_over=False,
        luma_steps=(0.15, 0.8, 1.6, 3.49, 7.28, 13.7, 29.9, 53.5, 100, 170),
        fine_chroma_error=0.6,
    ),
}

# How an error of Y, Cb and Cr counts in RGB, per pixel and channel.
COMPONENTS = (YCBCR_TO_RGB**2).sum(0) / 3
# The part of Cb's and of Cr's error that Y can make up for: their columns over Y's.
TAKEN_OVER = (YCBCR_TO_RGB[:, :1] * YCBCR_TO_RGB[:, 1:]).sum(0) / 3

_SUM = np.add.outer(np.arange(BLOCK), np.arange(BLOCK))


def upsampling_gain():
    """How much energy the decoder's triangle filter makes of each frequency: [8, 8].

    Of a wave of angular frequency w per chroma sample it makes two phases, 3/4 of the nearer
    sample and 1/4 of the next, |3 + e^(iw)|^2 / 16 of the energy each.
    """
    axis = (10 + 6 * np.cos(np.pi * np.arange(BLOCK) / BLOCK)) / 8
    return np.outer(axis, axis)


def reference_step(qtable):
    """The step that a table [8, 8] stands for: the geometric mean of its six lowest."""
    return float(np.exp(np.log(np.asarray(qtable, np.float64))[_SUM <= 2].mean()))


def bit_price_factor(exact, qtables):
    """A factor on the bit price, by a step before it was rounded: each quality has its own file.

    exact: tables [8, 8, 2], neither rounded nor bounded; qtables: those of the file.
    """
    steps = reference_step(exact[..., 0]), reference_step(qtables[..., 0])
    return (steps[0] / steps[1]) ** 2


def shaped(step, tune):
    """The tables of a Tune for a step of any size, not rounded or bounded: float64 [8, 8, 2]."""
    rise = (_SUM / (2 * BLOCK - 2)) ** tune.table_curvature
    luma = step * (1 + tune.table_slope * rise)
    chroma = step * tune.chroma_table * (1 + tune.chroma_slope * rise)
    tables = np.stack([luma, chroma], -1)
    tables[0, 0] *= tune.dc_table
    return tables


def shaped_qtables(step, tune):
    """The same as a file holds them: uint8 [8, 8, 2]."""
    return file_qtables(shaped(step, tune))


def step_of(quality, tune):
    """The step, for `shaped`, of a Tune at a quality in [1, 100], not necessarily whole.

    75 looks about like mozjpeg's 75. At 100 all entries become 1.
    """
    if quality == 100:
        return 0.05
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    return float(np.exp(np.interp(np.log(scale), np.log(SCALES), np.log(tune.luma_steps))))


def tuned_qtables(quality, tune):
    """The tables of a Tune, or of one of TUNES by its name, at a quality: uint8 [8, 8, 2].

    They serve both samplings. No entry rises with the quality.
    """
    tune = TUNES[tune] if isinstance(tune, str) else tune
    return shaped_qtables(step_of(quality, tune), tune)
