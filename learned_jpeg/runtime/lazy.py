"""Modules that are imported at their first use, so that help and errors need no TensorFlow."""

import contextlib
import importlib
import os
import re
import signal
import sys
import tempfile
import threading

from learned_jpeg.runtime import packages
from learned_jpeg.runtime.errors import UserError

_process_of = {}  # {package with threads of its own: the process that works with it}


class _Lazy:
    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        if self._name == "tensorflow":
            check_process("TensorFlow")
        # Looked up each time, so that an attribute that a test replaces is replaced here too.
        return getattr(_import(self._name), attribute)


def check_process(package):
    """Raises UserError where a package would hang, because a fork left its threads behind."""
    if _process_of.setdefault(package, os.getpid()) != os.getpid():
        raise UserError(
            f"this process was forked from a process that had begun to work with {package}, which "
            'does not survive a fork; start it by multiprocessing.get_context("spawn")'
        )


def _import(name):
    if name in sys.modules:
        return importlib.import_module(name)
    try:
        if name.startswith("tensorflow"):
            importlib.import_module("learned_jpeg.runtime.tensorflow_settings")
        with _uninterrupted(), _without_notes():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if words := packages.missing(error):
            raise UserError(words) from error
        raise


@contextlib.contextmanager
def _uninterrupted():
    """In the project's own commands Ctrl-C waits for the end of an import: TensorFlow makes another
    error of it, or leaves halves behind that hang when the process ends."""
    main = threading.current_thread() is threading.main_thread()
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not (main and default and packages.is_own_command()):
        yield
        return
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _without_notes():
    """Keeps off stderr what TensorFlow after 2.14 prints at its import at any log level."""
    if "tensorflow" in sys.modules or sys.version_info < (3, 12):
        yield
        return
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            notes = re.compile(rb"I\d{4} |WARNING: All log messages before absl::")
            os.write(2, b"".join(line for line in said if not notes.match(line)))


def lazy_import(name):
    """A stand-in for a module: `tf = lazy_import("tensorflow")` imports it at the first `tf.x`.

    Where the package is missing, `tf.x` raises a UserError with the command that installs it.
    """
    return _Lazy(name)
