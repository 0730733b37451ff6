"""LearnedJPEG: a JPEG encoder whose free choices are learned.

import learned_jpeg
data = learned_jpeg.load("run_1/lambda_001/train").encode(pixels)
"""

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from learned_jpeg.api import Model, encode, load
    from learned_jpeg.runtime.errors import UserError

__all__ = ["Model", "UserError", "encode", "load"]


def _one_line(kind: "type[BaseException]", error: BaseException, trace: "Any") -> None:
    """For a package that is missing the project's own environment starts the script anew, where
    there is one; or one line says what brings it."""
    from learned_jpeg.runtime import packages

    if isinstance(error, ModuleNotFoundError) and (words := packages.missing(error)):
        if python := packages.own_python():
            os.execv(python, [python, *sys.orig_argv[1:]])
        print(f"error: {words}", file=sys.stderr)
        raise SystemExit(2)
    sys.__excepthook__(kind, error, trace)


def _stop(*_: object) -> None:
    """Ctrl-C while a script still imports, where packages make other errors of an exception."""
    os.write(2, b"interrupted\n")
    os._exit(130)


_script = getattr(sys.modules["__main__"], "__file__", None) or "/"
if os.path.dirname(os.path.realpath(_script)) == os.path.dirname(
    os.path.dirname(os.path.realpath(__file__))
):
    # In a script of the project's, nowhere else.
    sys.excepthook = _one_line
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)  # until `command.run`


def __getattr__(name: str) -> "Any":
    # The package's modules import each other through here: the face waits until it is asked for.
    if name in __all__:
        from learned_jpeg import api

        return getattr(api, name)
    raise AttributeError(f"module 'learned_jpeg' has no attribute {name!r}")
