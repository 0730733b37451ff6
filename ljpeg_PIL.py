#!/usr/bin/env python3
"""LearnedJPEG's anchor: the same pipeline with the standard tables of the IJG library.

Nothing is learned, so there is nothing to train: the tables are Pillow's at a quality, rounded, at
4:4:4. With --tune it is an encoder in its own right: tables made for the search, which chooses the
integers, and 4:2:0 or 4:4:4 by what the search finds cheaper. A quality then means about what it
means to mozjpeg.
"""

from jpeg_pipeline import Dial, JPEGPipeline
from learned_jpeg.cli import command
from learned_jpeg.jpeg import standard
from learned_jpeg.search import quantizer, tuning


class LJPEGPIL(JPEGPipeline):
    """The pipeline with the IJG tables at a quality."""

    architecture = "ljpeg_PIL"
    trained = False
    dial = Dial("quality", 1, 100, 75, (*range(1, 10), *range(10, 91, 5)))  # arXiv 2009.12927

    def get_qtables(self, batch, dial, training):
        return standard.ijg_qtables(dial)[None]

    def complete(self, coding):
        return coding.with_defaults("auto", "trellis") if coding.tune else super().complete(coding)

    def file_qtables(self, dial, coding, table_scale=1.0):
        if not coding.tune:
            return super().file_qtables(dial, coding, table_scale)
        tune = tuning.TUNES[coding.tune]
        return tuning.shaped_qtables(table_scale * tuning.step_of(dial, tune), tune)

    def search(self, dial, coding):
        if not coding.tune:
            return super().search(dial, coding)
        tune = tuning.TUNES[coding.tune]
        exact = tuning.shaped(tuning.step_of(dial, tune), tune)
        return quantizer.Trellis(tune, exact, coding.huffman)


ARCHITECTURE = LJPEGPIL


def main(argv=None):
    """Runs the script; returns its exit status."""
    return command.main(LJPEGPIL, __doc__, argv)


if __name__ == "__main__":
    command.run(main)
