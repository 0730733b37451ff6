"""A command line: its parser, `compress`, `view` and `models`, and errors in one line."""

import argparse
import contextlib
import logging
import os
import signal
import sys

from learned_jpeg.cli import compress_options, options
from learned_jpeg.runtime import packages, streams
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.runtime.paths import shown

compress = lazy_import("learned_jpeg.jobs.compress")
shipped = lazy_import("learned_jpeg.models.shipped")
view = lazy_import("learned_jpeg.view.command")

STATUS = """\
exit status:
  0    success
  1    some files, or the printed output, could not be read or written; all others are done
  2    nothing was done: the options, the model or the pictures are wrong, as one line says; or a
       training stopped and kept its last good checkpoint
  130  Ctrl-C: files are whole or absent, a training is saved; the same command continues
  143  SIGTERM, for a training: as Ctrl-C
"""
_EXAMPLES = """\
examples:
  {program} photo.png{model}  # writes photo.jpg
  {program} photo.png small.jpg --target_size 8000{model}  # at most 8000 bytes
  {program} photos --output_dir smaller --update{model}  # a folder; later only its changes
  {program} - - --strip < photo.png > web.jpg{model}  # without metadata
"""
_OTHERS = """
other commands:
  {program} view photos    shows pictures beside their JPEG files, to choose by eye
  {program} models         lists the shipped models
  {program} warm-up        compiles the encoder beforehand, for example in a Dockerfile
  {program} --version
"""


def add(subparsers, name, help, description, examples=""):
    """Adds the parser of a command. examples: the text at the end of its help, before STATUS."""
    text = {"help": help, "description": description, "epilog": f"{examples}\n{STATUS}"}
    return subparsers.add_parser(name, **text, formatter_class=options.Formatter)


def make_parser(architecture, description, program=None, more=()):
    """The parser of a command line; its arguments contain `command`.

    architecture: a class derived from FileModel; program: the command line of `compress`, None for
    the architecture's script; more: functions (parser, subparsers) that add other commands.
    """
    formatter = {"formatter_class": options.Formatter}
    parser = argparse.ArgumentParser(description=description, epilog=STATUS, **formatter)
    options.add_completion(parser)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add_command in more:
        add_command(parser, subparsers)
    default = _default_model(architecture)
    script = f"python3 {architecture.architecture}.py compress"
    model = " --model train" if architecture.trained and default == "train" else ""
    written = add(
        subparsers,
        "compress",
        "writes pictures as JPEG files (compress --help lists the options)",
        "Writes a picture as a standard JPEG file that looks the same and is smaller: photo.jpg\n"
        "beside photo.png. With --output_dir it writes any number of pictures into a folder.",
        _EXAMPLES.format(program=program or script, model=model)
        + (_OTHERS.format(program=program) if program else ""),
    )
    if program:
        written.prog = program
    if architecture.trained:
        compress_options.add_model_options(written, default)
        listed = add(subparsers, "models", *["lists the shipped models"] * 2)
        listed.add_argument("--json", action="store_true", help="print the list as JSON")
    viewed = add(
        subparsers,
        "view",
        "shows pictures beside their JPEG files on a page of this machine",
        "Shows pictures beside their JPEG files, to choose a quality by eye. It prints the\n"
        "address of a page that only this machine can open; it writes no file.",
        f"example:\n  {program or script.removesuffix(' compress')} view photos --open\n",
    )
    compress_options.add_view_options(viewed, architecture.trained)
    compress_options.add_compress_options(written, architecture.rate_setting)
    compress_options.show_usage_first(written)
    return parser


def _default_model(architecture):
    """The name of the default model, or the folder that `train` writes by default."""
    return getattr(architecture, "default_model", None) or "train"


class _Strict(argparse.ArgumentParser):
    """A parser that raises UserError instead of ending the process."""

    def error(self, message):
        raise UserError(message)


def _compress_parser(architecture):
    """The parser of the arguments of `compress`, which raises UserError."""
    parser = _Strict(add_help=False)
    if architecture.trained:
        compress_options.add_model_options(parser, _default_model(architecture))
    compress_options.add_compress_options(parser, architecture.rate_setting)
    return parser


def do(architecture, args, program=None):
    """Runs `compress`, `view` or `models`; returns the exit status.

    args: of `make_parser`'s parser.
    """
    if args.command == "models":
        return shipped.show(architecture, program, args.json)
    if args.command == "view":
        program = program or f"python3 {architecture.architecture}.py compress"
        parser = _compress_parser(architecture)

        def parse(words):
            return _with_model(architecture, parser.parse_args(words))

        return view.serve(architecture, args, program, parse)
    return compress.compress(architecture, _with_model(architecture, args))


def _with_model(architecture, args):
    """The options of `compress`, with `model` set to the model of any of its options."""
    if architecture.trained:
        args.model = args.model or args.run_dir or getattr(args, "checkpoint_dir", None)
        args.model = args.model or _default_model(architecture)
    return args


def run(main):
    """Runs a script's `main() -> exit status`, and ends the process; a UserError becomes one line
    on stderr, and status 2.

    When the reader of the output goes away, the process ends without a message, with the status of
    SIGPIPE. When the output cannot be written, the work is finished, and the status is 1.
    """
    with streams.guarded() as output:
        status = _status_of(main)
        output.flush()
        if output.error is not None:
            output.drop()
            if not status:
                print(f"error: standard output: {output.error.strerror}", file=sys.stderr)
                status = 1
    sys.exit(status)


def _show_log():
    """Shows the package's log, which tells of long waits, on stderr."""
    log = logging.getLogger("learned_jpeg")
    log.setLevel(logging.INFO)
    if not log.handlers:
        log.addHandler(logging.StreamHandler())


def _status_of(main):
    sys.stdout.reconfigure(errors="backslashreplace")  # characters that the terminal lacks
    _show_log()
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = main()
        sys.stdout.flush()
    except SystemExit as end:  # of argparse, after a usage error or --help
        status = end.code
    except UserError as error:
        print(f"error: {shown(error)}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr, flush=True)
        status = 130
        if packages.is_own_command():
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(status)  # without waiting for its threads, of which one may import TensorFlow
    except BrokenPipeError:
        sys.stdout.drop()
        status = 141
    return status
