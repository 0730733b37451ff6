"""The options of `compress`."""

import argparse

from learned_jpeg.cli.options import add_coding_options, add_jobs, number
from learned_jpeg.jpeg.jpeg_file import HUFFMAN


def add_model_options(parser, default):
    """Adds the options of `compress` that name a trained model.

    default: what stands for none of them.
    """
    group = parser.add_argument_group("model").add_mutually_exclusive_group()
    group.add_argument(
        "--model",
        metavar="NAME",
        help="a shipped model (the command `models` lists them), NAME/lambda_* for one of its "
        "lambdas, or a folder: of a checkpoint, or of a run, lambda_*/train; of several lambdas "
        f"the middle one is taken, unless a --target_* chooses (default: {default})",
    )
    group.add_argument(
        "--checkpoint_dir",
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="the same for a folder of a checkpoint",
    )
    group.add_argument("--run_dir", metavar="RUN", help="the same for a folder of a run")


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
        "--name",
        metavar="TEMPLATE",
        help="the names of the files: {stem} is an input's own without the suffix, {suffix} that, "
        "{name} all of it but for a .jpg at its end; by default {stem}.jpg, and {name}.jpg where "
        "inputs would meet",
    )
    files.add_argument(
        "--force", action="store_true", help="overwrite an output that exists already"
    )
    again = files.add_mutually_exclusive_group()
    again.add_argument(
        "--skip_existing", action="store_true", help="leave an output that exists already as it is"
    )
    again.add_argument(
        "--update",
        action="store_true",
        help="write what is missing, whose input has changed or whose options differ, by what "
        ".learned_jpeg-update in the folder of the outputs says of those written before; files of "
        "others are not overwritten",
    )
    files.add_argument(
        "--overwrite_input",
        action="store_true",
        help="allow an output to take the place of its own input",
    )
    files.add_argument(
        "--skip_larger",
        action="store_true",
        help="write a JPEG file without loss where its result would not be smaller, also where a "
        "target asks for more bytes",
    )
    add_jobs(files, "files at a time, and cores that are made use of")
    files.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="let the workers of this Dask scheduler (tcp://host:8786) make the files; they need "
        "the project and the model at the same place, and get the bytes of inputs that they do "
        "not see",
    )
    said = files.add_mutually_exclusive_group()
    said.add_argument("--quiet", action="store_true", help="print warnings and errors alone")
    said.add_argument(
        "--verbose",
        action="store_true",
        help="print also what is skipped, and what is left out that hardly anybody misses",
    )
    files.add_argument(
        "--json",
        action="store_true",
        help="print a line of JSON for each file as it is done, and one for all at the end",
    )
    files.add_argument(
        "--report",
        metavar="PAGE.html",
        help="write a page to look at: each file's name, bytes and quality, and the part of the "
        "picture that lost the most, before and after",
    )

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
        "--lossless",
        action="store_true",
        help="JPEG files alone: keep every coefficient, and so every pixel, and all metadata; only "
        "the entropy coding is made anew",
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
    for kind, high, what in (
        ("bpp", None, "at most this number of bits per pixel, for each file"),
        ("size", None, "at most this number of bytes, for each file"),
        ("psnr", 200, "at least this PSNR in dB against the input"),
        ("ssimulacra2", 100, "at least this SSIMULACRA2: 70 is good, 90 looks like the input"),
        ("butteraugli", None, "at most this Butteraugli, 3-norm: 2 good, 1 near the input"),
    ):
        target.add_argument(
            f"--target_{kind}",
            type=number(float, 0, high, low_included=False),
            metavar=kind.upper(),
            help=f"{what}; within 1%% where the models can",
        )

    target.add_argument(
        "--total_size",
        type=number(int, 1),
        metavar="BYTES",
        help="at most this number of bytes for all files together, with the highest quality that "
        "they can all have; takes three to eight times as long",
    )

    rate.add_argument(
        "--importance",
        metavar="MASK",
        help="a gray picture of the same size, or a folder of these by the inputs' names: brighter "
        "areas get more of the bits, which are as many in all; --quantizer trellis alone",
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
    _add_max_megapixels(picture, 200.0)


def _add_max_megapixels(parser, default):
    parser.add_argument(
        "--max_megapixels",
        type=number(float, 0, 1e6, low_included=False),
        default=default,
        metavar="N",
        help="refuse larger pictures, before their pixels take up memory",
    )


def add_view_options(parser, trained):
    """Adds the options of `view`. trained: whether there are models."""
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PICTURE",
        help="images, folders, quoted globs and @LIST, a text file with one a line; others can be "
        "dropped onto the page",
    )
    if trained:
        parser.add_argument(
            "--model",
            action="append",
            metavar="NAME",
            help="a model to choose beside the shipped ones, by name or folder as `compress` "
            "takes it; the page begins with the first; may be repeated",
        )
    parser.add_argument(
        "--port",
        type=number(int, 0, 65535),
        default=0,
        metavar="N",
        help="of the address, for a tunnel say; 0 takes any that is free",
    )
    parser.add_argument(
        "--open", action="store_true", help="open the address in this machine's browser"
    )
    _add_max_megapixels(parser, 50.0)
