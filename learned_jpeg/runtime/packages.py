"""The package's place, and the message for other packages that are missing."""

import functools
import importlib.util
import shlex
import sys
from pathlib import Path

# The clone, or the folder that the package is installed in.
PROJECT = Path(__file__).resolve().parents[2]
COMMAND = "learned-jpeg"
# The extra of each optional package. In a clone requirements.txt brings all others.
_EXTRAS = {
    "tensorflow": "train",
    "cmaes": "train",
    "tensorflow_compression": "baseline",
    "distributed": "dask",
    "matplotlib": "evaluate",
    "jinja2": "evaluate",
    "pyvips": "pictures",
    "simplejpeg": "pictures",
    "shtab": "completion",
    "jpeglib": "evaluate",
    "pycvvdp": "colorvideovdp",
}


def in_clone():
    """Whether the package lies in a clone of the project, with its scripts and shipped runs."""
    return (PROJECT / "jpeg_pipeline.py").is_file()


def is_own_command():
    """Whether this process runs a script of the clone, or the package's own command."""
    script = Path(getattr(sys.modules["__main__"], "__file__", None) or "/")
    return (
        script.stem == COMMAND
        or (in_clone() and script.resolve().parent == PROJECT)
        or script.resolve() == PROJECT / "learned_jpeg" / "__main__.py"
    )


def own_python():
    """The Python of the environment of `make`; None inside an environment, or without it."""
    python = PROJECT / ".venv/bin/python3"
    return str(python) if sys.prefix == sys.base_prefix and python.exists() else None


@functools.cache
def is_there(name):
    """Whether a package can be imported."""
    return importlib.util.find_spec(name) is not None


def missing(error):
    """The message for a ModuleNotFoundError; "" where a module of the project is missing."""
    package = (error.name or "").partition(".")[0]
    if not package or (PROJECT / package).is_dir() or (PROJECT / f"{package}.py").exists():
        return ""
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["uv", "pip"]
    extra = _EXTRAS.get(package)
    if in_clone():
        file = PROJECT / f"requirements-{extra}.txt"
        which = ["-r", str(file if extra and file.exists() else PROJECT / "requirements.txt")]
    else:
        which = [f"learned-jpeg[{extra}]" if extra else "learned-jpeg"]
    return f"the package {package} is missing: {shlex.join([*pip, 'install', *which])}"
