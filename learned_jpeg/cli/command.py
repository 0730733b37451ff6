"""What the architectures' scripts do: parse, then compress, train or list; errors in one line."""

import argparse
import contextlib
import os
import signal
import sys

import arg_parser
from learned_jpeg.runtime.errors import Stopped, UserError
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.training import train_options

compress = lazy_import("learned_jpeg.jobs.compress")
shipped = lazy_import("learned_jpeg.models.shipped")
training = lazy_import("learned_jpeg.training.training")

STATUS = """\
exit status:
  0    all went well
  1    compress: some files could not be read or written, all others are
  2    nothing was done: a mistake in the options, the model or the images, named in one line;
       or a training stopped, its last good checkpoint kept
  130  Ctrl-C: files are whole or not there, a training is saved and the same command goes on
  143  a training: SIGTERM, as Ctrl-C
"""
_EXAMPLES = {
    "compress": """\
examples:
  python3 {script} compress photo.png{model}
  python3 {script} compress photo.png small.jpg --target_size 200000{model}
  python3 {script} compress photos "more/**/*.tif" --output_dir out{model}
  python3 {script} compress - - < photo.png > photo.jpg{model}
""",
    "train": """\
examples:
  python3 {script} train --train_glob photos
  python3 {script} train --train_glob "photos/*.png" --checkpoint_dir mine --last_step 500
  python3 {script} compress photo.png --model mine
""",
}


def make_parser(architecture, description):
    """The parser of a script, whose arguments hold `command`: "train", "compress" or "models".

    architecture: its class, derived from JPEGPipeline; description: the script's docstring.
    """
    name, default = architecture.architecture, _default_model(architecture)
    formatter = {"formatter_class": arg_parser.Formatter}
    parser = argparse.ArgumentParser(description=description, epilog=STATUS, **formatter)
    arg_parser.add_completion(parser)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(command, help, description):
        model = " --model train" if architecture.trained and default == "train" else ""
        examples = _EXAMPLES.get(command, "").format(script=f"{name}.py", model=model)
        text = {"help": help, "description": description, "epilog": f"{examples}\n{STATUS}"}
        return subparsers.add_parser(command, **text, **formatter)

    if architecture.trained:
        where = "folder of the checkpoint, its config.json and the TensorBoard summaries"
        parser.add_argument("--checkpoint_dir", metavar="DIR", help=where)
        train = add(
            "train",
            "trains a model, or goes on with one (train --help lists the options)",
            "Trains a model on random crops of photographs, or goes on where an earlier training "
            "of\nthe same folder stopped. Ctrl-C saves before it ends.",
        )
        # Without a default of its own, so that the option counts on either side of `train`.
        train.add_argument(
            "--checkpoint_dir",
            default=argparse.SUPPRESS,
            metavar="DIR",
            help=f"{where} (default: train)",
        )
        train_options.add_train_options(train, architecture)
        architecture.add_options(train.add_argument_group(f"options of {name}"))
    written = add(
        "compress",
        "writes images as JPEG files (compress --help lists the options)",
        "Writes images as standard JPEG files: one, or many with --output_dir.",
    )
    if architecture.trained:
        arg_parser.add_model_options(written, default)
        listed = add("models", "lists the shipped models", "Lists the shipped models.")
        listed.add_argument("--json", action="store_true", help="print the list as JSON")
    arg_parser.add_compress_options(written, architecture.dial)
    return parser


def _default_model(architecture):
    """The name of a shipped model, or the folder that `train` writes."""
    return getattr(architecture, "default_model", None) or "train"


def parse(architecture, description, argv=None):
    """The arguments of a script; see `make_parser`."""
    parser = make_parser(architecture, description)
    args = parser.parse_args(argv)
    if getattr(args, "published", False):
        args = parser.parse_args(argv)
    return args


def main(architecture, description, argv=None):
    """Runs the command of an architecture's script; returns the exit status.

    architecture: a class derived from JPEGPipeline; description: the script's docstring.
    """
    args = parse(architecture, description, argv)
    if args.command == "models":
        return shipped.show(architecture, args.json)
    if args.command == "compress":
        if architecture.trained:
            args.model = args.model or args.run_dir or args.checkpoint_dir
            args.model = args.model or _default_model(architecture)
        return compress.compress(architecture, args)
    args.checkpoint_dir = args.checkpoint_dir or "train"
    return training.train(architecture, args)


def run(main):
    """Runs a script's `main() -> exit status`; a UserError is one line on stderr, status 2.

    A reader of the output that goes away ends it quietly, with the status of `SIGPIPE`.
    """
    sys.stdout.reconfigure(errors="backslashreplace")  # names that a terminal does not have
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        status = main()
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt as stop:
        print("interrupted", file=sys.stderr, flush=True)
        status = 130
        if isinstance(stop, Stopped):
            with contextlib.suppress(OSError):
                sys.stdout.flush()
            os._exit(status)  # not after what its threads do
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        status = 141
    sys.exit(status)
