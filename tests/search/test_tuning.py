from learned_jpeg.jpeg.sampling import up
from learned_jpeg.search.tuning import (
    COMPONENTS,
    TAKEN_OVER,
    TUNES,
    reference_step,
    tuned_qtables,
    upsampling_gain,
)

import numpy as np
import pytest
import scipy.fft


@pytest.mark.parametrize("tune", TUNES)
def test_tables_are_coarser_at_lower_qualities(tune):
    tables = [tuned_qtables(quality, tune).astype(int) for quality in range(1, 101)]
    assert (np.diff(tables, axis=0) <= 0).all()
    assert (np.diff([table.sum() for table in tables]) < 0).all()
    assert (tables[-1] == 1).all()
    assert tables[0].max() <= 255


def test_the_weights_are_those_of_an_error_in_rgb():
    to_rgb = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
    np.testing.assert_allclose(COMPONENTS, (to_rgb**2).mean(0), atol=1e-5)
    np.testing.assert_allclose(TAKEN_OVER, to_rgb[:, 0] @ to_rgb[:, 1:] / 3, atol=1e-5)


def test_the_gain_is_that_of_the_upsampling():
    for u, v in ((0, 0), (0, 5), (3, 1), (7, 7)):
        wave = np.zeros([8, 8])
        wave[u, v] = 8000
        samples = np.rint(np.tile(scipy.fft.idctn(wave, norm="ortho"), [1, 1]))
        # Mirrored to both sides, so that the wave goes on.
        samples = np.pad(samples, 8, "symmetric").astype(int)
        larger = up(samples, 48, 48)[16:32, 16:32]
        energy = (larger.astype(float) ** 2).sum() / (samples[8:16, 8:16] ** 2).sum()
        np.testing.assert_allclose(energy, upsampling_gain()[u, v], rtol=0.02)


def test_the_reference_is_the_step_of_a_flat_table():
    assert reference_step(np.full([8, 8], 7)) == pytest.approx(7)
