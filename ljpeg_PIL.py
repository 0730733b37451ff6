#!/usr/bin/env python3
"""LearnedJPEG's anchor: the same pipeline with the standard tables of the IJG library.

Nothing is learned, so there is nothing to train: the tables are Pillow's at a quality, rounded, at
4:4:4. With --tune it is an encoder in its own right: tables made for the search, which chooses the
integers, and 4:2:0, or 4:4:4 where that would spoil the picture. A quality then means about what it
means to mozjpeg.
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
