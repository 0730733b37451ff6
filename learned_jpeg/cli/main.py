"""The command `learned-jpeg`: smaller JPEG files that look the same, which every decoder opens."""

import sys

import learned_jpeg
from learned_jpeg.cli import command
from learned_jpeg.models.rdo import RDO
from learned_jpeg.runtime.packages import COMMAND


def _add_warm_up(_, subparsers):
    said = "compiles the encoder beforehand, for example in a Dockerfile"
    text = "Compiles the encoder, once for all processes, so that the first file does not wait."
    command.add(subparsers, "warm-up", said, text)


def _version(parser, _):
    version = f"{COMMAND} {learned_jpeg.__version__}"
    parser.add_argument("--version", action="version", version=version)


def _with_command(argv):
    """The arguments with `compress` before those that name no command."""
    if argv and argv[0] in ("compress", "models", "view", "warm-up", "--version"):
        return argv
    return argv if argv and argv[0].startswith("--print_completion") else ["compress", *argv]


def main(argv=None):
    """Runs the command; returns the exit status."""
    argv = _with_command(sys.argv[1:] if argv is None else argv)
    more = [_version, _add_warm_up]
    parser = command.make_parser(RDO, __doc__, COMMAND, more)
    parser.prog = COMMAND
    args = parser.parse_args(argv)
    if args.command == "warm-up":
        learned_jpeg.warm_up()
        return 0
    return command.do(RDO, args, COMMAND)


def run():
    """The command as a program, see `command.run`."""
    command.run(main)
