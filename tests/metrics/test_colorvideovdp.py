import io

from learned_jpeg.metrics.colorvideovdp import ColorVideoVDP

import numpy as np
import pytest
import skimage.data
from PIL import Image

pytest.importorskip("pycvvdp", reason="no cvvdp: pip install -r requirements-colorvideovdp.txt")


def test_worse_files_have_less_and_equal_images_10():
    image = np.ascontiguousarray(skimage.data.astronaut()[:130, 100:251])
    metric, found = ColorVideoVDP(image), [10.0]
    assert metric.compare(image.copy()) == pytest.approx(10, abs=1e-4)
    for quality in (90, 50, 10):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        found.append(metric.compare(np.asarray(Image.open(file))))
    assert found == sorted(found, reverse=True) and found[-1] > 3
