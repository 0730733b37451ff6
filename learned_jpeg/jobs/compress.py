"""The command `compress`: image files in, JPEG files out, for every architecture."""

import contextlib
import hashlib
import json
import os
import signal
import sys
import threading
from dataclasses import replace

from learned_jpeg.jobs import total
from learned_jpeg.jobs.cluster import cluster_of
from learned_jpeg.jobs.masks import Masks
from learned_jpeg.jobs.one_picture import FileReport, Finished, Options, OutputWriter, compress_file
from learned_jpeg.jobs.page import Page
from learned_jpeg.jobs.records import Records
from learned_jpeg.jobs.reporting import Log
from learned_jpeg.jobs.running import PixelBudget, beside, run_all
from learned_jpeg.jobs.targets import KINDS, TOLERANCE, Setting, Target
from learned_jpeg.models import architectures, checkpoints, shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.pictures import reading
from learned_jpeg.runtime import machine, paths, threads
from learned_jpeg.runtime.errors import RunError, UserError
from learned_jpeg.runtime.paths import STDIO, shown

from PIL import ImageColor

# The most pixels that are worked on at the same time, if the memory holds them.
PIXELS_AT_ONCE = 60_000_000
BYTES_A_PIXEL = 60  # memory; measuring for a target takes more


def make_settings(architecture, args, option):
    """The Settings that the arguments allow, from the coarsest to the finest.

    architecture: the class of the running script, which takes its own models, and untrained models
    with the same rate setting; option: the name of the option that chooses among the Settings, or
    None.
    """
    if not architecture.trained:
        return [Setting(architecture(), args.dial, source=architecture.architecture)]
    if is_untrained_of(args.model, architecture):
        return [Setting(shipped.load(args.model), args.dial, source=args.model)]
    folders = own_folders(args.model, architecture)
    rate_setting = getattr(args, "dial", None)
    if option is None:
        folders = [folders[len(folders) // 2]]
    settings = [
        Setting(shipped.load(folder), rate_setting, source=os.path.abspath(folder))
        for folder in folders
    ]
    if option is not None and settings[0].model.rate_setting is None and len(settings) == 1:
        raise UserError(
            f"{option} needs a --model with several lambdas to choose from, RUN/lambda_*/train"
        )
    return settings


def own_folders(name, architecture):
    """The checkpoint folders of a model. Raises UserError for a model of another architecture."""
    folders = shipped.folders(name, architecture.architecture)
    for folder in folders:
        other = checkpoints.read_config(folder)["architecture"]
        if other != architecture.architecture:
            raise UserError(f"{shown(folder)}: holds a model of {other}; use {other}.py")
    return folders


def is_untrained_of(name, architecture):
    """Whether a name is an untrained architecture's with the same rate setting as a trained one."""
    if name not in architectures.names():
        return False
    other = architectures.load(name)
    return (
        architecture.trained
        and not other.trained
        and other.rate_setting == architecture.rate_setting
    )


def compress(architecture, args):
    """Runs the command `compress` of an architecture's class; returns the exit status."""
    with (
        reading.limit(args.max_megapixels),
        _stop_on_sigterm(),
        cluster_of(args.dask, args.max_megapixels) as cluster,
    ):
        jobs = 2 * cluster.count if cluster else machine.limit(args.jobs)
        threads.limit(jobs)
        options = replace(make_options(args), elsewhere=cluster and cluster.make)
        pairs = paths.name_files(args.inputs, args.output_dir, args.name)
        if args.importance:
            options = replace(options, masks=Masks(args.importance, args.output_dir))
        option = f"--target_{options.target.kind}" if options.target else None
        option = "--total_size" if args.total_size else option
        settings = [] if options.lossless else make_settings(architecture, args, option)
        if options.masks and settings[0].model.complete(options.coding).quantizer != "trellis":
            raise UserError("--importance needs the search: add --quantizer trellis")
        each = BYTES_A_PIXEL + (KINDS[options.target.kind].memory if options.target else 0)
        budget = PixelBudget(min(PIXELS_AT_ONCE, machine.memory() // each))
        # A file on the standard output must have no other text in it.
        out = sys.stderr if pairs[0][1] == STDIO else sys.stdout
        refines = args.refine > 0 and not options.target
        log = Log(len(pairs), out, refines, args.quiet, args.json, args.verbose)
        log.page = Page(args.report, len(pairs), args.force) if args.report else None
        options = replace(options, views=log.page and log.page.side)
        writer = OutputWriter(log.add)

        def run():
            chosen, records = settings, None
            if args.total_size:
                files = total.Set(pairs, options, budget, jobs)
                chosen = [_fitting(args.total_size, settings, files, log)]
            if args.update:
                records = writer.records = _records(architecture, args, pairs, chosen)
            each = replace(options, records=records, writer=writer, refining=log.refining)
            run_all(
                lambda path, output: compress_file(path, output, chosen, each, budget),
                _once(pairs, writer),
                jobs,
            )

        try:
            with contextlib.closing(log.bar):
                beside(run)
        except (KeyboardInterrupt, RunError):
            writer.close()
            log.end(stopped=True)
            raise
        return 0 if log.end() else 1


def _fitting(total_size, settings, files, log):
    """The setting that --total_size chooses."""
    setting, size = total.fit(total_size, settings, files)
    rate_setting = setting.model.rate_setting
    which = (
        f"{rate_setting.name} {setting.rate_setting:.4g}"
        if rate_setting
        else f"lambda {setting.model.lmbda:g}"
    )
    line = f"--total_size {total_size}: {which} takes {size} bytes"
    if size < (1 - TOLERANCE) * total_size:
        log.say(f"warning: {line}, the nearest size within it", sys.stderr)
    else:
        log.say(line)
    return setting


def _once(pairs, writer):
    """The (input, output)s; reports an error for a second input of the same output."""
    outputs = set()
    for path, output in pairs:
        where = os.path.abspath(output)
        if where in outputs:
            error = (
                f"{shown(path)}: another input is written to {shown(output)} already; leave one "
                "of them out"
            )
            writer.write(output, Finished(FileReport(shown(path), shown(output), error)))
        else:
            outputs.add(where)
            yield path, output


# Arguments that do not decide about the bytes of a file. Models count by their digests.
_OF_THE_RUN = frozenset(
    """command inputs output_dir name force overwrite_input skip_existing update jobs quiet verbose
    json model run_dir checkpoint_dir max_megapixels total_size report dask""".split()
)


def _records(architecture, args, pairs, settings):
    """The Records of the outputs' folder."""
    if STDIO in pairs[0]:
        raise UserError("--update compares files; it cannot be used with -, the standard streams")
    folder = args.output_dir or pairs[0][1].parent
    decides = {name: value for name, value in vars(args).items() if name not in _OF_THE_RUN}
    model = [architecture.architecture]
    if architecture.trained and is_untrained_of(args.model, architecture):
        model.append(args.model)
    elif architecture.trained:
        model += [checkpoints.describe(folder)[-1] for folder in shipped.folders(args.model)]
    chosen = [(setting.rate_setting, setting.scale, setting.model.lmbda) for setting in settings]
    text = json.dumps([decides, model, chosen], sort_keys=True)
    return Records(folder, hashlib.sha256(text.encode()).hexdigest()[:16], pairs)


def make_options(args):
    """The Options that the command's arguments mean."""
    if args.skip_larger and (args.strip or args.srgb):
        raise UserError(
            "--skip_larger keeps files as they are, and --strip and --srgb change them; leave one "
            "out"
        )
    if args.skip_existing and (args.force or args.overwrite_input):
        raise UserError(
            "--skip_existing keeps files that exist, and --force and --overwrite_input replace "
            "them; leave one out"
        )
    target = None
    for kind in KINDS:
        if (value := getattr(args, f"target_{kind}")) is not None:
            target = Target(kind, value)
    if args.lossless:
        _check_lossless(args, target)
    return Options(
        coding=Coding(args.huffman, args.sampling, args.quantizer, args.tune, args.refine),
        background=_color(args.background),
        strip=args.strip,
        srgb=args.srgb,
        skip_larger=args.skip_larger,
        lossless=args.lossless,
        force=args.force,
        skip_existing=args.skip_existing,
        overwrite_input=args.overwrite_input,
        target=target,
    )


def _check_lossless(args, target):
    """Raises UserError for options that change the picture or choose its coding."""
    options = ("srgb", "background", "refine", "sampling", "quantizer", "tune")
    options += ("importance", "total_size")
    others = [name for name in options if getattr(args, name)]
    others += [f"target_{target.kind}"] if target else []
    others += ["huffman"] if args.huffman != "progressive" else []
    if others:
        raise UserError(
            f"--lossless changes no pixel and chooses the coding itself; leave out --{others[0]}"
        )


def _color(text):
    if text is None:
        return None
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise UserError(
            f"--background {text!r} is no colour; give a name or #rrggbb (white, #202020)"
        ) from error


@contextlib.contextmanager
def _stop_on_sigterm():
    """Within the context SIGTERM acts like Ctrl-C: no further file is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
