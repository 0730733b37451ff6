"""Modules that are imported at their first use, so that help and errors need no TensorFlow."""

import contextlib
import importlib
import logging
import os
import re
import sys
import tempfile

from learned_jpeg.runtime import packages
from learned_jpeg.runtime.errors import UserError

# TensorFlow's C++ log reports what it did not find (GPUs, plugins) as errors on every start.
# What goes wrong for good is raised in Python all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Its Python log warns that the models of a run, loaded one after another, are traced each.
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# TensorFlow after 2.15: tf.keras is the Keras that the models are written for, not Keras 3.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")


class _Lazy:
    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        # Not kept: what is replaced in the module, by a test say, is replaced here too.
        return getattr(_import(self._name), attribute)


def _import(name):
    if name in sys.modules:
        return importlib.import_module(name)
    try:
        with _without_notes():
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if words := packages.missing(error):
            raise UserError(words) from error
        raise


@contextlib.contextmanager
def _without_notes():
    """Keeps off stderr what TensorFlow after 2.14 notes at its import, whatever its log level."""
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

    A package that is not there is a UserError with the command that installs it.
    """
    return _Lazy(name)
