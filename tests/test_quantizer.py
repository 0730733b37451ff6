from learned_jpeg.quantizer import Analysis, Round
from learned_jpeg.sampling import Planes

import numpy as np


def test_round_goes_to_the_nearest_and_stays_in_range():
    luma = np.zeros([1, 2, 8, 8], np.float32)
    luma[0, 0, 0, :5] = [-2000, 1500, 0.5, 1.5, -2.4]
    luma[0, 1, 0, :2] = [1023.9, -1023.9]
    found = Round()(Analysis(Planes(luma, None), np.ones([8, 8, 2], np.uint8), "444", 8, 16))
    assert found.chroma is None
    assert found.luma.dtype == np.int16
    assert found.luma[0, 0, 0, :5].tolist() == [-1024, 1023, 0, 2, -2]
    assert found.luma[0, 1, 0, :2].tolist() == [1024, -1023]
