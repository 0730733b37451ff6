"""LearnedJPEG: a JPEG encoder whose free choices are learned.

import learned_jpeg
data = learned_jpeg.load("run_1/lambda_001/train").encode(pixels)
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from learned_jpeg.api import Model, encode, load
    from learned_jpeg.errors import UserError

__all__ = ["Model", "UserError", "encode", "load"]


def __getattr__(name):
    # The package's modules import each other through here: the face waits until it is asked for.
    if name in __all__:
        from learned_jpeg import api

        return getattr(api, name)
    raise AttributeError(f"module 'learned_jpeg' has no attribute {name!r}")
