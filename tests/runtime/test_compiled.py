import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("writable", [True, False])
def test_compiles_whether_or_not_the_code_can_be_kept(tmp_path, writable):
    (tmp_path / "kernel.py").write_text(
        "from learned_jpeg.runtime.compiled import compiled\n"
        "@compiled\n"
        "def ratio(a, b):\n"
        "    return a / b\n"
    )
    # Where no folder can be made, numba finds no place: a file stands where it would look.
    (tmp_path / "file").touch()
    if not writable:
        (tmp_path / "__pycache__").touch()
    code = "import kernel; print(kernel.ratio(6.0, 3.0), kernel.ratio(1.0, 0.0))"
    cache = {"HOME": str(tmp_path / "file"), "XDG_CACHE_HOME": str(tmp_path / "file")}
    environment = os.environ | cache | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, "-B", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["2.0", "inf"], done.stderr
    kept = list(tmp_path.glob("__pycache__/*.nbc"))
    assert bool(kept) == writable
