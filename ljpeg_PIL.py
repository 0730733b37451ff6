"""LearnedJPEG's anchor: the same pipeline with the standard tables of the IJG library.

Nothing is learned, so there is nothing to train: the tables are Pillow's at a quality.
"""

from jpeg_pipeline import Dial, JPEGPipeline
from learned_jpeg import command, standard


class LJPEGPIL(JPEGPipeline):
    """The pipeline with the IJG tables at a quality."""

    architecture = "ljpeg_PIL"
    trained = False
    dial = Dial("quality", 1, 100, 75, (*range(1, 10), *range(10, 91, 5)))  # arXiv 2009.12927

    def get_qtables(self, batch, dial, training):
        return standard.ijg_qtables(dial)[None]


ARCHITECTURE = LJPEGPIL


def main(argv=None):
    """Runs the script; returns its exit status."""
    return command.main(LJPEGPIL, __doc__, argv)


if __name__ == "__main__":
    command.run(main)
