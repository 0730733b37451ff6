"""Functions that numba compiles at their first call and keeps on disk for the next process."""

import os
import pathlib
import sys
import tempfile

# Where numba may write neither beside the code nor below the user's cache it would refuse.
_FALLBACK = pathlib.Path(tempfile.gettempdir(), f"learned_jpeg_numba_{os.getuid()}")


def _writable(folder):
    """Whether files can be made in a folder, or in what is still to be made on the way to it."""
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


if "NUMBA_CACHE_DIR" not in os.environ and not (
    _writable(pathlib.Path(__file__).parent / "__pycache__")
    or _writable(pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")))
):
    os.environ["NUMBA_CACHE_DIR"] = str(_FALLBACK)

import numba  # noqa: E402
from numba.core import event  # noqa: E402


class _Notice(event.Listener):
    """Says once, on stderr, what the first run of all waits for."""

    def __init__(self):
        self._said = False

    def on_start(self, event):
        if not self._said:
            self._said = True
            print("compiling the search, once for all runs (half a minute)", file=sys.stderr)

    def on_end(self, event):
        pass


event.register("numba:compile", _Notice())


def compiled(function):
    """The function, compiled; it lets other threads run meanwhile.

    fastmath: sums may be taken in any order, which is what lets them be taken eight at a time.
    """
    options = {"nogil": True, "fastmath": True, "error_model": "numpy", "boundscheck": False}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache
        return numba.njit(**options)(function)
