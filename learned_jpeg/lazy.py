"""Modules that are imported at their first use, so that help and errors need no TensorFlow."""

import importlib
import logging
import os

# TensorFlow's C++ log reports what it did not find (GPUs, plugins) as errors on every start.
# What goes wrong for good is raised in Python all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Its Python log warns that the models of a run, loaded one after another, are traced each.
logging.getLogger("tensorflow").setLevel(logging.ERROR)


class _Lazy:
    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        # Not kept: what is replaced in the module, by a test say, is replaced here too.
        return getattr(importlib.import_module(self._name), attribute)


def lazy_import(name):
    """A stand-in for a module: `tf = lazy_import("tensorflow")` imports it at the first `tf.x`."""
    return _Lazy(name)
