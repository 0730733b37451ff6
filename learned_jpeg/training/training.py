"""The command `train`: checks the options, locks the folder, and resumes a training."""

import contextlib
import json
import os
import re
import sys
import time
from importlib import metadata
from pathlib import Path

from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.metrics import lpips_tf2
from learned_jpeg.models import checkpoints, portable
from learned_jpeg.pictures import reading
from learned_jpeg.runtime import locks, machine
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.runtime.paths import shown
from learned_jpeg.training import crops, feature_cache, saving

# Mistakes of the user are reported before TensorFlow is imported, which takes seconds.
distortions = lazy_import("learned_jpeg.metrics.distortions")
summaries = lazy_import("learned_jpeg.training.summaries")
trainer = lazy_import("learned_jpeg.training.trainer")
tf = lazy_import("tensorflow")

DECAY_STEPS = 10_000
_NOT_OF_A_RUN = ("command", "checkpoint_dir", "jobs", "json", "published")


def _check(architecture, args):
    """Raises UserError for options that cannot be used together."""
    options = vars(args)
    architecture.check_options(args)
    for name, metric in (("lpips_weight", lpips_tf2), ("ms_ssim_weight", distortions)):
        if options.get(name) and args.patchsize < metric.MIN_SIZE:
            raise UserError(
                f"--{name} needs --patchsize {metric.MIN_SIZE} or more, not {args.patchsize}: the "
                "metric does not exist for smaller images"
            )
    if options.get("feature_cache"):
        if args.patchsize % BLOCK:
            raise UserError(
                f"--feature_cache needs a --patchsize that is a multiple of {BLOCK}, not "
                f"{args.patchsize}"
            )


def _strategy(batchsize):
    """The distribution strategy of this process, and whether it is the chief of its cluster."""
    if "TF_CONFIG" in os.environ:
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except (ValueError, KeyError, tf.errors.OpError) as error:
            raise UserError(f"TF_CONFIG does not describe a cluster ({error})") from error
        resolver = strategy.cluster_resolver
        first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
        chief = (resolver.task_type or "worker") == first and not resolver.task_id
    else:
        several = len(tf.config.list_physical_devices("GPU")) > 1
        strategy = tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()
        chief = True
    if batchsize % strategy.num_replicas_in_sync:
        raise UserError(
            f"--batchsize {batchsize} cannot be shared equally by "
            f"{strategy.num_replicas_in_sync} devices: choose a multiple of that"
        )
    return strategy, chief


