#!/usr/bin/env python3
"""LearnedJPEG's anchor: the same pipeline with the standard tables of the IJG library.

Nothing is learned: the tables are those of Pillow at a quality, coefficients are rounded, and the
sampling is 4:4:4. With --tune it is an encoder in its own right: the search chooses the levels, the
tables are made for the search, and the sampling is 4:2:0, or 4:4:4 where 4:2:0 spoils the picture.
A quality then is about that of mozjpeg.
"""

import arg_parser
from jpeg_pipeline import DifferentiableJPEG
from learned_jpeg.cli import command
from learned_jpeg.models.ijg import IJG


class LJPEGPIL(IJG, DifferentiableJPEG):
    """The flow with the IJG tables at a quality."""


ARCHITECTURE = LJPEGPIL


def main(argv=None):
    """Runs the script; returns its exit status."""
    return arg_parser.main(LJPEGPIL, __doc__, argv)


if __name__ == "__main__":
    command.run(main)
