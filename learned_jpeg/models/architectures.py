"""The one list of architectures: their names, each that of the module whose class it is."""

import importlib

from learned_jpeg.runtime.errors import UserError

NAMES = ("ljpeg_PIL", "ljpeg", "ljpeg_attention", "google_baseline", "ljpeg_rdo")


def load(name):
    """The class of an architecture; its module is imported only now. Raises UserError."""
    if name not in NAMES:
        raise UserError(f"unknown architecture {name!r}; there are {', '.join(NAMES)}")
    return importlib.import_module(name).ARCHITECTURE


def trained():
    """The names of those that have something to train."""
    return tuple(name for name in NAMES if load(name).trained)
