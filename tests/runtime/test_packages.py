"""The message where a package is missing."""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from learned_jpeg.runtime import packages
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import

import pytest

PROJECT = Path(packages.__file__).parents[2]


def without(package, tmp_path):
    """A folder for PYTHONPATH that hides a package: its import fails as if it were missing."""
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError(name={package!r})\n")
    return {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}


def install_command(line):
    """The words of the command that a line of error ends with."""
    return shlex.split(re.fullmatch(r".*the package \w+ is missing: (.*)\n?", line)[1])


@pytest.mark.parametrize(
    "script, package", [("ljpeg_PIL.py", "numpy"), ("evaluate.py", "PIL"), ("ljpeg.py", "numpy")]
)
def test_a_script_without_its_packages_says_in_one_line_how_to_get_them(script, package, tmp_path):
    done = subprocess.run(
        [sys.executable, PROJECT / script, "--help"],
        env=without(package, tmp_path),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: the package {package} is missing: ")
    assert done.stderr.count("\n") == 1
    *pip, file = install_command(done.stderr)
    here = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["uv", "pip"]
    assert pip == [*here, "install", "-r"]
    assert file == str(PROJECT / "requirements.txt")


@pytest.mark.parametrize(
    "package, brings",
    [
        ("tensorflow", "tensorflow"),
        ("tensorflow_compression", "tensorflow-compression"),
        ("distributed", "distributed"),
        ("numba", "numba"),
    ],
)
def test_the_file_of_the_command_brings_the_package(package, brings, tmp_path, monkeypatch):
    without(package, tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(UserError) as caught:
        _ = lazy_import(package).x
    lines = Path(install_command(str(caught.value))[-1]).read_text().splitlines()
    assert any(re.match(rf"{brings}==", line) for line in lines)


def test_where_there_is_no_pip_the_command_is_uvs(monkeypatch):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    words = packages.missing(ModuleNotFoundError("", name="numba.core"))
    assert install_command(words)[:3] == ["uv", "pip", "install"]


@pytest.mark.parametrize("name", ["learned_jpeg.no_such", "ljpeg", None])
def test_a_module_of_the_project_is_no_package(name):
    assert packages.missing(ModuleNotFoundError("", name=name)) == ""


def test_of_an_import_from_elsewhere_nothing_is_changed():
    code = "import learned_jpeg, sys; print(sys.excepthook is sys.__excepthook__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_dask_that_is_not_there_is_named_by_its_option(tmp_path, monkeypatch):
    from learned_jpeg.jobs import workers

    without("distributed", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "distributed", raising=False)
    with pytest.raises(UserError, match="--dask: the package distributed is missing: .*dask.txt"):
        with workers.dask("localhost:1"):
            pass


def test_outside_any_environment_the_projects_own_starts_the_script(tmp_path):
    """As `make` leaves it, not activated."""
    package = tmp_path / "learned_jpeg"
    (tmp_path / "jpeg_pipeline.py").touch()  # as in a clone
    for name in ("__init__", "cli/__init__", "runtime/__init__", "runtime/packages"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / "learned_jpeg" / f"{name}.py", package / f"{name}.py")
    (tmp_path / "script.py").write_text("import learned_jpeg.cli\nimport not_installed\n")
    line = [Path(sys.base_prefix, "bin", "python3"), "script.py", "compress", "a b.png"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True}
    done = subprocess.run(line, **options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "the package not_installed is missing" in done.stderr
    python = tmp_path / ".venv" / "bin" / "python3"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    done = subprocess.run(line, **options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "script.py compress a b.png\n", "")
