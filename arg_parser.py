"""The options that the architecture scripts share."""

import argparse

from learned_jpeg.encoding import QUANTIZERS, SAMPLINGS, TUNES
from learned_jpeg.jpeg_file import HUFFMAN


def number(kind, low, high=float("inf"), low_included=True):
    """An argparse type: a `kind` (int or float) within the bounds, or an error that states them."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = float("nan")
        if not (low <= value <= high) or (value == low and not low_included):
            bound = f"{'at least' if low_included else 'above'} {low:g}"
            if high != float("inf"):
                bound += f" and at most {high:g}"
            name = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {name} {bound}")
        return value

    return parse


class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults in the help, where there are some, and the description as it is."""

    def _get_help_string(self, action):
        # "(default: None)" and "(default: False)" tell nobody anything.
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def make_parser(architecture, description):
    """The parser of a script, whose arguments hold `command` ("train" or "compress").

    architecture: its class, derived from JPEGPipeline; description: the script's docstring.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=Formatter)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    if architecture.trained:
        where = "folder of the checkpoint, its config.json and the TensorBoard summaries"
        parser.add_argument("--checkpoint_dir", default="train", metavar="DIR", help=where)
        train = subparsers.add_parser(
            "train",
            formatter_class=Formatter,
            help="trains a model, or goes on with one (train --help lists the options)",
            description="Trains a model on random crops of photographs, or goes on where an "
            "earlier training of the same folder stopped. Ctrl-C saves before it ends.",
        )
        # Without a default of its own, so that the option counts on either side of `train`.
        train.add_argument(
            "--checkpoint_dir",
            default=argparse.SUPPRESS,
            metavar="DIR",
            help=f"{where} (default: train)",
        )
        add_train_options(train)
        architecture.add_options(
            train.add_argument_group(f"options of {architecture.architecture}")
        )
    compress = subparsers.add_parser(
        "compress",
        formatter_class=Formatter,
        help="writes images as JPEG files (compress --help lists the options)",
        description="Writes images as standard JPEG files: one, or many with --output_dir.",
    )
    if architecture.trained:
        compress.add_argument(
            "--checkpoint_dir",
            default=argparse.SUPPRESS,
            metavar="DIR",
            help="folder of the trained model (default: train)",
        )
        compress.add_argument(
            "--run_dir",
            metavar="RUN",
            help="folder of trainings RUN/lambda_*/train, for a --target_* to choose from",
        )
    add_compress_options(compress, architecture.dial)
    return parser


def add_coding_options(parser):
    """Adds what else than the entropy coding decides how a file is written."""
    parser.add_argument(
        "--quantizer",
        choices=QUANTIZERS,
        help="what chooses the integers: rounding, or a search for the least error and bits "
        "together; by default what the model was trained for",
    )
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        help="sampling of chroma; auto takes for each image what the search finds cheaper; by "
        "default what the model was trained for",
    )
    parser.add_argument(
        "--tune",
        choices=TUNES,
        help="the error that the search minimizes: the squared one, or that of the eye; by "
        "default what the model was trained for",
    )


def add_compress_options(parser, dial):
    """Adds the options of `compress`.

    dial: the architecture's Dial, or None; its option sets `dial`.
    """
    files = parser.add_argument_group("files")
    files.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="an image, and after it, if you like, the name of its JPEG file; - is the standard "
        "input or output; with --output_dir any number of images, folders, quoted globs and "
        "@LIST, a text file with one a line",
    )
    files.add_argument(
        "--output_dir",
        metavar="DIR",
        help="write all JPEG files below this folder, in the folders of their inputs",
    )
    files.add_argument(
        "--force", action="store_true", help="overwrite an output that exists already"
    )
    files.add_argument(
        "--overwrite_input",
        action="store_true",
        help="allow an output to take the place of its own input",
    )
    files.add_argument(
        "--skip_larger",
        action="store_true",
        help="keep a JPEG file as it is where its result would not be smaller",
    )
    files.add_argument(
        "--jobs", type=number(int, 1), metavar="N", help="files at a time; as many as cores"
    )
    files.add_argument("--quiet", action="store_true", help="print warnings and errors alone")
    files.add_argument("--json", action="store_true", help="print the report as JSON, at the end")

    rate = parser.add_argument_group("size and quality")
    if dial is not None:
        rate.add_argument(
            f"--{dial.name}",
            type=number(float, dial.low, dial.high),
            default=dial.default,
            dest="dial",
            metavar=dial.name[0].upper(),
            help=f"{dial.low:g} to {dial.high:g}, more for better and larger files; the target's "
            "to choose if there is one",
        )
    rate.add_argument(
        "--huffman",
        choices=HUFFMAN,
        default="progressive",
        help="entropy coding: optimized scans and tables, the best tables of one scan, or the "
        "example tables of the standard; the picture is the same",
    )
    add_coding_options(rate)
    target = rate.add_mutually_exclusive_group()
    for kind, unit in (
        ("bpp", "bits per pixel"),
        ("size", "bytes"),
        ("psnr", "dB against the input"),
    ):
        target.add_argument(
            f"--target_{kind}",
            type=number(float, 0, low_included=False),
            metavar=kind.upper(),
            help=f"reach this number of {unit} for each file, within 1%% where the models can"
            if kind != "psnr"
            else f"reach this PSNR in {unit}, where the models can",
        )

    picture = parser.add_argument_group("picture")
    picture.add_argument(
        "--strip",
        action="store_true",
        help="leave out all metadata; the picture is turned upright and converted to sRGB",
    )
    picture.add_argument(
        "--srgb",
        action="store_true",
        help="convert the colours to sRGB; otherwise a profile is kept, wide gamut too",
    )
    picture.add_argument(
        "--background",
        metavar="COLOR",
        help="what shows through transparent parts, a name or #rrggbb; white, with a warning",
    )
    picture.add_argument(
        "--max_megapixels",
        type=number(float, 0, low_included=False),
        default=200.0,
        metavar="N",
        help="refuse larger pictures, before their pixels take up memory",
    )


def add_train_options(parser):
    """Adds the options of `train` that all architectures read."""
    data = parser.add_argument_group("images")
    data.add_argument(
        "--train_glob",
        nargs="+",
        required=True,
        metavar="GLOB",
        help='training photographs: quoted globs ("photos/*.png"; ** looks into subfolders), '
        "folders, or @LIST, a text file with one of these a line",
    )
    data.add_argument(
        "--valid_glob",
        nargs="+",
        metavar="GLOB",
        help="photographs for the validation loss, taken every 200 steps from a crop at each "
        "one's centre; none without it",
    )
    data.add_argument(
        "--downscale",
        type=number(float, 1),
        default=1.0,
        metavar="FACTOR",
        help="reduce the photographs by this first, against the traces of JPEG that they have",
    )
    data.add_argument(
        "--batchsize", type=number(int, 1), default=8, metavar="N", help="crops a step"
    )
    data.add_argument(
        "--patchsize",
        type=number(int, 8),
        default=256,
        metavar="PIXELS",
        help="side of the square crops, in pixels; smaller images are left out",
    )
    threads = {"default": 16, "metavar": "N", "help": "images decoded at the same time"}
    data.add_argument("--preprocess_threads", type=number(int, 1), **threads)

    loss = parser.add_argument_group("loss")
    loss.add_argument(
        "--lambda",
        type=number(float, 0, low_included=False),
        default=0.01,
        dest="lmbda",
        metavar="L",
        help="weight of the distortion (the squared error on the scale 0 to 255) against the "
        "rate: higher for better and larger files",
    )

    steps = parser.add_argument_group("optimization")
    steps.add_argument(
        "--last_step",
        type=number(int, 1),
        default=1_000_000,
        metavar="STEP",
        help="train until this step, counted from the very start, not from a resumption; "
        "published runs: 20000",
    )
    steps.add_argument(
        "--lr",
        type=number(float, 0, low_included=False),
        default=1e-4,
        metavar="RATE",
        help="learning rate of Adam; published runs: 1e-6. An entry of a learned table moves by up "
        "to lr / 1e-5 levels a step, and by 5%% of its value at the most",
    )
    steps.add_argument(
        "--lr_decay",
        type=number(float, 0, 1, low_included=False),
        default=1.0,
        metavar="FACTOR",
        help="factor on the learning rate after every 10,000 steps; 1 is none",
    )
    steps.add_argument(
        "--seed",
        type=number(int, 0, 2**31 - 1),
        default=0,
        metavar="N",
        help="seed of everything random: the same seed gives the same run on one machine",
    )
    steps.add_argument(
        "--checkpoint_steps",
        type=number(int, 1),
        default=200,
        metavar="N",
        help="steps from checkpoint to checkpoint: what a power cut can cost",
    )
    steps.add_argument(
        "--init_checkpoint",
        metavar="DIR",
        help="start from the weights of another run of the same architecture (a neighbouring "
        "lambda's, say) instead of random ones; its step and optimizer are not taken over",
    )
