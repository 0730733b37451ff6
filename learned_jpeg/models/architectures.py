"""The architectures by name: those of the package, and in a clone those of its scripts.

An architecture is a class derived from `model.FileModel`. The scripts of a clone are no part of
the package, which finds them as plugins, by the names in `jpeg_pipeline.ARCHITECTURES`.
"""

import importlib

from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.packages import in_clone

# The modules of those that write files without TensorFlow; their scripts train and compare them.
_OWN = {"ljpeg_PIL": "learned_jpeg.models.ijg", "ljpeg_rdo": "learned_jpeg.models.rdo"}


def names():
    """The names of all that there are."""
    return importlib.import_module("jpeg_pipeline").ARCHITECTURES if in_clone() else tuple(_OWN)


def load(name):
    """The class that writes files; its module is imported only now. Raises UserError."""
    return importlib.import_module(_OWN[name]).ARCHITECTURE if name in _OWN else script(name)


def script(name):
    """The class of the script of that name, which can be trained too. Raises UserError."""
    if name not in names():
        raise UserError(f"unknown architecture {name!r}; there are {', '.join(names())}")
    if not in_clone():
        raise UserError(f"{name} is trained by {name}.py of a clone of the project")
    return importlib.import_module(name).ARCHITECTURE


def trained():
    """The names of those that have something to train."""
    return tuple(name for name in names() if load(name).trained)
