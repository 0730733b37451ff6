"""The interface of a model that writes files: rate setting, tables, search."""

from dataclasses import dataclass

from learned_jpeg.jpeg import standard, transform
from learned_jpeg.search import quantizer
from learned_jpeg.search.quantizer import Analysis

import numpy as np


@dataclass(frozen=True)
class RateSetting:
    """The number that moves a model along the rate axis; a larger one takes more bits.

    name: "quality" or "lambda"; low, high: its bounds; default: the value of `compress` without the
    option; values: those of an evaluation's points.
    """

    name: str
    low: float
    high: float
    default: float
    values: tuple


class FileModel:
    """A model as the encoder of files sees it; it needs TensorFlow only if it edits images.

    sampling: of chroma in its files, unless a Coding chooses another.
    """

    architecture = None  # the name of the architecture and of its script
    lmbda = None  # the weight of the distortion in its training, if it had one
    trained = True  # whether there is something to train
    rate_setting = None  # a RateSetting, or None for a model with tables of one rate
    quantizer = "round"  # the quantizer that chooses the levels of a file
    tune = "psnr"  # the tune of a search for them
    receptive_field = 0  # pixels to each side of a block that a network sees for it
    refine_share = 0.2  # the share of LPIPS in --refine, see learned_jpeg.search.refining
    file_options = ()  # options that name a file, on whose content the model depends
    model_options = ("sampling",)  # the arguments of __init__ that shape the model

    def __init__(self, sampling="444"):
        self.sampling = sampling

    @classmethod
    def shared(cls, folder, options):
        """A name of the network whose output for an image several points share, or None.

        Points share it at several values of the rate setting, or in several models with the same
        frozen network. folder, options: of the checkpoint.
        """
        return None

    def complete(self, coding):
        """The Coding with the training's sampling and quantizer where it leaves them open."""
        return coding.with_defaults(self.sampling, self.quantizer)

    def get_qtables(self, batch, rate_setting, training):
        """The tables [batch or 1, 8, 8, 2] for a number of images at a rate setting or None."""
        raise NotImplementedError

    def file_qtables(self, rate_setting, coding, table_scale=1.0):
        """The tables of a file: uint8 [8, 8, 2]. coding: a complete Coding, with one sampling."""
        tables = np.asarray(self.get_qtables(1, rate_setting, False), np.float32)[0]
        return standard.file_qtables(tables * table_scale)

    def search(self, rate_setting, coding):
        """The quantizer.Trellis that chooses a file's levels. coding: a complete Coding."""
        return quantizer.Trellis(coding.tune or self.tune, huffman=coding.huffman)

    def log2_bit_price(self, analysis, rate_setting):
        """The lambda map of a quantizer.Analysis: log2 of a factor on the bit price of each block,
        Planes [rows, columns] and [2, rows', columns']; or None."""
        return None

    def analyse_picture(self, pixels, rate_setting, coding, table_scale=1.0):
        """The first half of the encoder for a whole picture: its quantizer.Analysis.

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
