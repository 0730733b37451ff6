"""benchmarks/graphics.py: the pictures that are no photographs."""

import numpy as np
import pytest
from makers import benchmark
from PIL import Image


@pytest.fixture(scope="module")
def graphics():
    return benchmark("graphics")


def test_each_is_the_same_at_each_call(graphics):
    for name, make in graphics.GRAPHICS.items():
        first, second = np.asarray(make()), np.asarray(make())
        assert first.shape == (graphics.SIZE[1], graphics.SIZE[0], 3), name
        np.testing.assert_array_equal(first, second, name)


def test_none_is_another(graphics):
    every = [np.asarray(make(), np.float64) for make in graphics.GRAPHICS.values()]
    for n, one in enumerate(every):
        assert one.std() > 5
        assert all(np.abs(one - other).mean() > 5 for other in every[:n])


def test_they_are_written_as_files(graphics, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["graphics.py", str(tmp_path / "new")])
    monkeypatch.setattr(graphics, "GRAPHICS", {"gradient": graphics.gradient})
    graphics.main()
    (path,) = (tmp_path / "new").iterdir()
    np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(graphics.gradient()))
