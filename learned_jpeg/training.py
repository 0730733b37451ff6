"""Training: the dataset, Keras's `fit` with its callbacks, checkpoints and resuming."""

import glob
import json
import os
import shutil
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

from arg_parser import UserError
from dot_cache import write_whole
from image_utils import from_blocks, random_crop, read_image
from jpeg_file import decode
from metrics import bpp, psnr

import numpy as np
import tensorflow as tf
from PIL import Image
from tqdm import tqdm

SUMMARY_STEPS = 100  # from one line of scalars to the next
VALIDATION_STEPS = 200  # from one validation to the next
PICTURE_STEPS = 1000  # from one set of pictures to the next
PROBE_QUALITY = 15.0  # of what the summaries show of an architecture with IJG tables
DECAY_STEPS = 10_000

# The images whose crops are mixed, and the most crops taken from one while it is decoded.
MIXED_IMAGES = 32
MAX_CROPS_PER_IMAGE = 64

_STRIPPED = "weights"  # the name of a checkpoint without its optimizer

PROBES = 4  # the crops whose files and pictures the summaries show


# Images


def find_images(pattern, smallest, option):
    """The readable images that match a glob, sorted, and the median of their pixels.

    Those that are no image or have a side below `smallest` pixels are left out with a warning.
    Raises UserError, naming the option, if none is left.
    """
    paths = [path for path in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(path)]
    if not paths:
        raise UserError(f"{option} {pattern!r} matches no file (quote it, and check the folder)")

    def check(path):
        try:
            with Image.open(path) as image:
                size = image.size
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            return None, f"not an image that can be read ({error})"
        if min(size) < smallest:
            return None, f"{size[0]}x{size[1]} is smaller than --patchsize {smallest}"
        return size[0] * size[1], None

    with ThreadPoolExecutor() as pool:
        checked = list(pool.map(check, paths))
    for path, (_, problem) in zip(paths, checked, strict=True):
        if problem:
            _warn(f"{path}: left out: {problem}")
    good = [path for path, (pixels, _) in zip(paths, checked, strict=True) if pixels]
    if not good:
        raise UserError(
            f"{option} {pattern!r}: none of the {len(paths)} files is an image of at least "
            f"{smallest}x{smallest} pixels (see the warnings above; a smaller --patchsize helps "
            "with small images)"
        )
    return good, int(np.median([pixels for pixels, _ in checked if pixels]))


