from learned_jpeg.models import portable
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest


class Pipeline:
    def parts(self):
        return {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.float32([7])}


def test_weights_come_back_as_they_were(tmp_path):
    portable.write(Pipeline(), tmp_path)
    found = portable.read(tmp_path)
    assert found.keys() == {"a", "b"}
    np.testing.assert_array_equal(found["a"], Pipeline().parts()["a"])


def test_equal_weights_make_equal_files(tmp_path):
    for name in "xy":
        portable.write(Pipeline(), tmp_path / name)
    x, y = ((tmp_path / name / portable.WEIGHTS).read_bytes() for name in "xy")
    assert x == y


def test_a_folder_without_weights_has_none(tmp_path):
    assert portable.read(tmp_path) is None


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "text", "pickle", "nan"])
def test_broken_weights_are_one_line_with_the_name_of_the_file(damage, tmp_path):
    portable.write(Pipeline(), tmp_path)
    path = tmp_path / portable.WEIGHTS
    data = path.read_bytes()
    offset = data.index(b"NUMPY")
    if damage == "pickle":
        np.savez(path, a=np.array([{}], object))
    elif damage == "nan":
        np.savez(path, a=np.float32([np.nan]))
    else:
        changed = data[:offset] + b"x" + data[offset + 1 :]
        path.write_bytes(
            {"cut": data[:200], "empty": b"", "changed": changed, "text": b"hello"}[damage]
        )
    with pytest.raises(UserError, match=r"model\.npz: its weights cannot be read"):
        portable.read(tmp_path)
