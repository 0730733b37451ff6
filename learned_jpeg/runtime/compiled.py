"""Functions that numba compiles at their first call and keeps on disk for the next process."""

import functools
import multiprocessing
import pathlib
import sys

import numba
from numba.core import event


class _Notice(event.Listener):
    """Says on stderr what the first run of all waits for: once, and once for all workers."""

    _said = not multiprocessing.current_process().name.endswith(("MainProcess", "-1"))

    def on_start(self, event):
        if not self._said:
            self._said = True
            print("compiling, once for all runs (up to half a minute)", file=sys.stderr)

    def on_end(self, event):
        pass


event.register("numba:compile", _Notice())


@functools.cache
def _stamp():
    """When and how long all files with compiled functions are, and the constants' one.

    numba looks at the file of the function alone; but what it calls and the constants that it
    reads are compiled into it.
    """
    files = sorted(pathlib.Path(__file__).parents[1].rglob("*.py"))
    states = [
        (path.stat().st_mtime, path.stat().st_size)
        for path in files
        if path.name == "standard.py" or "@compiled" in path.read_text()
    ]
    return hash(tuple(states))


def compiled(function):
    """The function, compiled; it lets other threads run meanwhile.

    Sums may be taken in any order, which is what lets them be taken eight at a time. Where no
    folder for the cache can be written, each process compiles for itself.
    """
    options = {
        "nogil": True,
        "fastmath": {"reassoc", "contract", "nsz", "arcp"},
        "error_model": "numpy",
    }
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(**options)(function)
    dispatcher._cache._cache_file._source_stamp = _stamp()
    return dispatcher
