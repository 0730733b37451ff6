"""The benchmark of what each learned parameter does to the bits."""

from learned_jpeg.search.learned_tune import PARAMETERS, SPREADS

import numpy as np
import pytest
from makers import benchmark, picture

responses = benchmark("responses")


def test_the_parameters_move_to_the_minimum_of_a_parabola_or_as_far_as_they_may():
    rng = np.random.default_rng(0)
    start, best = rng.normal(size=[2, PARAMETERS]).astype(np.float32)
    best = start + SPREADS * best
    curvature = rng.uniform(0.5, 2, PARAMETERS)

    def bits(change):
        return 3 + curvature @ ((start + change - best) / SPREADS) ** 2

    more = np.array([bits(change) for change in responses.moves()])
    more = np.broadcast_to(more[:, None, None], [len(more), 3, len(responses.WEIGHTS)])
    parabola = responses.parabolas(more)
    assert responses.moved(start, *parabola, 9) == pytest.approx(best, abs=1e-3)
    near = responses.moved(start, *parabola, 0.1)
    wanted = np.clip(best - start, -0.1 * SPREADS, 0.1 * SPREADS)
    assert near - start == pytest.approx(wanted, abs=1e-6)


def test_bits_are_those_at_the_score_of_the_changed_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    picture(96, 96).save(path)
    dearer = np.zeros([3, PARAMETERS])
    dearer[1:, 0] = 0.3, -0.3
    monkeypatch.setattr(responses, "moves", lambda: dearer)
    bpp, rows = responses.of_picture("rdo_visual", "420", path, 75)
    assert rows.shape == (3, 3) and 0 < bpp < 8
    assert rows[0] == pytest.approx(0, abs=1e-9)  # the model as it is lies on its own curve
    assert 0 < np.abs(rows[1:]).max() < 0.2  # a price of the bits moves along that curve
