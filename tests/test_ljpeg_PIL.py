"""ljpeg_PIL against Pillow's own encoder."""

import io

from learned_jpeg import encoding, jpeg_file, metrics
from learned_jpeg.encoding import Coding
from learned_jpeg.sampling import SAMPLINGS
from ljpeg_PIL import LJPEGPIL

import numpy as np
import pytest
from PIL import Image


def pillows(pixels, quality, sampling):
    file = io.BytesIO()
    subsampling = {"444": 0, "420": 2}[sampling]
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("quality", [10, 50, 90])
def test_ijg_tables_give_pillows_jpeg_but_for_rounding(quality, photograph, decode, sampling):
    ours = encoding.encode(LJPEGPIL(), photograph, float(quality), Coding("standard", sampling))
    theirs = pillows(photograph, quality, sampling)
    assert len(ours) == pytest.approx(len(theirs), rel=0.02)
    psnr = [metrics.psnr(photograph, decode(data)) for data in (ours, theirs)]
    assert psnr[0] == pytest.approx(psnr[1], abs=0.15)
    np.testing.assert_array_equal(jpeg_file.read_jpeg(ours)[1], jpeg_file.read_jpeg(theirs)[1])


def test_the_tables_are_those_of_the_dial():
    pipeline = LJPEGPIL()
    tables = [pipeline.get_qtables(1, quality, False) for quality in pipeline.dial.values]
    assert all(table.shape == (1, 8, 8, 2) for table in tables)
    # A higher quality is finer everywhere.
    assert all((finer <= coarser).all() for coarser, finer in zip(tables, tables[1:], strict=False))
