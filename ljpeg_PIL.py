"""LearnedJPEG's anchor: the same pipeline with the standard tables of the IJG library.

Nothing is learned, so there is nothing to train: the tables are Pillow's at a quality.
"""

import arg_parser
import compress
from image_utils import ijg_qtables
from jpeg_pipeline import JPEGPipeline


class LJPEGPIL(JPEGPipeline):
    """The pipeline with the IJG tables at a quality."""

    architecture = "ljpeg_PIL"

    def get_qtables(self, batch, quality, training):
        return ijg_qtables(quality)[None]


def main(argv=None):
    """Runs the script; returns its exit status."""
    return compress.compress(LJPEGPIL, arg_parser.make_parser(__doc__).parse_args(argv))


if __name__ == "__main__":
    arg_parser.run(main)
