"""The options of `compress`."""

import argparse

from learned_jpeg.cli.options import add_coding_options, add_jobs, number, show_first
from learned_jpeg.jpeg.jpeg_file import HUFFMAN


def add_model_options(parser, default):
    """Adds the options of `compress` that name a trained model.

    default: the name of the default model.
    """
    group = parser.add_argument_group("model").add_mutually_exclusive_group()
    group.add_argument(
        "--model",
        metavar="NAME",
        help="a shipped model (the command `models` lists them), NAME/lambda_* for one of its "
        "lambdas, or the folder of a checkpoint or of a run with lambda_*/train; a --target_* "
        "chooses among several lambdas, and without a target the middle lambda is used "
        f"(default: {default})",
    )
    group.add_argument(
        "--checkpoint_dir",
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="the model in this folder of a checkpoint",
    )
    group.add_argument("--run_dir", metavar="RUN", help="the models in this folder of a run")


def add_compress_options(parser, rate_setting):
    """Adds the options of `compress`.

    rate_setting: the architecture's RateSetting, or None; its option sets `dial`.
    """
    files = parser.add_argument_group("files")
    files.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="a picture, optionally followed by the name of its JPEG file (default: the picture's "
        "name with .jpg); - is the standard input or output. With --output_dir: any number of "
        "pictures, folders, quoted globs (** searches subfolders) and @LIST, a text file with one "
        "of these in each line",
    )
    files.add_argument(
        "--output_dir",
        metavar="DIR",
        help="write all JPEG files into this folder, in the subfolders of their inputs",
    )
    files.add_argument(
        "--name",
        metavar="TEMPLATE",
        help="names of the outputs: {stem} stands for an input's name without suffix, {suffix} "
        "for the suffix, {name} for the whole name without a .jpg at its end (default: {stem}.jpg, "
        "and {name}.jpg where several inputs have the same stem)",
    )
    files.add_argument("--force", action="store_true", help="overwrite outputs that exist")
    again = files.add_mutually_exclusive_group()
    again.add_argument(
        "--skip_existing", action="store_true", help="skip inputs whose output exists"
    )
    again.add_argument(
        "--update",
        action="store_true",
        help="write only outputs that are missing, whose input has changed, or that were written "
        "with other options (the file .learned_jpeg-update beside the outputs records that); "
        "files of other programs are not overwritten",
    )
    files.add_argument(
        "--overwrite_input",
        action="store_true",
        help="allow an output to replace its own input",
    )
    files.add_argument(
        "--skip_larger",
        action="store_true",
        help="if a JPEG input would not become smaller, rewrite it without loss instead, even if a "
        "target asks for more bytes",
    )
    add_jobs(files, "make at most this number of files at a time, on as many cores")
    files.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="let the workers of this Dask scheduler (tcp://host:8786) make the files; they need "
        "the project and the model under the same paths, and are sent inputs that they cannot "
        "read",
    )
    said = files.add_mutually_exclusive_group()
    said.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    said.add_argument(
        "--verbose",
        action="store_true",
        help="also print which files are skipped, and which metadata is left out that few people "
        "miss",
    )
    files.add_argument(
        "--json",
        action="store_true",
        help="print a line of JSON for each file as soon as it is written, and at last a line with "
        "totals",
    )
    files.add_argument(
        "--report",
        metavar="PAGE.html",
        help="write a page for a browser, with the name, bytes and quality of each file, and the "
        "part of its picture that lost the most, before and after",
    )

    rate = parser.add_argument_group("size and quality")
    if rate_setting is not None:
        rate.add_argument(
            f"--{rate_setting.name}",
            type=number(float, rate_setting.low, rate_setting.high),
            default=rate_setting.default,
            dest="dial",
            metavar=rate_setting.name[0].upper(),
            help=f"{rate_setting.name} from {rate_setting.low:g} to {rate_setting.high:g}, higher "
            "for better and larger files; a --target_* chooses it for each file instead",
        )
    rate.add_argument(
        "--lossless",
        action="store_true",
        help="for JPEG inputs: keep every pixel and all metadata, and write only the entropy "
        "coding again, with fewer bytes",
    )
    rate.add_argument(
        "--huffman",
        choices=HUFFMAN,
        default="progressive",
        help="entropy coding: progressive scans with the best Huffman tables, a single scan with "
        "the best tables, or with the example tables of the standard; the pixels are the same",
    )
    add_coding_options(rate)
    target = rate.add_mutually_exclusive_group()
    for kind, unit, high, what in (
        ("bpp", "BPP", None, "each file takes at most this number of bits per pixel"),
        ("size", "BYTES", None, "each file takes at most this number of bytes"),
        ("psnr", "DB", 200, "each file has at least this PSNR in dB"),
        (
            "ssimulacra2",
            "SCORE",
            100,
            "each file has at least this score of SSIMULACRA2 (a metric of visible quality: 70 is "
            "good, 90 excellent)",
        ),
        (
            "butteraugli",
            "DISTANCE",
            None,
            "each file has at most this distance of Butteraugli (a metric of visible error, by its "
            "3-norm: 2 is good, 1 excellent)",
        ),
    ):
        target.add_argument(
            f"--target_{kind}",
            type=number(float, 0, high, low_included=False),
            metavar=unit,
            help=f"{what}, and comes within 1%% of it if the model can",
        )

    target.add_argument(
        "--total_size",
        type=number(int, 1),
        metavar="BYTES",
        help="all files together take at most this number of bytes, at the highest quality that "
        "all of them can have; this takes three to eight times as long",
    )

    rate.add_argument(
        "--importance",
        metavar="MASK",
        help="a gray picture of the same size, or a folder of gray pictures with the inputs' "
        "names: brighter areas get more of the file's bytes, whose number stays the same; needs "
        "--quantizer trellis",
    )

    picture = parser.add_argument_group("picture")
    picture.add_argument(
        "--strip",
        action="store_true",
        help="leave out all metadata, turn the picture upright and convert it to sRGB",
    )
    picture.add_argument(
        "--srgb",
        action="store_true",
        help="convert the colours to sRGB; without this option colour profiles are kept",
    )
    picture.add_argument(
        "--background",
        metavar="COLOR",
        help="colour behind transparent parts, a name or #rrggbb (default: white, with a warning)",
    )
    _add_max_megapixels(picture, 200.0)


