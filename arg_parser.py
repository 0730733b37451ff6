"""The command line that the architecture scripts share."""

import argparse
import logging
import os
import sys

# TensorFlow's C++ log reports what it did not find (GPUs, plugins) as errors on every start.
# What goes wrong for good is raised in Python all the same.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Its Python log warns that the models of a run, loaded one after another, are traced each.
logging.getLogger("tensorflow").setLevel(logging.ERROR)


class UserError(ValueError):
    """A mistake that the user can mend: the message names the file or option and what to do."""


def run(main):
    """Runs a script's `main() -> exit status`; a UserError is one line on stderr, status 2."""
    try:
        status = main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


def _number(kind, low, high=float("inf"), low_included=True):
    """An argparse type: a `kind` within the bounds, or an error that states them."""

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


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    def _get_help_string(self, action):
        # "(default: None)" and "(default: False)" tell nobody anything.
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def make_parser(description, **train_options):
    """The parser of an architecture's script.

    description: the script's docstring. train_options: those of `add_train_options`; none at
    all for an architecture that has nothing to train.

    The parsed arguments hold `command` ("train" or "compress") and its options.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=_Formatter)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    if train_options:
        where = "folder of the checkpoint, its config.json and the TensorBoard summaries"
        parser.add_argument("--checkpoint_dir", default="train", metavar="DIR", help=where)
        train = subparsers.add_parser(
            "train",
            formatter_class=_Formatter,
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
        add_train_options(train, **train_options)
    compress = subparsers.add_parser(
        "compress",
        formatter_class=_Formatter,
        help="writes images as JPEG files (compress --help lists the options)",
        description="Writes images as standard JPEG files: one, or many with --output_dir.",
    )
    if train_options:
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
    if train_options.get("learned_tables"):
        quality = None
    else:  # the best of the published ones, or Pillow's
        quality = 25.0 if train_options else 75.0
    add_compress_options(compress, quality)
    return parser


def add_compress_options(parser, quality):
    """Adds the options of `compress`.

    quality: the default of --quality; None for an architecture with tables of its own.
    """
    files = parser.add_argument_group("files")
    files.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="an image that Pillow reads, and after it, if you like, the name of its JPEG file; "
        "with --output_dir any number of images, folders and quoted globs",
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
        "--jobs", type=_number(int, 1), metavar="N", help="files at a time; as many as cores"
    )
    files.add_argument("--quiet", action="store_true", help="print warnings and errors alone")
    files.add_argument("--json", action="store_true", help="print the report as JSON, at the end")

    rate = parser.add_argument_group("size and quality")
    if quality is not None:
        rate.add_argument(
            "--quality",
            type=_number(float, 1, 100),
            default=quality,
            metavar="Q",
            help="quality of the standard tables, 1 to 100; the target's to choose if there is one",
        )
    rate.add_argument(
        "--huffman",
        choices=("progressive", "optimized", "standard"),
        default="progressive",
        help="entropy coding: optimized scans and tables, the best tables of one scan, or the "
        "example tables of the standard; the picture is the same",
    )
    target = rate.add_mutually_exclusive_group()
    for kind, unit in (
        ("bpp", "bits per pixel"),
        ("size", "bytes"),
        ("psnr", "dB against the input"),
    ):
        target.add_argument(
            f"--target_{kind}",
            type=_number(float, 0, low_included=False),
            metavar=kind.upper(),
            help=f"reach this number of {unit} for each file, within 2%% where the models can"
            if kind != "psnr"
            else f"reach this PSNR in {unit}, where the models can",
        )

    picture = parser.add_argument_group("picture")
    picture.add_argument(
        "--strip",
        action="store_true",
        help="leave out ICC profile, EXIF, XMP and resolution; the picture is turned upright",
    )
    picture.add_argument(
        "--background",
        metavar="COLOR",
        help="what shows through transparent parts, a name or #rrggbb; white, with a warning",
    )
    picture.add_argument(
        "--max_megapixels",
        type=_number(float, 0, low_included=False),
        default=200.0,
        metavar="N",
        help="refuse larger pictures, before their pixels take up memory",
    )


def add_train_options(parser, learned_tables, backbone, max_noise=None):
    """Adds the options of `train`.

    learned_tables: the architecture learns its tables, so it has the loss terms of LPIPS and
    of the tables. backbone: it has a pretrained backbone. max_noise: the default of --max_noise;
    None for an architecture without noise.
    """
    data = parser.add_argument_group("images")
    data.add_argument(
        "--train_glob",
        required=True,
        metavar="GLOB",
        help='training photographs, quoted: "photos/*.png"; ** looks into subfolders. '
        "PNG, JPEG, BMP and all else that Pillow reads, 8 or 16 bit",
    )
    data.add_argument(
        "--valid_glob",
        metavar="GLOB",
        help="photographs for the validation loss, taken every 200 steps from a crop at each "
        "one's centre; none without it",
    )
    data.add_argument(
        "--batchsize", type=_number(int, 1), default=8, metavar="N", help="crops a step"
    )
    data.add_argument(
        "--patchsize",
        type=_number(int, 8),
        default=256,
        metavar="PIXELS",
        help="side of the square crops, in pixels; smaller images are left out",
    )
    data.add_argument(
        "--preprocess_threads",
        type=_number(int, 1),
        default=16,
        metavar="N",
        help="images decoded at the same time",
    )

    loss = parser.add_argument_group("loss")
    loss.add_argument(
        "--lambda",
        type=_number(float, 0, low_included=False),
        default=0.01,
        dest="lmbda",
        metavar="L",
        help="weight of the distortion (the squared error on the scale 0 to 255) against the "
        "rate: higher for better and larger files",
    )
    if learned_tables:
        loss.add_argument(
            "--lpips_weight",
            type=_number(float, 0),
            default=0.0,
            metavar="W",
            help="weight of LPIPS (AlexNet, v0.1) beside the squared error in the distortion; "
            "published: 0, 500, 5000. At 0 it is not computed",
        )
        loss.add_argument(
            "--total_weight_regularizer",
            type=_number(float, 0),
            default=0.0,
            metavar="W",
            help="weight of the sum of 1/table over all 128 entries, the rate term of the "
            "tables; published runs: 10",
        )
        loss.add_argument(
            "--rate",
            choices=("published", "bits"),
            default="published",
            help="the rate beside the tables': the mean of the attention, as published, or an "
            "estimate of the file's bits per pixel, for which lambdas are about a tenth",
        )
        loss.add_argument(
            "--rounding",
            choices=("cubic", "mixed"),
            default="cubic",
            help="surrogate gradient of the coefficients' rounding: cubic as published, or with "
            "slope 1 for those that do not become 0, which LPIPS needs",
        )
    if max_noise is not None:
        loss.add_argument(
            "--max_noise",
            type=_number(float, 0, 1),
            default=max_noise,
            metavar="SIGMA",
            help="standard deviation, up to which Gaussian noise is added to the images (0 to 1)",
        )

    steps = parser.add_argument_group("optimization")
    steps.add_argument(
        "--last_step",
        type=_number(int, 1),
        default=1_000_000,
        metavar="STEP",
        help="train until this step, counted from the very start, not from a resumption; "
        "published runs: 20000",
    )
    steps.add_argument(
        "--lr",
        type=_number(float, 0, low_included=False),
        default=1e-4,
        metavar="RATE",
        help="learning rate of Adam; published runs: 1e-6"
        + (
            ". A table entry moves by up to lr / 1e-5 levels a step, and by 5%% of its value at "
            "the most"
            if learned_tables
            else ""
        ),
    )
    steps.add_argument(
        "--lr_decay",
        type=_number(float, 0, 1, low_included=False),
        default=1.0,
        metavar="FACTOR",
        help="factor on the learning rate after every 10,000 steps; 1 is none",
    )
    steps.add_argument(
        "--seed",
        type=_number(int, 0, 2**31 - 1),
        default=0,
        metavar="N",
        help="seed of everything random: the same seed gives the same run on one machine",
    )
    steps.add_argument(
        "--checkpoint_steps",
        type=_number(int, 1),
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

    if backbone:
        group = parser.add_argument_group("backbone")
        group.add_argument(
            "--backbone",
            choices=("vgg16", "vgg19"),
            default="vgg16",
            help="pretrained features: vgg16 comes with the project, vgg19 is the published "
            "one and is downloaded by Keras",
        )
        group.add_argument(
            "--backbone_weights",
            metavar="FILE",
            help="weights of the backbone from this file instead: for vgg16 an .npz like "
            "weights/vgg16_imagenet_block3.npz, for vgg19 Keras's "
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        )
        group.add_argument(
            "--train_backbone",
            action="store_true",
            help="train the backbone too, as published; it is then part of the checkpoint",
        )
        group.add_argument(
            "--feature_cache",
            metavar="DIR",
            help="train on a fixed set of crops whose backbone features are computed once and "
            "kept here, to be shared by runs of the same images, crops and backbone",
        )
        group.add_argument(
            "--cached_crops",
            type=_number(int, 1),
            default=4000,
            metavar="N",
            help="size of the fixed set of --feature_cache, in crops",
        )
