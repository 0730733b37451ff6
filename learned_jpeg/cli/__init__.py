"""The command line.

What a command of the project's does before anything else is imported; no other program gets it.
"""

import os
import signal
import sys

from learned_jpeg.runtime import packages


def _one_line(kind, error, trace):
    """For a package that is missing the project's own environment starts the script anew, where
    there is one; or one line says what brings it."""
    if isinstance(error, ModuleNotFoundError) and (words := packages.missing(error)):
        if python := packages.own_python():
            os.execv(python, [python, *sys.orig_argv[1:]])
        print(f"error: {words}", file=sys.stderr)
        raise SystemExit(2)
    sys.__excepthook__(kind, error, trace)


def _stop(*_):
    """Ctrl-C while a script still imports, where packages make other errors of an exception."""
    os.write(2, b"interrupted\n")
    os._exit(130)


if packages.is_own_command():
    sys.excepthook = _one_line
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)  # until `command.run`
