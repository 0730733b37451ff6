"""The command line.

The code below sets up the project's own commands before other imports; it does nothing in other
programs.
"""

import os
import signal
import sys

from learned_jpeg.runtime import packages


def _one_line(kind, error, trace):
    """An excepthook: where a package is missing, it starts the script again in the environment of
    `make`, or prints one line with the command that installs the package."""
    if isinstance(error, ModuleNotFoundError) and (words := packages.missing(error)):
        if python := packages.own_python():
            os.execv(python, [python, *sys.orig_argv[1:]])
        print(f"error: {words}", file=sys.stderr)
        raise SystemExit(2)
    sys.__excepthook__(kind, error, trace)


def _stop(*_):
    """Handles Ctrl-C while a script still imports: packages would turn an exception into others."""
    os.write(2, b"interrupted\n")
    os._exit(130)


if packages.is_own_command():
    sys.excepthook = _one_line
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)  # until `command.run`
