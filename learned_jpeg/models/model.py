"""What every model that writes files has: its place on the rate axis, its tables, its search."""

from dataclasses import dataclass

from learned_jpeg.jpeg import standard, transform
from learned_jpeg.search import quantizer
from learned_jpeg.search.quantizer import Analysis

import numpy as np


@dataclass(frozen=True)
class RateSetting:
    """What moves one model along the rate axis; more of it is finer and takes more bits.

    name: "quality" or "lambda"; low, high: its bounds; default: what `compress` takes; values:
    the points of an evaluation.
    """

    name: str
    low: float
    high: float
    default: float
    values: tuple


class FileModel:
    """A model as the encoder of files sees it; without TensorFlow unless its edits need it.

    sampling: of chroma, what its files have where nothing else is asked for.
    """

    architecture = None  # its name, which is its script's
    lmbda = None  # the weight of the distortion that it was trained with, where there was one
    trained = True  # whether there is something to train
    rate_setting = None  # a RateSetting, or None for a model with tables of one rate
    quantizer = "round"  # what chooses the integers of a file
    tune = "psnr"  # what error a search for them minimizes
    receptive_field = 0  # pixels to each side of a block that decide about it by a network
    refine_share = 0.2  # of LPIPS in --refine, see learned_jpeg.search.refining
    file_options = ()  # those whose file decides about the model, too
    model_options = ("sampling",)  # the arguments of __init__ that shape the model

    def __init__(self, sampling="444"):
        self.sampling = sampling

    @classmethod
    def shared(cls, folder, options):
        """A name for the network whose output for an image is the same at other values of the
        rate setting, or in other models with the same frozen one; None without such a network.

        folder, options: of the checkpoint.
        """
        return None

    def complete(self, coding):
        """A Coding whose sampling and quantizer, where open, are those of the training."""
        return coding.with_defaults(self.sampling, self.quantizer)

    def get_qtables(self, batch, rate_setting, training):
        """batch: number of images; rate_setting: a number or None -> [batch or 1, 8, 8, 2]."""
        raise NotImplementedError

    def file_qtables(self, rate_setting, coding, table_scale=1.0):
        """The tables of a file: uint8 [8, 8, 2]. coding: a complete Coding, with one sampling."""
        tables = np.asarray(self.get_qtables(1, rate_setting, False), np.float32)[0]
        return standard.file_qtables(tables * table_scale)

    def search(self, rate_setting, coding):
        """The quantizer.Trellis that chooses a file's integers. coding: a complete Coding."""
        return quantizer.Trellis(coding.tune or self.tune, huffman=coding.huffman)

    def log2_bit_price(self, analysis, rate_setting):
        """How much more the bits of a block weigh to the search, in doublings: Planes [rows,
        columns] and [2, rows', columns'] for a quantizer.Analysis; or None."""
        return None

    def analyse_picture(self, pixels, rate_setting, coding, table_scale=1.0):
        """The first half of the encoder on a whole picture: a quantizer.Analysis.

        pixels: uint8 or uint16 [H, W, 3], or [H, W, 1] for a gray file; coding: a complete
        Coding, with one sampling; table_scale: a factor on the tables.
        """
        qtables = self.file_qtables(rate_setting, coding, table_scale)
        if coding.quantizer == "trellis":
            analysis = quantizer.analyse(pixels, qtables, coding.sampling)
            analysis.log2_bit_price = self.log2_bit_price(analysis, rate_setting)
            return analysis
        planes = transform.forward(pixels, coding.sampling)
        for plane, table in zip(planes, np.moveaxis(qtables, -1, 0), strict=True):
            if plane is not None:
                plane /= table.astype(np.float32)
        return Analysis(planes, qtables, coding.sampling, *pixels.shape[:2])
