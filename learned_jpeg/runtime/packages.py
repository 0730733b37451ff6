"""What is said of a package that is not there: one line, with the command that brings it."""

import importlib.util
import shlex
import sys
from pathlib import Path

# The clone, or where the package is installed.
PROJECT = Path(__file__).resolve().parents[2]
# Packages that not all need; requirements.txt brings the others.
_FILES = {
    "tensorflow_compression": "requirements-baseline.txt",
    "distributed": "requirements-dask.txt",
}


def own_python():
    """The Python of the environment that `make` sets up, for who runs none; or None."""
    python = PROJECT / ".venv/bin/python3"
    return str(python) if sys.prefix == sys.base_prefix and python.exists() else None


def missing(error):
    """The line for a ModuleNotFoundError; "" where what is missing is a module of the project."""
    package = (error.name or "").partition(".")[0]
    if not package or (PROJECT / package).is_dir() or (PROJECT / f"{package}.py").exists():
        return ""
    pip = [sys.executable, "-m", "pip"] if importlib.util.find_spec("pip") else ["uv", "pip"]
    file = PROJECT / _FILES.get(package, "requirements.txt")
    return f"the package {package} is missing: {shlex.join([*pip, 'install', '-r', str(file)])}"
