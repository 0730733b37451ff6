"""Modules that are imported at their first use."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from learned_jpeg.runtime import lazy
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import

import pytest

PROJECT = Path(lazy.__file__).parents[2]


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=180
    )


def test_a_module_is_imported_at_its_first_use_and_not_before(tmp_path, monkeypatch):
    (tmp_path / "seldom_needed.py").write_text("value = 3")
    monkeypatch.syspath_prepend(tmp_path)
    module = lazy_import("seldom_needed")
    assert "seldom_needed" not in sys.modules
    assert module.value == 3
    # What is replaced in the module is replaced for all who imported it.
    monkeypatch.setattr(sys.modules["seldom_needed"], "value", 4)
    assert module.value == 4
    monkeypatch.delitem(sys.modules, "seldom_needed")


def test_ctrl_c_waits_for_the_end_of_an_import(tmp_path, monkeypatch):
    """A package that makes another error of it would hide it."""
    (tmp_path / "never_whole.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    raise ImportError('a broken installation') from None\n"
        "value = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(lazy.packages, "is_own_command", lambda: True)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        _ = lazy_import("never_whole").value
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
    assert sys.modules.pop("never_whole").value == 3


def test_a_submodule_comes_by_its_whole_name():
    assert lazy_import("os.path").join("a", "b") == "a/b"


def test_what_is_missing_is_named():
    with pytest.raises(UserError, match="no_such_package is missing"):
        _ = lazy_import("no_such_package").x
    with pytest.raises(ModuleNotFoundError, match="learned_jpeg.no_such_module"):
        _ = lazy_import("learned_jpeg.no_such_module").x
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lazy_import("os").no_such_name


def test_tensorflow_starts_in_silence():
    done = run(
        "from learned_jpeg.runtime.lazy import lazy_import; tf = lazy_import('tensorflow')\n"
        "print(float(tf.reduce_sum(tf.ones([2]))))"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2.0\n", "")


FORKED = """
import multiprocessing, os
{begin}
def work():
{work}
def child(queue):
    from learned_jpeg.runtime.errors import UserError
    try:
        queue.put(work())
    except UserError as error:
        queue.put(str(error))
work()
context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=[queue])
process.start()
print(queue.get(timeout=50))
process.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize(
    "package, begin, work",
    [
        (
            "TensorFlow",
            "import learned_jpeg, numpy; x = numpy.arange(64 * 64 * 3, dtype='u1')",
            "    return len(learned_jpeg.encode(x.reshape(64, 64, 3), refine=1))",
        ),
        (
            "libvips",
            "from learned_jpeg.pictures import colours; import numpy",
            "    return colours.to_srgb(numpy.zeros([8, 8, 4], 'u1'), None).shape",
        ),
    ],
)
def test_what_hangs_after_a_fork_is_an_error(package, begin, work):
    done = run(FORKED.format(begin=begin, work=work))
    assert f"had begun to work with {package}" in done.stdout, done.stderr
    assert "spawn" in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_what_needs_neither_works_after_a_fork():
    begin = "import learned_jpeg, numpy; x = numpy.arange(64 * 64 * 3, dtype='u1')"
    work = "    return len(learned_jpeg.encode(x.reshape(64, 64, 3)))"
    done = run(FORKED.format(begin=begin, work=work))
    assert int(done.stdout) > 500, done.stderr
