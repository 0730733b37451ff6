"""The folder of a trained model: its files, its digest, and the model that they make.

config.json            the architecture, the options, the versions, the step
checkpoint             TensorFlow's note: the name of the newest checkpoint
learned_jpeg-STEP.*    the checkpoint, an index and the data; in folders of earlier versions
                       ckpt-STEP.*, or weights-STEP.* without the optimizer
model.npz              the weights of a portable architecture, which needs no TensorFlow; in a
                       stripped folder in place of the checkpoint
"""

import contextlib
import hashlib
import inspect
import json
import math
import os
import re
import shutil
import tempfile
from pathlib import Path

from learned_jpeg.jpeg.sampling import SAMPLINGS
from learned_jpeg.models import architectures, portable
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import write_whole
from learned_jpeg.runtime.lazy import lazy_import

tf = lazy_import("tensorflow")

# The errors of TensorFlow's reader and of the building of a model if a file is damaged.
_BROKEN = (
    *(AssertionError, AttributeError, LookupError, MemoryError, OverflowError, TypeError),
    ValueError,
)


# The description


def write_config(folder, config):
    """Writes a config.json, a dict as that of `read_config`, into a folder."""
    write_whole(Path(folder) / "config.json", json.dumps(config, indent=1) + "\n")


def read_config(folder):
    """The config.json of a folder: a dict of architecture, options, versions and step.

    Raises UserError, which names the file, if it is missing or broken.
    """
    path = Path(folder) / "config.json"
    kinds = {"architecture": str, "options": dict, "versions": dict, "step": int}
    try:
        config = json.loads(path.read_text())
        config = {name: config[name] for name in kinds}
        wrong = [name for name, kind in kinds.items() if type(config[name]) is not kind]
        if wrong or config["step"] < 0:
            raise ValueError(f"{wrong[0] if wrong else 'step'} is not what it should be")
        return config
    except FileNotFoundError as error:
        raise UserError(f"{folder}: no trained model here (no config.json)") from error
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}: not the description of a training ({error}); put back the file that the "
            "training wrote"
        ) from error


def sha256(path):
    """The SHA-256 digest of a file's content, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_options(architecture):
    """The options of an architecture that name files; () for one that is unknown here."""
    known = architecture in architectures.names()
    return architectures.load(architecture).file_options if known else ()


def describe(folder):
    """The description of a checkpoint folder, without TensorFlow: (architecture, options, digest).

    digest: of all that the model's files depend on, in hexadecimal: the options, the checkpoint,
    and the files that the options name. Raises UserError, which names the folder, if it holds no
    checkpoint.
    """
    config = read_config(folder)
    architecture, options = config["architecture"], config["options"]

    def digest_of(path):
        digest = hashlib.sha256(json.dumps([architecture, options], sort_keys=True).encode())
        try:
            for file in files_of(path):
                digest.update(file.read_bytes())
            for name in _file_options(architecture):
                if options.get(name):
                    digest.update(sha256(options[name]).encode())
        except (OSError, TypeError) as error:
            raise UserError(f"{folder}: its weights cannot be read ({error})") from error
        return digest.hexdigest()

    weights = Path(folder) / portable.WEIGHTS
    if weights.exists():
        digest = hashlib.sha256(json.dumps([architecture, options], sort_keys=True).encode())
        digest.update(weights.read_bytes())
        return architecture, options, digest.hexdigest()
    return architecture, options, _of_newest(folder, digest_of)


# The note


def files_of(path):
    """The files of a checkpoint (its path without an ending), sorted, with the index last."""
    pattern = re.compile(rf"{re.escape(path.name)}\.(index|data-\d{{5}}-of-\d{{5}})")
    return sorted(
        file for file in path.parent.iterdir() if pattern.fullmatch(file.name) and file.is_file()
    )


def is_whole(path):
    """Whether a checkpoint (its path without an ending) has an index and data."""
    return len(files_of(path)) > 1 and path.with_name(f"{path.name}.index").is_file()


def write_note(path):
    """Writes the note that names a checkpoint as its folder's newest, in TensorFlow's format."""
    line = f'model_checkpoint_path: "{path.name}"\n'
    write_whole(path.with_name("checkpoint"), f"{line}all_{line.replace('path', 'paths', 1)}")


def _noted(note):
    """The path in a note, or None. Its folder is the note's, which may have been moved."""
    text = note.read_text() if note.exists() else ""
    named = re.search(r'^model_checkpoint_path: "(.*)"$', text, re.MULTILINE)
    return named and note.with_name(os.path.basename(named[1]) or " ")


