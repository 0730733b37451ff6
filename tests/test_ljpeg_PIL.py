"""ljpeg_PIL against Pillow's own encoder."""

import io

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.sampling import SAMPLINGS
from learned_jpeg.metrics import measures
from learned_jpeg.models import encoding
from learned_jpeg.models.encoding import Coding
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
    psnr = [measures.psnr(photograph, decode(data)) for data in (ours, theirs)]
    assert psnr[0] == pytest.approx(psnr[1], abs=0.15)
    np.testing.assert_array_equal(jpeg_file.read_jpeg(ours)[1], jpeg_file.read_jpeg(theirs)[1])


def test_the_tables_are_those_of_the_quality():
    pipeline = LJPEGPIL()
    tables = [pipeline.get_qtables(1, quality, False) for quality in pipeline.rate_setting.values]
    assert all(table.shape == (1, 8, 8, 2) for table in tables)
    # A higher quality is finer everywhere.
    assert all((finer <= coarser).all() for coarser, finer in zip(tables, tables[1:], strict=False))


@pytest.mark.parametrize("tune", ["psnr", "visual"])
def test_tuned_files_grow_with_the_quality_from_still_a_picture_to_nearly_lossless(
    tune, photograph
):
    model, picture = LJPEGPIL(), photograph[:96, :112]
    qualities = (1, 3, 5, 10, 25, 50, 75, 90, 95, 100)
    files = [encoding.encode(model, picture, q, Coding(tune=tune)) for q in qualities]
    sizes = [len(data) for data in files]
    assert sizes == sorted(set(sizes))
    psnrs = [measures.psnr(picture, jpeg_file.decode(data)) for data in files]
    assert psnrs == sorted(psnrs)
    assert psnrs[0] > 14 and psnrs[-1] > 46


def test_tuned_files_are_smaller_than_rounded_ones_at_equal_psnr(photograph):
    picture = photograph[:160, :160]

    def curve(coding, qualities):
        files = [encoding.encode(LJPEGPIL(), picture, q, coding) for q in qualities]
        shown = [measures.psnr(picture, jpeg_file.decode(data)) for data in files]
        return [len(data) for data in files], shown

    sizes, psnrs = curve(Coding(), (30, 50, 70))
    tuned_sizes, tuned_psnrs = curve(Coding(tune="psnr"), range(10, 90, 8))
    at_equal = np.exp(np.interp(psnrs, tuned_psnrs, np.log(tuned_sizes)))
    assert (at_equal < 0.8 * np.array(sizes)).all()
