"""The architectures by name: those of the package and, in a clone, those of its scripts.

An architecture is a class derived from `model.FileModel`. The scripts of a clone are no part of
the package, which finds them as plugins, by the names in `jpeg_pipeline.ARCHITECTURES`.
"""

import importlib

from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.packages import in_clone

# The modules of the architectures that write files without TensorFlow. Their scripts add training.
_OWN = {"ljpeg_PIL": "learned_jpeg.models.ijg", "ljpeg_rdo": "learned_jpeg.models.rdo"}


def names():
    """The names of all architectures here."""
    return importlib.import_module("jpeg_pipeline").ARCHITECTURES if in_clone() else tuple(_OWN)


def load(name):
    """The class of an architecture that writes files. Raises UserError for an unknown name."""
    return importlib.import_module(_OWN[name]).ARCHITECTURE if name in _OWN else script(name)


def script(name):
    """The class of an architecture's script, which can be trained. Raises UserError without it."""
    if name not in names():
        raise UserError(f"unknown architecture {name!r}; there are {', '.join(names())}")
    if not in_clone():
        raise UserError(f"{name} is trained by {name}.py of a clone of the project")
    return importlib.import_module(name).ARCHITECTURE


def trained():
    """The names of the architectures that can be trained."""
    return tuple(name for name in names() if load(name).trained)
