"""Finds the images of a test set, and the points of runs and encoders that are measured."""

import os
from pathlib import Path
from types import SimpleNamespace

from learned_jpeg.evaluation import coders, fingerprints, tables
from learned_jpeg.evaluation.points import Curve, PointToMeasure, Size, TestImage
from learned_jpeg.models import architectures, checkpoints
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.runtime import paths
from learned_jpeg.runtime.errors import UserError

ANCHOR = "pillow_444"  # the standard JPEG of the published comparison, always measured
# The files of the sheet of crops have the sizes of the anchor's files of this quality: JPEG's
# artifacts are plain there, and such files are in use.
SHEET_QUALITY = 15


def find_images(pattern):
    """The images of a test set, which a glob names, and the set's name: that of the glob's folder.

    Returns ([TestImage], name). Raises UserError if the glob names no file.
    """
    folder, files = paths.expand(pattern, "--test_image_glob")
    images = [
        TestImage(path.relative_to(folder).as_posix(), path.resolve(), checkpoints.sha256(path))
        for path in files
    ]
    return images, Path(os.path.abspath(folder)).name  # as typed, without following links


def find_curves(args, set_name, say):
    """The Curves that the command asks for.

    args: the arguments of evaluate.py; say: function that prints a line, for each curve that is
    left out.
    """
    curves = [_encoder_curve(name, args, set_name, say) for name in dict.fromkeys(args.encoders)]
    if args.google_dir:
        curves.append(_baseline_curve(args, set_name))
    curves += _run_curves(args, set_name, say)
    for coding in args.also:
        again = SimpleNamespace(**vars(args) | {"coding": coding})
        others = _run_curves(again, set_name, lambda line: None)  # the lines are printed already
        chosen = " ".join(_chosen(coding))
        for curve in others:
            curve.name, curve.label = f"{curve.name}, {chosen}", f"{curve.label}, {chosen}"
        curves += others
    curves = [curve for curve in curves if curve is not None]
    for curve in curves:
        if not curve.points:
            say(f"{curve.name} is left out: its qualities include none of --qualities")
    if missing := set(args.focus or ()) - {curve.name for curve in curves}:
        raise UserError(
            f"--focus: no run {' and no '.join(sorted(missing))} is evaluated; name a run that is"
        )
    return [curve for curve in curves if curve.points]


def _encoder_curve(name, args, set_name, say):
    encoder = ENCODERS[name]
    if encoder.missing():
        say(f"--encoders {name} is left out: {encoder.missing()}")
        return None
    huffman = encoder.huffman(args.coding.huffman)
    coder = coders.EncoderCoder(name, huffman)
    folder = Path(args.output_dir, "_output_PIL", set_name, huffman, name)
    label = f"standard JPEG ({encoder.label})" if name == ANCHOR else encoder.label
    if huffman != args.coding.huffman:
        label += f" ({huffman})"
    return Curve(
        name,
        label,
        "encoder",
        [
            PointToMeasure(
                f"quality_{quality:02}",
                folder / f"quality_{quality:02}",
                fingerprints.of_encoder(name, huffman) | _at("quality", quality),
                (coder,),
                rate_setting=quality,
            )
            for quality in _values(coder.rate_setting, args)
        ],
        _points_at_sizes(args, folder, [(coder, fingerprints.of_encoder(name, huffman))]),
    )


def _at(name, value):
    return {"dial": f"{name} {value:g}"}


def _values(rate_setting, args):
    """The points of a rate setting: its own values, or those of --qualities in its range."""
    if rate_setting.name == "quality" and args.qualities:
        return [value for value in args.qualities if rate_setting.low <= value <= rate_setting.high]
    return rate_setting.values


def _sizes(args):
    anchor = coders.EncoderCoder(ANCHOR, ENCODERS[ANCHOR].huffman(args.coding.huffman))
    if args.rates:
        return [Size(anchor, bpp=bpp) for bpp in args.rates]
    return [Size(anchor, quality=SHEET_QUALITY)]


def _points_at_sizes(args, folder, found):
    """The points of the searched sizes. found: [(coder, fingerprint)], from coarse to fine."""
    every = dict(found[0][1])
    if len(found) > 1:
        every["checkpoint"] = " ".join(fingerprint["checkpoint"] for _, fingerprint in found)
    these = tuple(coder for coder, _ in found)
    points = []
    for size in _sizes(args):
        fingerprint = every | fingerprints.of_size(size.label)
        if these == (size.anchor,) and size.quality:  # the anchor's file has that size itself
            points.append(
                PointToMeasure(size.name, folder / size.name, fingerprint, these, size.quality)
            )
        else:
            if size.quality:
                anchor = fingerprints.of_encoder(size.anchor.name, size.anchor.huffman)
                fingerprint["size"] = f"{anchor['encoder']}, {anchor['encoding version']}"
            points.append(
                PointToMeasure(size.name, folder / size.name, fingerprint, these, size=size)
            )
    return points


def _model(args, architecture, folder, options, checkpoint):
    """(coder, fingerprint) of a checkpoint folder, or of an architecture without training."""
    kind = architectures.load(architecture)
    # In an untrained architecture, a tune may switch the search on.
    coding = args.coding if kind.trained else kind().complete(args.coding)
    rounds = coding.quantizer_or(kind.quantizer) == "round"
    shared = kind.shared(folder, options)
    coder = coders.ModelCoder(str(folder), checkpoint, args.coding, rounds, shared)
    return coder, fingerprints.of_model(coder)


