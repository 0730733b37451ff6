"""Kernels: compiled once, kept in a safe folder, and compiled again where a file is broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KERNEL = """
import logging, pathlib, sys
from learned_jpeg.runtime import compiled
compiled._INSTALLED = pathlib.Path(sys.argv[1])
logging.basicConfig(level=logging.INFO, format="%(message)s")
import tempfile
if "nowhere" in sys.argv[2:]:
    tempfile._candidate_tempdir_list = lambda: [str(pathlib.Path.cwd())]
import kernel
print(kernel.ratio(6.0, 3), kernel.ratio(1.0, 0.0))
"""


@pytest.fixture
def run(tmp_path):
    """Calls a kernel in a process of its own; returns its messages on compiling."""
    (tmp_path / "kernel.py").write_text(
        "from learned_jpeg.runtime.compiled import compiled\n"
        "@compiled('float64(float64, float64)')\n"
        "def ratio(a, b):\n"
        "    return a / b\n"
    )

    def call(installed, *more, cache="cache"):
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / cache)}
        environment |= {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
        environment.pop("NUMBA_CACHE_DIR", None)
        command = [sys.executable, "-B", "-c", KERNEL, str(installed), *more]
        options = {"capture_output": True, "text": True, "cwd": tmp_path}
        done = subprocess.run(command, env=environment, **options)
        assert done.stdout.split() == ["2.0", "inf"], done.stderr
        return done.stderr

    return call


def test_a_kernel_is_kept_beside_the_code_where_that_can_be_written(run, tmp_path):
    assert "compiling, once" in run(tmp_path / "installed")
    assert list(tmp_path.glob("installed/**/*.nbc")) and not (tmp_path / "cache").exists()
    assert run(tmp_path / "installed") == ""


def test_elsewhere_it_is_kept_in_the_users_cache(run, tmp_path):
    (tmp_path / "file").touch()
    assert "compiling, once" in run(tmp_path / "file" / "installed")
    assert list(tmp_path.glob("cache/**/*.nbc"))
    assert run(tmp_path / "file" / "installed") == ""


def test_without_a_place_for_it_nothing_is_left_where_the_user_is(run, tmp_path):
    (tmp_path / "file").touch()
    before = sorted(tmp_path.iterdir())
    assert "for this run alone" in run(tmp_path / "file" / "x", "nowhere", cache="file/y")
    assert sorted(tmp_path.iterdir()) == before


def test_another_code_is_not_taken_for_it(run, tmp_path):
    run(tmp_path / "installed")
    text = (tmp_path / "kernel.py").read_text()
    (tmp_path / "kernel.py").write_text(text.replace("return a / b", "return b and a / b or a / b"))
    assert "compiling, once" in run(tmp_path / "installed")


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 20])
def test_what_is_damaged_is_compiled_anew_and_said_once(run, tmp_path, ending, left):
    run(tmp_path / "installed")
    (file,) = tmp_path.glob(f"installed/**/*.{ending}")
    file.write_bytes(file.read_bytes()[:left])
    assert "damaged, compiling again" in run(tmp_path / "installed")
    assert run(tmp_path / "installed") == ""