def newest(folder):
    """The path, without its ending, of the checkpoint that the note of a folder names.

    Raises UserError, which says what to do, if there is none, or if the note and the files do not
    fit together.
    """
    folder = Path(folder)
    note, found = folder / "checkpoint", []
    try:
        path = _noted(note)
        if path and is_whole(path):
            return path
        if path != _noted(note):  # a training has written another one
            return newest(folder)
        indices = [file for file in folder.glob("*.index") if is_whole(file.with_suffix(""))]
        found = [file.stem for file in sorted(indices, key=os.path.getmtime)]
    except (OSError, ValueError) as error:
        raise UserError(f"{note}: cannot be read ({error})") from error
    if path:
        raise UserError(
            f"{folder}: the files {path.name}.* of its checkpoint are missing; put them back"
        )
    if not found:
        raise UserError(f"{folder}: no checkpoint here (yet)")
    raise UserError(
        f"{note}: the note of the newest checkpoint is missing or broken. Write this line into "
        f'it to go on with {found[-1]}: model_checkpoint_path: "{found[-1]}"'
    )


def _of_newest(folder, use):
    """use(path of the newest checkpoint), which a training may replace at the same time."""
    path = newest(folder)
    try:
        return use(path)
    except UserError:
        if newest(folder) == path:
            raise
        return _of_newest(folder, use)


# Models


def defaults(architecture):
    """{option: default} of a class's model_options and seed, for trainings that predate options."""
    found = {}
    for kind in reversed(architecture.__mro__):
        found |= inspect.signature(kind.__init__).parameters
    names = (*architecture.model_options, "seed")
    return {name: found[name].default for name in names if name in found}


def _fits(value, default):
    """Whether the value of an option has the type of its default."""
    if default is None:
        return value is None or isinstance(value, str)
    if isinstance(default, float):
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is type(default)


def build(architecture, options, **weights):
    """A new model of a class from the options of its training; missing options have defaults.

    weights: nothing, or weights={name: array} of a portable architecture. Raises UserError for
    wrong values of options, and for the weights of another model.
    """
    known = defaults(architecture)
    chosen = known | {name: options[name] for name in known if name in options}
    try:
        for name, default in known.items():
            if not _fits(chosen[name], default):
                raise ValueError(f"{name} is {chosen[name]!r}")
        if chosen.get("sampling", SAMPLINGS[0]) not in SAMPLINGS:
            raise ValueError(f"sampling is {chosen['sampling']!r}")
        pipeline = architecture(**chosen, **weights)
        if not weights:
            rate_setting = pipeline.rate_setting and pipeline.rate_setting.default
            pipeline.reconstruct(tf.zeros([1, 16, 16, 3]), rate_setting)  # creates the variables
    except UserError:
        raise
    except _BROKEN as error:
        raise UserError(
            f"no model of {architecture.architecture} has these options ({error})"
        ) from error
    return pipeline


def model_of(pipeline):
    """The TensorFlow checkpoint of a model, which a file holds under the name `model`."""
    return tf.train.Checkpoint(**pipeline.parts())


@contextlib.contextmanager
def _readable(path):
    """The path, or that of a copy if the path is a pattern to TensorFlow's reader."""
    if not re.search(r"[*?\[\\]", str(path)):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        for file in files_of(path):
            shutil.copy(file, folder)
        yield Path(folder) / path.name


def read(path, **parts):
    """Restores parts, by their names, from a checkpoint. Raises UserError if it is broken."""
    try:
        with _readable(path) as readable:
            status = tf.train.Checkpoint(**parts).read(str(readable))
            status.assert_existing_objects_matched().expect_partial()
    except (tf.errors.OpError, *_BROKEN) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path}: the checkpoint is broken, or that of another model ({reason:.100})"
        ) from error


def load_weights(pipeline, folder):
    """Sets a model's weights to those of a folder. Raises UserError if it has none."""
    arrays = portable.read(folder)
    if arrays is None:
        _of_newest(folder, lambda path: read(path, model=model_of(pipeline)))
        return
    for name, part in pipeline.parts().items():
        part.assign(arrays[name])


def restore(folder):
    """The trained model in a folder, a JPEGPipeline.

    Raises UserError if there is none, or if it is broken.
    """
    config, arrays = read_config(folder), portable.read(folder)
    if not arrays:
        newest(folder)
    try:
        # TensorFlow's checkpoints need the class that was trained.
        find = architectures.load if arrays else architectures.script
        architecture = find(config["architecture"])
        if not architecture.trained:
            raise UserError(f"{config['architecture']} has nothing to train")
        weights = {"weights": arrays} if arrays else {}
        pipeline = build(architecture, config["options"], **weights)
    except UserError as error:
        raise UserError(f"{Path(folder) / 'config.json'}: {error}") from error
    if not arrays:
        load_weights(pipeline, folder)
    return pipeline