def _config(folder, architecture, options):
    """The config of a new training, or of the folder's, which goes on. Raises UserError."""
    versions = {"python": sys.version.split()[0]}
    for name in ("tensorflow", "tensorflow-compression", "numpy", "pillow"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    config = {
        "architecture": architecture.architecture,
        "options": options,
        "versions": versions,
        "step": 0,
    }
    found = saving.find(folder)
    if found is None:
        return config
    had = checkpoints.defaults(architecture) | found["options"]
    differences = [("architecture", found["architecture"], architecture.architecture)]
    for name in architecture.model_options:
        option = f"--{'lambda' if name == 'lmbda' else name}"
        differences.append((option, had[name], options.get(name, had[name])))
    for name, old, new in differences:
        if old != new:
            raise UserError(
                f"{folder} holds a training with {name} {old}, not {new}: give the same value, "
                "or another --checkpoint_dir"
            )
    return {**config, "step": found["step"]}


def _init(pipeline, folder):
    """Takes over another model's weights, not its optimizer and step."""
    try:
        architecture = checkpoints.read_config(folder)["architecture"]
        if architecture != pipeline.architecture:
            raise UserError(f"{folder} holds a model of {architecture}")
        checkpoints.load_weights(pipeline, folder)
    except UserError as error:
        raise UserError(
            f"--init_checkpoint needs a model of {pipeline.architecture} with the same options: "
            f"{error}"
        ) from error


def _model(architecture, args, options, step):
    """A Trainer ready to start, or to take over the checkpoint of a later step."""
    tf.keras.utils.set_random_seed(args.seed)
    pipeline = checkpoints.build(architecture, options)
    if args.init_checkpoint and not step:
        _init(pipeline, args.init_checkpoint)
    pipeline.warn_of_options()
    model = trainer.Trainer(pipeline)
    rate = tf.keras.optimizers.schedules.ExponentialDecay(
        args.lr, DECAY_STEPS, args.lr_decay, staircase=True
    )
    if args.settle:
        rate = trainer.Settled(rate, args.last_step, args.settle)
    model.compile(optimizer=pipeline.make_optimizer(rate))
    model.optimizer.build(model.trainable_variables)
    return model


def _cached(args, options, source, pipeline):
    """The crops and features of a feature cache, or None without one."""
    count, folder = options.get("cached_crops"), options.get("feature_cache")
    features_of = pipeline.frozen_features()
    if not count or features_of is None:
        return None
    if not folder:
        seen_again = args.last_step * args.batchsize > count
        fits = args.patchsize % BLOCK == 0
        if args.published or not (seen_again and fits):
            return None
        folder = Path(args.checkpoint_dir, "features")
    network = pipeline.frozen_network(options)
    return feature_cache.load(folder, source, features_of, network, count, options)


def _data(args, source, cached, step):
    """The batches from a step on, as a dataset, and the crops of the summaries."""
    if cached:
        dataset = feature_cache.dataset(*cached, args.batchsize, args.seed, step)
        probes = cached[0][: summaries.PROBES]
    else:
        dataset = source.dataset(args.preprocess_threads, first=step * args.batchsize)
        dataset = dataset.batch(args.batchsize, drop_remainder=True)
        dataset = dataset.map(lambda images: {"images": images})
        probes = source.crops(0)[: summaries.PROBES]
    sharding = tf.data.Options()
    # Every worker reads the same stream and takes its share of each batch.
    sharding.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.prefetch(2).with_options(sharding), probes


def _finished(folder, step, last_step):
    begun = step or any((folder / name).exists() for name in ("checkpoint", portable.WEIGHTS))
    if step < last_step or not begun:
        return False
    checkpoints.describe(folder)  # an error where it is lost
    print(f"{shown(folder)}: already trained to step {step} (--last_step {last_step})")
    return True


def train(architecture, args):
    """The command `train` of an architecture's script; returns the exit status.

    architecture: a class derived from JPEGPipeline; args: the options of
    `arg_parser.add_train_options` and of the architecture's `add_options`.

    Raises UserError for a mistake of the user's, if possible before any file is written.
    """
    machine.limit(args.jobs)
    if not args.json:
        with reading.limit():
            return _run(architecture, args)
    start = time.monotonic()
    with contextlib.redirect_stdout(sys.stderr), reading.limit():
        status = _run(architecture, args)
    report = {name: getattr(args, name) for name in ("checkpoint_dir", "last_step")}
    report["step"] = checkpoints.read_config(args.checkpoint_dir)["step"]
    print(json.dumps({**report, "status": status, "seconds": time.monotonic() - start}))
    return status


def _run(architecture, args):
    options = {name: value for name, value in vars(args).items() if name not in _NOT_OF_A_RUN}
    folder = Path(args.checkpoint_dir)
    _check(architecture, args)
    size, downscale = args.patchsize, options.get("downscale", 1.0)
    paths, pixels = crops.find_images(args.train_glob, size, "--train_glob", downscale)
    source = crops.CropSource(paths, pixels, size, args.seed, downscale)
    try:
        step = _config(folder, architecture, options)["step"]
        if _finished(folder, step, args.last_step):
            return 0
        status = _train(architecture, args, options, folder, source, step)
        if status == 0:
            script = f"{architecture.architecture}.py"
            print(f"{shown(folder)}: python3 {script} compress photo.png --model {shown(folder)}")
        return status
    except UserError:
        raise
    except (OSError, MemoryError, tf.errors.OpError) as error:
        if source.failure:
            raise source.failure from error
        message = getattr(error, "message", None) or str(error)
        hint = next((hint for sign, hint in _HINTS.items() if sign in message), None)
        if hint is None and not isinstance(error, OSError):
            raise
        hint = hint or "cannot be used"
        # Without the names of TensorFlow's nodes around the message.
        message = re.sub(r"\{\{.*?\}\} | \[Op:.*\]$", "", message.splitlines()[0])
        raise UserError(f"{folder}: {hint} ({message})") from error


def _train(architecture, args, options, folder, source, step):
    valid = []
    if args.valid_glob:
        size, downscale = source.patchsize, source.downscale
        paths, _ = crops.find_images(args.valid_glob, size, "--valid_glob", downscale)
        valid = crops.validation_batches(paths, size, args.batchsize, downscale)
    strategy, chief = _strategy(args.batchsize)
    with strategy.scope():
        model = _model(architecture, args, options, step)
    pipeline = model.pipeline
    lock = locks.alone(folder, "choose another --checkpoint_dir")
    with lock if chief else contextlib.nullcontext():
        config = _config(folder, architecture, options)
        saver = saving.Saver(folder, config, pipeline, model.optimizer, chief)
        with strategy.scope():
            saver.restore()
        if _finished(folder, model.step, args.last_step):
            return 0
        cached = _cached(args, options, source, pipeline)
        dataset, probes = _data(args, source, cached, model.step)
        if chief:
            checkpoints.write_config(folder, config)
        if not model.step:
            pipeline.prepare(args, source)
        if not args.last_step:
            saver.save(0)
            print(f"{shown(folder)}: trained to step 0")
            return 0
        callbacks = [
            trainer.Checkpoints(saver, args.checkpoint_steps),
            summaries.Summaries(folder, pipeline, probes, valid, args.last_step, chief),
        ]
        return trainer.fit(model, dataset, shown(folder), args.last_step, callbacks, chief)


_HINTS = {
    "No space left": "the disk is full; free some space and start the same command again",
    "Disk quota": "the disk is full; free some space and start the same command again",
    "Permission denied": "cannot be written; choose another --checkpoint_dir",
    "Read-only file system": "cannot be written; choose another --checkpoint_dir",
    "Not a directory": "is not a folder; choose another --checkpoint_dir",
    "File exists": "is not a folder; choose another --checkpoint_dir",
    "No such file": "vanished; start the same command again",
    "OOM when allocating": "not enough memory; lower --batchsize or --patchsize",
    "Unable to allocate": "not enough memory; lower --batchsize or --patchsize",
}