def _add_max_megapixels(parser, default):
    parser.add_argument(
        "--max_megapixels",
        type=number(float, 0, 1e6, low_included=False),
        default=default,
        metavar="N",
        help="refuse larger pictures before they take up memory",
    )


def show_usage_first(parser):
    """Sets a short usage, and moves the most common options to the start of the help."""
    parser.usage = "%(prog)s [options] IN [OUT]\n       %(prog)s [options] IN ... --output_dir DIR"
    first = "inputs output_dir dial target_size target_ssimulacra2 update force strip lossless"
    show_first(parser, [*first.split(), "sampling", "report"])


def add_view_options(parser, trained):
    """Adds the options of `view`. trained: whether there are models."""
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PICTURE",
        help="pictures, folders, quoted globs and @LIST, a text file with one of these in each "
        "line; more pictures can be dropped onto the page",
    )
    if trained:
        parser.add_argument(
            "--model",
            action="append",
            metavar="NAME",
            help="a model to offer beside the shipped ones, by name or folder as for `compress`; "
            "the page begins with it; may be repeated",
        )
    parser.add_argument(
        "--port",
        type=number(int, 0, 65535),
        default=0,
        metavar="N",
        help="port of the address, for example for a tunnel; 0 is any free port",
    )
    parser.add_argument(
        "--open", action="store_true", help="open the page in the browser of this machine"
    )
    _add_max_megapixels(parser, 50.0)
