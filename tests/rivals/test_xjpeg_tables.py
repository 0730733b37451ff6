import importlib.util
import io
from pathlib import Path

from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.rivals.xjpeg_tables import tables

import numpy as np
import pytest
import skimage.data
from PIL import Image


@pytest.fixture(scope="module")
def weights():
    spec = importlib.util.find_spec("xjpeg")
    if spec is None:
        pytest.skip(ENCODERS["xjpeg_420"].missing())
    return Path(spec.origin).parent / "weights" / "model.safetensors"


# What `xjpeg.XJPEG().predict_tables` gave with PyTorch 2.14.1 for these crops (xjpeg 0.1.1): the
# first column of Y and of the mean of Cb and Cr, and the sums of all.
EXPECTED = {
    "coffee": [
        13.0,
        11.0,
        20.0,
        22.0,
        25.0,
        28.0,
        34.0,
        68.0,
        9.0,
        8.0,
        13.0,
        14.0,
        14.5,
        15.5,
        18.0,
        30.5,
        3120.0,
        1556.0,
    ],
    "astronaut": [
        14.0,
        14.0,
        26.0,
        25.0,
        29.0,
        25.0,
        24.0,
        55.0,
        10.0,
        10.5,
        14.5,
        14.5,
        16.5,
        14.0,
        13.5,
        25.5,
        3303.0,
        1566.0,
    ],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_are_the_packages_own(weights, name):
    image = np.ascontiguousarray(getattr(skimage.data, name)()[:203, :217])
    luma, chroma = tables(image, weights)
    found = [*luma[:, 0], *chroma[:, 0], luma.sum(), chroma.sum()]
    assert found == EXPECTED[name]


def test_the_file_holds_the_scaled_tables_that_both_chroma_components_share(weights):
    image = np.ascontiguousarray(skimage.data.coffee()[:200, :200])
    luma, chroma = tables(image, weights)
    for quality, scale in ((50, 1), (40, 2), (62.5, 2**-1.25)):
        data = ENCODERS["xjpeg_420"].encode(image, quality, "progressive")
        written = Image.open(io.BytesIO(data)).quantization
        assert sorted(written) == [0, 1]
        for table, expected in zip(written.values(), (luma, chroma), strict=True):
            expected = np.clip(np.rint(expected * scale), 1, 255)
            np.testing.assert_array_equal(np.reshape(table, (8, 8)), expected)


def test_images_without_a_whole_block_of_chroma_are_refused(weights):
    with pytest.raises(RuntimeError, match="xjpeg_420: images need 16 pixels a side"):
        ENCODERS["xjpeg_420"].encode(np.zeros((15, 40, 3), np.uint8), 50, "progressive")
