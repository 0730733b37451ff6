"""What the architectures' scripts do: parse, then compress or train; errors in one line."""

import os
import sys

import arg_parser
from learned_jpeg.errors import UserError
from learned_jpeg.lazy import lazy_import

compress = lazy_import("learned_jpeg.compress")
training = lazy_import("learned_jpeg.training")


def main(architecture, description, argv=None):
    """Runs the command of an architecture's script; returns the exit status.

    architecture: a class derived from JPEGPipeline; description: the script's docstring.
    """
    args = arg_parser.make_parser(architecture, description).parse_args(argv)
    if args.command == "compress":
        return compress.compress(architecture, args)
    return training.train(architecture, args)


def run(main):
    """Runs a script's `main() -> exit status`; a UserError is one line on stderr, status 2.

    A reader of the output that goes away ends it quietly, with the status of `SIGPIPE`.
    """
    sys.stdout.reconfigure(errors="backslashreplace")  # names that a terminal does not have
    try:
        status = main()
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        status = 141
    sys.exit(status)