def _rate_setting_curve(args, set_name, place, label, kind, architecture, model):
    """The Curve of a model with a rate setting. place: its folder below the set's."""
    rate_setting = architectures.load(architecture).rate_setting
    folder = _output(args, set_name) / place
    coder, fingerprint = model
    points = [
        PointToMeasure(
            name,
            folder / name,
            fingerprint | _at(rate_setting.name, value),
            (coder,),
            rate_setting=float(value),
        )
        for value in _values(rate_setting, args)
        for name in [f"{rate_setting.name}_{value:02g}"]
    ]
    return Curve(place, label, kind, points, _points_at_sizes(args, folder, [model]))


def _output(args, set_name):
    return Path(args.output_dir, "_output", set_name, protocol(args.coding))


def protocol(coding):
    """The name of a Coding in the names of files and folders."""
    return "_".join([coding.huffman, *_chosen(coding)])


def _chosen(coding):
    choices = fingerprints.choices(coding).items()
    return [f"{name}{choice}" if name == "refine" else choice for name, choice in choices]


def _baseline_curve(args, set_name):
    folder = Path(args.google_dir)
    try:
        architecture, options, checkpoint = checkpoints.describe(folder)
        if architectures.load(architecture).rate_setting is None:
            raise UserError(
                f"{folder} holds a {architecture}, which has no quality; give a model that has one"
            )
    except UserError as error:
        raise UserError(f"--google_dir {error}") from error
    model = _model(args, architecture, folder.resolve(), options, checkpoint)
    name = "_google_baseline"
    return _rate_setting_curve(args, set_name, name, architecture, "baseline", architecture, model)


def _run_curves(args, set_name, say):
    batch_dir = Path(args.batch_dir)
    if not batch_dir.is_dir():
        raise UserError(f"--batch_dir {batch_dir} is not a folder")
    if missing := set(args.runs or ()) - {path.name for path in batch_dir.iterdir()}:
        raise UserError(f"--runs: {batch_dir} has no {' and no '.join(sorted(missing))}")
    curves, others = [], []
    for name in args.jpeg_type:
        if not architectures.load(name).trained:
            model = _model(args, name, name, {}, "")
            curves.append(_rate_setting_curve(args, set_name, name, name, "run", name, model))
    for run in sorted(path for path in batch_dir.iterdir() if path.is_dir()):
        if not set(args.jpeg_type) & set(architectures.trained()):
            break
        if run.name.startswith(("_", ".")) or args.runs and run.name not in args.runs:
            continue
        before = len(others)
        found = _curves_of_run(args, set_name, run, say, others)
        if not found and not _holds_baseline(args, run) and len(others) == before:
            say(f"skipped: {run}: it has no lambda_<value>/train with a checkpoint to evaluate")
        curves += found
    if others:
        names = ", ".join(sorted(set(others)))
        say(f"left out: the {tables.count(len(others), 'checkpoint')} of {names}")
    if args.jpeg_type and not curves:
        raise UserError(
            f"--batch_dir {batch_dir} holds no run of {' or '.join(args.jpeg_type)}: a run is a "
            "folder with lambda_<value>/train in it, which batch_job_attention.sh makes"
        )
    return curves


def _holds_baseline(args, folder):
    """Whether --google_dir is this folder or a folder in it."""
    return bool(args.google_dir) and Path(args.google_dir).resolve().is_relative_to(
        folder.resolve()
    )


def _curves_of_run(args, set_name, run, say, others):
    """The Curves of a run: one of all its lambdas, and one of each checkpoint with a rate setting.

    others: a list, which gets the architecture of each checkpoint that is not asked for.
    """
    curves, models, points, names = [], {}, [], set()
    for train in sorted([*run.glob("lambda_*/train"), *run.glob("train")]):
        try:
            architecture, options, checkpoint = checkpoints.describe(train)
            if architecture not in args.jpeg_type:
                others.append(architecture)
                continue
            rate_setting = architectures.load(architecture).rate_setting
            if rate_setting is None and train.parent == run:
                raise UserError(f"{train}: {architecture} is in RUN/lambda_<value>/train")
        except UserError as error:
            say(f"skipped: {error}")
            continue
        coder, fingerprint = model = _model(
            args, architecture, train.resolve(), options, checkpoint
        )
        if rate_setting is not None:
            if _holds_baseline(args, train):
                continue  # --google_dir has that curve
            place = train.parent.relative_to(run.parent).as_posix()
            label = f"{place} ({architecture})"
            curves.append(
                _rate_setting_curve(args, set_name, place, label, "run", architecture, model)
            )
            continue
        names.add(architecture)
        models[float(options.get("lmbda", 0))] = model
        folder = _output(args, set_name) / run.name / train.parent.name
        points.append(PointToMeasure(train.parent.name, folder, fingerprint, (coder,)))
    if points:
        label = f"{run.name} ({', '.join(sorted(names))})"
        ordered = [models[lmbda] for lmbda in sorted(models)]
        sized = _points_at_sizes(args, points[0].folder.parent, ordered)
        curves.append(Curve(run.name, label, "run", points, sized))
    return curves
