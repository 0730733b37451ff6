"""Functions that numba compiles, and keeps on disk for the next process.

A kernel is called from Python. It has one signature, so that it is compiled once, at its first
call, and not again for arrays or numbers of another kind. An inner function is called by kernels
alone.

numba keeps machine code beside the source file of a function. Here each kernel seems to come from
a file in a folder of its own. A digest of everything that is compiled into the kernel names that
folder, so that machine code of older sources is never found. Since this machine code is run, no
other user can write the folder.

The logger of this module reports what is compiled: the library is silent, commands show it.
"""

import contextlib
import functools
import gc
import hashlib
import inspect
import logging
import os
import shutil
import stat
import sys
import tempfile
import threading
import types
from pathlib import Path

from learned_jpeg.runtime.files import write_whole

import numba
import numpy as np
from numba.extending import is_jitted

# The terms of a sum may be added in any order, so that eight are added at a time.
_OPTIONS = {
    "nogil": True,
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
    "error_model": "numpy",
}

# This folder lies beside the code, and is trusted like the code.
_INSTALLED = Path(__file__).resolve().parents[1] / "__pycache__"
_VERSIONS = f"{sys.implementation.cache_tag}-numba-{numba.__version__}"
_FILE = "kernel.py"
_CONTENT = "# Stands for a function of learned_jpeg, which numba keeps compiled beside this file.\n"

KERNELS = []  # all kernels of the modules that are imported

_log = logging.getLogger(__name__)
_compiling = threading.RLock()

# Without the wrapper that C code would call.
inner = numba.njit(no_cfunc_wrapper=True, **_OPTIONS)
# Copied into its callers: LLVM would call it, with seven arguments for each array.
inlined = numba.njit(no_cfunc_wrapper=True, inline="always", **_OPTIONS)


def compiled(signature):
    """Makes a function a kernel, which lets other threads run while it works.

    signature: as numba writes it, "void(float32[:,::1], int64)". Arrays must have exactly these
    types, contiguous and writable; numbers are converted. The function reads inner functions and
    constants by names of its own module.
    """

    def make(function):
        KERNELS.append(_Kernel(function, signature))
        return KERNELS[-1]

    return make


class _Kernel:
    def __init__(self, function, signature):
        functools.update_wrapper(self, function)
        self._function, self._signature, self._compiled = function, signature, None

    def __call__(self, *args):
        return (self._compiled or self.ready())(*args)

    def ready(self):
        """The compiled function, read from disk or compiled now."""
        with _compiling, _no_garbage_collection():
            if self._compiled is None:
                self._compiled = _compile(self._function, self._signature)
        return self._compiled


@contextlib.contextmanager
def _no_garbage_collection():
    """Switches off Python's garbage collection, which takes a sixth of the time of compiling."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _compile(function, signature):
    if numba.config.DISABLE_JIT:
        return function
    name = f"{function.__module__}.{function.__name__}-{_digest(function, signature)}"
    for _ in range(2):
        if (folder := _folder(name)) is None:
            break
        code = function.__code__.replace(co_filename=str(folder / _FILE))
        here = types.FunctionType(code, function.__globals__, function.__name__)
        known = False
        try:
            dispatcher = numba.njit(cache=True, **_OPTIONS)(here)
            kept = Path(dispatcher.stats.cache_path)  # another folder if NUMBA_CACHE_DIR is set
            known = any(kept.iterdir())
            if not known:
                _say(logging.INFO, "compiling, once for all runs (some seconds)")
            return _of_one_signature(dispatcher, signature)
        except Exception:  # a damaged file may raise any error, a full disk an OSError
            if not known:
                break
            _say(logging.WARNING, f"{kept.parent}: damaged, compiling again")
            shutil.rmtree(kept, ignore_errors=True)
    _say(
        logging.INFO,
        "compiling, for this run alone: this user can write no folder that keeps the result "
        "(name one by XDG_CACHE_HOME)",
    )
    return _of_one_signature(numba.njit(**_OPTIONS)(function), signature)


def _of_one_signature(dispatcher, signature):
    dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher


@functools.cache
def _say(level, words):
    """Logs each message once in a process."""
    _log.log(level, words)


def _digest(function, signature):
    options = [
        sorted(option) if isinstance(option, set) else option for option in _OPTIONS.values()
    ]
    contents = [signature, options, *_contents(function)]
    return hashlib.sha256(repr(contents).encode()).hexdigest()[:16]


def _contents(function):
    """Everything that is compiled into a function: its code, inner functions and constants."""
    code = function.__code__
    yield code.co_code, code.co_consts, code.co_names
    for name, value in sorted(inspect.getclosurevars(function).globals.items()):
        if is_jitted(value):
            yield value.targetoptions.get("inline")
            yield from _contents(value.py_func)
        elif isinstance(value, np.ndarray):
            yield name, value.dtype.str, value.shape, value.tobytes()
        elif isinstance(value, int | float | np.generic) or value is np:
            yield name, repr(value)
        else:
            raise TypeError(
                f"{function.__name__} reads {name}, which is no number, array or inner function"
            )


def _folder(name):
    """The folder that keeps a kernel, with _FILE; None where no folder can be written."""
    for place in _places():
        folder = place / _VERSIONS / name
        with contextlib.suppress(OSError):
            if not (folder / _FILE).exists():
                _make(folder)
            if os.access(folder, os.W_OK):
                return folder
    return None


def _make(folder):
    for old in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        shutil.rmtree(old, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    installed = _INSTALLED / _VERSIONS / folder.name
    # The installer compiled for all users. numba reads no folder that it cannot write: copy it.
    if installed.is_dir():
        with contextlib.suppress(OSError), tempfile.TemporaryDirectory(dir=folder.parent) as part:
            shutil.copytree(installed, Path(part, folder.name))
            os.rename(Path(part, folder.name), folder)
    if not (folder / _FILE).exists():
        write_whole(folder / _FILE, _CONTENT)


def _places():
    """Folders that only this user, or the user who installed the code, can write."""
    yield _INSTALLED
    cache = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    cache = Path(cache or Path(os.path.expanduser("~"), ".cache"), "learned_jpeg")
    if cache.is_absolute() and _is_private(cache):
        yield cache
    user = os.getuid() if hasattr(os, "getuid") else "user"
    with contextlib.suppress(OSError):
        # Python's last choice for temporary files is the current folder, which gets no cache.
        if (temporary := Path(tempfile.gettempdir())) != Path.cwd():
            if _is_private(folder := temporary / f"learned_jpeg-{user}"):
                yield folder


def _is_private(folder):
    """Whether a folder, made if need be, is this user's own, and no link."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.lstat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):  # Windows, where both places are the user's
        return True
    mine = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()
    return mine and not state.st_mode & 0o077
