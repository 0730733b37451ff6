"""What several test files share."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image


@pytest.fixture(scope="session")
def photograph():
    """A detailed photograph whose sides are no multiples of 8: uint8 [301, 203, 3]."""
    return skimage.data.astronaut()[:301, 100:303]


@pytest.fixture(scope="session")
def decode():
    """Pillow's decoder: the bytes of a file to uint8 [H, W, 3]."""
    return lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