class CropSource:
    """An endless, shuffled stream of crops in which every place can be sought.

    Each epoch goes through the images in another order; each decoded image gives several
    crops. The crops of `mixed_images` images in succession form a block, shuffled as a whole,
    so that a batch holds many images while each is decoded once per visit. Everything random
    follows from the seed and the place in the stream: a resumed training goes on exactly.
    """

    def __init__(self, paths, pixels, patchsize, seed):
        self.paths, self.patchsize, self.seed = paths, patchsize, seed
        # About as many crops as cover the image once, so that decoding is never the bottleneck.
        self.crops_per_image = int(np.clip(pixels // patchsize**2, 8, MAX_CROPS_PER_IMAGE))
        self.mixed_images = min(MIXED_IMAGES, len(paths))
        self.bad, self.failure = set(), None

    def crops(self, position):
        """The crops of the image at a position of the stream: uint8 [n, size, size, 3]."""
        size = self.patchsize
        for attempt in range(len(self.paths)):
            epoch, index = divmod(int(position) + attempt, len(self.paths))
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.paths))
            path = self.paths[order[index]]
            try:
                image = read_image(path)
                if min(image.shape[:2]) < size:
                    raise UserError(f"{path}: smaller than --patchsize {size}")
            except UserError as error:
                if path not in self.bad:  # said once, not in every epoch
                    self.bad.add(path)
                    _warn(f"{error}; another image takes its place")
                continue
            generator = np.random.default_rng([self.seed, int(position), 1])
            crops = [random_crop(image, size, generator) for _ in range(self.crops_per_image)]
            return np.stack(crops)
        # Through tf.data only the message of an error gets, so it waits here as well.
        self.failure = UserError("--train_glob: not one of the images can be read to its end")
        raise self.failure

    def dataset(self, threads, first=0):
        """A tf.data.Dataset of single crops uint8 [size, size, 3] from the `first` one on."""
        size, block = self.patchsize, self.mixed_images * self.crops_per_image

        def shuffled(number, crops):
            crops = tf.reshape(crops, [block, size, size, 3])
            seed = tf.stack([tf.constant(self.seed, tf.int64), number])
            return tf.random.experimental.stateless_shuffle(crops, seed)

        first_position = first // block * self.mixed_images
        images = tf.data.Dataset.range(first_position, np.iinfo(np.int64).max).map(
            lambda position: tf.numpy_function(self.crops, [position], tf.uint8, stateful=False),
            num_parallel_calls=threads,
            deterministic=True,
        )
        blocks = images.batch(self.mixed_images).enumerate(first // block).map(shuffled)
        return blocks.prefetch(1).unbatch().skip(first % block)


def feature_cache(folder, source, model, count, options):
    """A fixed set of crops with their backbone features, computed once and kept in a folder.

    Returns arrays mapped from the files: crops uint8 [count, size, size, 3] and features
    float16 [count, size / 8, size / 8, channels]. Raises UserError if the folder holds those
    of other images, crops or of another backbone.
    """
    folder = Path(folder)
    described = {
        "images": [os.path.basename(path) for path in source.paths],
        "patchsize": source.patchsize,
        "cached_crops": count,
        **{name: options[name] for name in ("seed", "backbone", "backbone_weights")},
    }
    names, description = ("crops.npy", "features.npy"), folder / "cache.json"
    if description.exists():
        found = json.loads(description.read_text())
        for name, value in described.items():
            if found.get(name) != value:
                shown = "" if name == "images" else f": {found.get(name)}, not {value}"
                raise UserError(f"--feature_cache {folder} was made with other {name}{shown}")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        size, batch = source.patchsize, 8
        shape = (count, size, size, 3)
        crops = source.dataset(options["preprocess_threads"]).batch(batch).prefetch(2)
        parts = [folder / f"{name}.{os.getpid()}.part" for name in names]
        all_crops = np.lib.format.open_memmap(parts[0], "w+", np.uint8, shape)
        features_of, all_features = tf.function(model.attention.features), None
        places = progress_bar(range(0, count, batch), desc="features", unit="batch")
        for start, images in zip(places, crops, strict=False):
            images = images[: count - start]
            features = features_of(tf.cast(images, tf.float32) / 255.0).numpy()
            if all_features is None:
                shape = (count, *features.shape[1:])
                all_features = np.lib.format.open_memmap(parts[1], "w+", np.float16, shape)
            all_crops[start : start + len(images)] = images
            all_features[start : start + len(images)] = features
        all_crops.flush()
        all_features.flush()
        for part, name in zip(parts, names, strict=True):
            os.replace(part, folder / name)
        write_whole(description, json.dumps(described, indent=1) + "\n")
    return tuple(np.load(folder / name, mmap_mode="r") for name in names)


def cached_dataset(crops, features, batchsize, seed, first_batch):
    """An endless tf.data.Dataset of shuffled batches from the arrays of `feature_cache`."""
    count = len(crops)

    def batch(number):
        places = range(int(number) * batchsize, (int(number) + 1) * batchsize)
        orders = {
            epoch: np.random.default_rng([seed, epoch, 2]).permutation(count)
            for epoch in {place // count for place in places}
        }
        chosen = [orders[place // count][place % count] for place in places]
        return crops[chosen], features[chosen]

    def shaped(number):
        images, maps = tf.numpy_function(batch, [number], [tf.uint8, tf.float16], stateful=False)
        images.set_shape([batchsize, *crops.shape[1:]])
        maps.set_shape([batchsize, *features.shape[1:]])
        return {"images": images, "features": maps}

    numbers = tf.data.Dataset.range(first_batch, np.iinfo(np.int64).max)
    return numbers.map(shaped, num_parallel_calls=2, deterministic=True)


def validation_dataset(pattern, patchsize, batchsize):
    """The crop at the centre of every image, in batches like those of the training."""
    paths, _ = find_images(pattern, patchsize, "--valid_glob")

    def crop(path):
        image = read_image(path)
        top, left = ((side - patchsize) // 2 for side in image.shape[:2])
        return image[top : top + patchsize, left : left + patchsize]

    crops = np.stack([crop(path) for path in paths])
    return [crops[start : start + batchsize] for start in range(0, len(crops), batchsize)]


# Checkpoints


def write_config(checkpoint_dir, config):
    """Writes what `read_config` reads."""
    write_whole(Path(checkpoint_dir) / "config.json", json.dumps(config, indent=1) + "\n")


def read_config(checkpoint_dir):
    """The config.json of a checkpoint folder, as a dict. Raises UserError if there is none."""
    path = Path(checkpoint_dir) / "config.json"
    try:
        config = json.loads(path.read_text())
        return {key: config[key] for key in ("architecture", "options", "versions", "step")}
    except FileNotFoundError as error:
        raise UserError(f"{checkpoint_dir}: no trained model here (no config.json)") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not the description of a training ({error})") from error


def build(architecture, options):
    """A new model of a class from the options of its training; those it predates are defaults."""
    chosen = {name: options[name] for name in architecture.model_options if name in options}
    model = architecture(seed=options["seed"], **chosen)
    model(tf.zeros([1, 16, 16, 3]), quality=50.0)  # creates the variables
    return model


def load_weights(model, checkpoint_dir):
    """Sets a model's weights from the checkpoint in a folder. Raises UserError without one."""
    path = tf.train.latest_checkpoint(checkpoint_dir)
    if path is None:
        raise UserError(f"{checkpoint_dir}: no checkpoint here (yet)")
    try:
        status = tf.train.Checkpoint(model=model).restore(path)
        status.assert_existing_objects_matched().expect_partial()
    except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
        raise UserError(f"{path}: broken, or the checkpoint of another model") from error


def restore(checkpoint_dir):
    """The trained model in a folder, ready to `compress`.

    Raises UserError where there is none or it is broken.
    """
    import google_baseline
    import ljpeg
    import ljpeg_attention

    config = read_config(checkpoint_dir)
    architectures = {
        architecture.architecture: architecture
        for architecture in (
            ljpeg.LJPEG,
            ljpeg_attention.LJPEGAttention,
            google_baseline.GoogleBaseline,
        )
    }
    if config["architecture"] not in architectures:
        raise UserError(f"{checkpoint_dir}: unknown architecture {config['architecture']!r}")
    try:
        model = build(architectures[config["architecture"]], config["options"])
    except KeyError as error:
        raise UserError(f"{checkpoint_dir}/config.json: the option {error} is missing") from error
    load_weights(model, checkpoint_dir)
    return model


def _is_stripped(checkpoint_dir):
    return Path(tf.train.latest_checkpoint(checkpoint_dir)).name.startswith(_STRIPPED)


def strip(checkpoint_dir):
    """Leaves of a finished training's checkpoint the weights alone, a third of its size.

    The model compresses and starts others (--init_checkpoint) as before; its training cannot go
    on. Raises UserError where there is no trained model.
    """
    step, model = read_config(checkpoint_dir)["step"], restore(checkpoint_dir)
    if _is_stripped(checkpoint_dir):
        return
    checkpoint = tf.train.Checkpoint(model=model)
    manager = tf.train.CheckpointManager(
        checkpoint, str(checkpoint_dir), 1, checkpoint_name=_STRIPPED
    )
    manager.save(checkpoint_number=step)
    for file in Path(checkpoint_dir).glob("ckpt-*"):
        file.unlink()


def current_step(model):
    """The number of steps that a compiled model has been trained for."""
    return int(model.optimizer.iterations.numpy())


class _Progress(tf.keras.callbacks.Callback):
    """The progress bar: steps of the whole training, and the means since the last summary."""

    def __init__(self, step, last_step):
        super().__init__()
        self.bar = progress_bar(None, initial=step, total=last_step, unit="step")

    def on_train_batch_end(self, batch, logs=None):
        self.bar.set_postfix({k: f"{v:.4g}" for k, v in logs.items()}, refresh=False)
        self.bar.update()

    def on_train_end(self, logs=None):
        self.bar.close()


class _StopRequest(tf.keras.callbacks.Callback):
    """Turns Ctrl-C and SIGTERM into the end of the current step."""

    received = None

    def on_train_begin(self, logs=None):
        def note(number, _):
            self.received = number

        self.before = {n: signal.signal(n, note) for n in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training |= self.received is not None

    def on_train_end(self, logs=None):
        for number, handler in self.before.items():
            signal.signal(number, handler)


class _FiniteLoss(tf.keras.callbacks.Callback):
    """Stops at a loss or a weight that is not finite, before it can reach a checkpoint."""

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            step = current_step(self.model)
            raise UserError(
                f"the loss is no longer finite at step {step}; the last good checkpoint is kept. "
                "A lower --lr usually helps"
            )


class _Checkpoints(tf.keras.callbacks.Callback):
    """Saves model, optimizer and step every `every` steps and at the end; keeps one.

    Every worker saves, as TensorFlow asks for, but only the chief into the folder.
    """

    def __init__(self, folder, model, optimizer, every, config, chief):
        super().__init__()
        self.folder, self.every, self.config, self.chief = Path(folder), every, config, chief
        self.checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer)
        self.elsewhere = None if chief else tempfile.TemporaryDirectory()
        where = str(folder) if chief else self.elsewhere.name
        self.manager = tf.train.CheckpointManager(self.checkpoint, where, max_to_keep=1)
        self.saved = None

    def restore(self):
        """Goes on from the folder's checkpoint, if there is one."""
        path = tf.train.latest_checkpoint(self.folder)
        if path is not None:
            if _is_stripped(self.folder):
                raise UserError(
                    f"{path} holds the weights of a finished training alone, which cannot go on; "
                    f"start another from them with --init_checkpoint {self.folder}"
                )
            try:
                self.checkpoint.restore(path).assert_existing_objects_matched()
            except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
                raise UserError(
                    f"{path}: the checkpoint is broken; move {self.folder} away to start again"
                ) from error
        if self.chief:
            # What a kill left between writing a checkpoint and naming it.
            for file in (*self.folder.glob("ckpt-*"), *self.folder.glob("*.part")):
                if file.is_dir():
                    shutil.rmtree(file)
                elif path is None or not file.name.startswith(f"{Path(path).name}."):
                    file.unlink()

    def save(self):
        step = current_step(self.model)
        if step == self.saved:
            return
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            raise UserError(
                f"the weights are no longer finite at step {step}; the last good checkpoint is "
                "kept. A lower --lr usually helps"
            )
        self.manager.save(checkpoint_number=step)
        if self.chief:
            write_config(self.folder, {**self.config, "step": step})
        self.saved = step

    def on_train_batch_end(self, batch, logs=None):
        if current_step(self.model) % self.every == 0:
            self.save()

    def on_train_end(self, logs=None):
        self.save()


class _Summaries(tf.keras.callbacks.Callback):
    """TensorBoard: scalars, the true bpp and PSNR of real files, pictures, the tables.

    The files are those of the same few training crops throughout, so that the curves compare.
    """

    def __init__(self, folder, model, probes, valid, chief):
        super().__init__()
        # What reads a distributed variable has to happen on every worker.
        make_writer = tf.summary.create_file_writer if chief else tf.summary.create_noop_writer
        self.writer = make_writer(*[str(folder)] * chief)
        self.probes, self.valid = probes, valid

        @tf.function(reduce_retracing=True)
        def loss_terms(images):
            return model.loss_terms(tf.cast(images, tf.float32) / 255.0, quality=PROBE_QUALITY)

        self.loss_terms = loss_terms

    def on_train_batch_end(self, batch, logs=None):
        step = current_step(self.model)
        if step % SUMMARY_STEPS:
            return
        with self.writer.as_default(step):
            for name, value in logs.items():
                tf.summary.scalar(name, value)
            learning_rate = self.model.optimizer.learning_rate
            tf.summary.scalar("learning_rate", learning_rate)
            self.files()
            if step % PICTURE_STEPS == 0 or step == SUMMARY_STEPS:
                self.pictures()
            if step % VALIDATION_STEPS == 0 or step == SUMMARY_STEPS:
                self.validate()
        self.writer.flush()
        self.model.reset_metrics()

    def files(self):
        measured = []
        for image in self.probes:
            data = self.model.compress(image, huffman="standard", quality=PROBE_QUALITY)
            measured.append([bpp(len(data), *image.shape[:2]), psnr(image, decode(data))])
        for name, value in zip(("file/bpp", "file/psnr"), np.mean(measured, 0), strict=True):
            tf.summary.scalar(name, value)

    def pictures(self):
        images = tf.constant(self.probes[:4], tf.float32) / 255.0
        reconstruction, coded = self.model(images, quality=PROBE_QUALITY)
        tf.summary.image("original", images, max_outputs=4)
        tf.summary.image("reconstruction", reconstruction, max_outputs=4)
        names = ("luma", "chroma")
        for name, table in zip(names, tf.unstack(coded.qtables[:1], axis=-1), strict=True):
            tf.summary.image(f"qtables/{name}", _enlarged(table[..., None] / 255.0))
        if coded.attention is not None:
            # Each block's 8x8 factors where the block is in the image.
            maps = from_blocks(coded.attention)
            for name, part in zip(names, tf.unstack(maps, axis=-1), strict=True):
                tf.summary.image(f"attention/{name}", part[..., None], max_outputs=4)

    def validate(self):
        terms = [
            {name: value * len(batch) for name, value in self.loss_terms(batch).items()}
            for batch in self.valid
        ]
        for name in terms[0] if terms else ():
            mean = sum(term[name] for term in terms) / sum(map(len, self.valid))
            tf.summary.scalar(f"valid/{name}", mean)


def progress_bar(iterable, **options):
    """A tqdm bar on stdout that writes seldom where stdout is a file."""
    interval = 0.5 if sys.stdout.isatty() else 30
    return tqdm(iterable, file=sys.stdout, mininterval=interval, maxinterval=interval, **options)


def _enlarged(table):
    return tf.image.resize(table, [128, 128], method="nearest")


# The command


def _warn(message):
    tqdm.write(f"warning: {message}", file=sys.stderr)


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


def _prepare_folder(folder, architecture, options):
    """Makes the checkpoint folder and returns its config, new or matching what it holds."""
    config = {
        "architecture": architecture.architecture,
        "options": options,
        "versions": {
            "python": sys.version.split()[0],
            **{
                name: metadata.version(name)
                for name in ("tensorflow", "tensorflow-compression", "numpy", "pillow", "jpeglib")
            },
        },
        "step": 0,
    }
    if (folder / "config.json").exists():
        found = read_config(folder)
        differences = [
            (f"--{'lambda' if name == 'lmbda' else name}", found["options"].get(name, value), value)
            for name, value in options.items()
            if name in architecture.model_options
        ]
        differences.insert(0, ("architecture", found["architecture"], architecture.architecture))
        for name, old, new in differences:
            if old != new:
                raise UserError(
                    f"{folder} holds a training with {name} {old}, not {new}: give that, or "
                    "another --checkpoint_dir"
                )
        config["step"] = found["step"]
    if config["step"] < options["last_step"]:
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder, config)
    return config


def train(architecture, args):
    """The command `train` of an architecture's script; returns the exit status.

    architecture: a class derived from JPEGPipeline; args: the options of
    `arg_parser.add_train_options`. Raises UserError for a mistake of the user's.
    """
    options = {k: v for k, v in vars(args).items() if k not in ("command", "checkpoint_dir")}
    folder = Path(args.checkpoint_dir)
    source = None
    try:
        strategy, chief = _strategy(args.batchsize)
        paths, pixels = find_images(args.train_glob, args.patchsize, "--train_glob")
        source = CropSource(paths, pixels, args.patchsize, args.seed)
        config = _prepare_folder(folder, architecture, options)
        if _finished(folder, config["step"], args.last_step):
            return 0
        return _fit(architecture, args, options, folder, config, source, strategy, chief)
    except (OSError, tf.errors.OpError) as error:
        if source is not None and source.failure:
            raise source.failure from error
        message = getattr(error, "message", None) or str(error)
        hint = next((h for sign, h in _HINTS.items() if sign in message), None)
        if hint is None:
            raise
        raise UserError(f"{folder}: {hint} ({message.splitlines()[0]})") from error


_HINTS = {
    "No space left": "the disk is full; make room and start the same command again",
    "Permission denied": "cannot be written; choose another --checkpoint_dir",
    "Read-only file system": "cannot be written; choose another --checkpoint_dir",
    "Not a directory": "is not a folder; choose another --checkpoint_dir",
    "File exists": "is not a folder; choose another --checkpoint_dir",
    "OOM when allocating": "not enough memory; lower --batchsize or --patchsize",
}


def _start_from(model, checkpoint_dir):
    """Takes over another model's weights; TensorFlow's restore would bring its optimizer too."""
    try:
        model.set_weights(restore(checkpoint_dir).get_weights())
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"--init_checkpoint {checkpoint_dir} holds other weights than {model.architecture} "
            "needs: take one of the same architecture and backbone"
        ) from error


def _finished(folder, step, last_step):
    if step >= last_step:
        print(f"{folder}: already trained to step {step} (--last_step {last_step})")
    return step >= last_step


def _fit(architecture, args, options, folder, config, source, strategy, chief):
    tf.keras.utils.set_random_seed(args.seed)
    with strategy.scope():
        model = build(architecture, options)
        rate = tf.keras.optimizers.schedules.ExponentialDecay(
            args.lr, DECAY_STEPS, args.lr_decay, staircase=True
        )
        model.compile(optimizer=model.make_optimizer(rate))
        model.optimizer.build(model.trainable_variables)
        checkpoints = _Checkpoints(
            folder, model, model.optimizer, args.checkpoint_steps, config, chief
        )
        checkpoints.restore()
        step = current_step(model)
        if step == 0 and args.init_checkpoint:
            _start_from(model, args.init_checkpoint)
    if _finished(folder, step, args.last_step):
        return 0
    model.warn_of_options()

    if options.get("feature_cache"):
        if args.train_backbone:
            raise UserError("--feature_cache holds features that --train_backbone would change")
        arrays = feature_cache(args.feature_cache, source, model, args.cached_crops, options)
        dataset = cached_dataset(*arrays, args.batchsize, args.seed, step)
        probes = arrays[0][:PROBES]
    else:
        crops = source.dataset(args.preprocess_threads, first=step * args.batchsize)
        dataset = crops.batch(args.batchsize, drop_remainder=True)
        dataset = dataset.map(lambda images: {"images": images})
        probes = source.crops(0)[:PROBES]
    sharding = tf.data.Options()
    # Every worker reads the same stream and takes its share of each batch.
    sharding.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    dataset = dataset.prefetch(2).with_options(sharding)
    valid = []
    if args.valid_glob:
        valid = validation_dataset(args.valid_glob, args.patchsize, args.batchsize)

    stop = _StopRequest()
    summaries = _Summaries(folder, model, probes, valid, chief)
    callbacks = [_FiniteLoss(), stop, checkpoints, summaries]
    if chief:
        callbacks.append(_Progress(step, args.last_step))
    if step:
        print(f"{folder}: goes on at step {step}")
    try:
        model.fit(dataset, steps_per_epoch=args.last_step - step, verbose=0, callbacks=callbacks)
    finally:
        stop.on_train_end()
    step = current_step(model)
    if stop.received is None:
        print(f"{folder}: trained to step {step}")
        return 0
    print(f"{folder}: stopped at step {step}; the same command goes on from there")
    return 128 + stop.received
