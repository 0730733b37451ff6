"""Saves a training: whole or not at all, one checkpoint at a time, without touching other files."""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from learned_jpeg.models import checkpoints, portable
from learned_jpeg.runtime import locks
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import PART
from learned_jpeg.runtime.lazy import lazy_import

tf = lazy_import("tensorflow")


_STRIPPED = "-weights"  # the end of the name of a checkpoint without its optimizer
_OWN = re.compile(rf"(learned_jpeg-\d+(?:{_STRIPPED})?)\.(?:index|data-\d{{5}}-of-\d{{5}})")


def find(folder):
    """The config of the training in a folder; None where no training has begun.

    Raises UserError for a broken config, and for a checkpoint without a config.
    """
    folder = Path(folder)
    if (folder / "config.json").exists():
        return checkpoints.read_config(folder)
    if (folder / "checkpoint").exists() or (folder.is_dir() and _own(folder)):
        raise UserError(
            f"{folder} holds a checkpoint, but no config.json that describes it; put that back, "
            "or choose another --checkpoint_dir"
        )
    return None


def _own(folder):
    """{file: the name of its checkpoint}, for files with a name that only this program gives."""
    matches = ((file, _OWN.fullmatch(file.name)) for file in folder.iterdir() if file.is_file())
    return {file: match[1] for file, match in matches if match}


def remove_parts(folder):
    """Removes half written files of a process that was killed. The folder must be locked."""
    for part in folder.glob(f"{PART}*.part"):
        shutil.rmtree(part) if part.is_dir() else part.unlink()


def _save(checkpoint, path):
    """Writes a checkpoint and TensorFlow's note of the newest, and removes earlier checkpoints."""
    folder, before = path.parent, None
    with contextlib.suppress(UserError):
        before = checkpoints.newest(folder)
    with tempfile.TemporaryDirectory(".part", PART, folder) as part:
        checkpoint.write(os.path.join(part, path.name))
        for file in checkpoints.files_of(Path(part) / path.name):
            with open(file, "rb+") as written:  # on the disk before the last checkpoint is removed
                os.fsync(written.fileno())
            os.replace(file, folder / file.name)
    checkpoints.write_note(path)
    old = [file for file, name in _own(folder).items() if name != path.name]
    if before and before.name != path.name:
        old += checkpoints.files_of(before)
    for file in old:
        file.unlink(missing_ok=True)


def is_stripped(path):
    """Whether a checkpoint of this name holds the weights alone."""
    return path.name.endswith(_STRIPPED) or path.name.startswith("weights-")


class Saver:
    """Keeps the newest checkpoint of a training, model and optimizer, in its folder.

    The folder must be locked (`locks.alone`). TensorFlow needs every worker to save, but only the
    chief saves into the folder.
    """

    def __init__(self, folder, config, pipeline, optimizer, chief):
        self.folder, self.config, self.chief = Path(folder), config, chief
        self.pipeline = pipeline
        self.parts = {"model": checkpoints.model_of(pipeline), "optimizer": optimizer}

    def restore(self):
        """Restores the folder's checkpoint, if there is one. Raises UserError."""
        if self.chief:
            remove_parts(self.folder)
        if not self.config["step"] and not (self.folder / "checkpoint").exists():
            whole = [self.folder / name for name in set(_own(self.folder).values())]
            whole = [path for path in whole if checkpoints.is_whole(path)]
            if not whole:
                return
            # The process was killed between its first checkpoint and the note.
            checkpoints.write_note(max(whole, key=lambda path: int(path.name.split("-")[1])))
        path = self.folder / portable.WEIGHTS
        try:
            if not path.exists() or (self.folder / "checkpoint").exists():
                path = checkpoints.newest(self.folder)
            if path.name != portable.WEIGHTS and not is_stripped(path):
                checkpoints.read(path, **self.parts)
                return
        except UserError as error:
            raise UserError(f"{error}; or move {self.folder} away to start again") from error
        raise UserError(
            f"{path} holds only the weights of a finished training, which cannot go on; start a "
            f"new training from them with --init_checkpoint {self.folder}"
        )

    def save(self, step):
        """Saves this step's state, whole or not at all."""
        checkpoint = tf.train.Checkpoint(**self.parts)
        if self.chief:
            _save(checkpoint, self.folder / f"learned_jpeg-{step}")
            if self.pipeline.portable:
                portable.write(self.pipeline, self.folder)
            checkpoints.write_config(self.folder, {**self.config, "step": step})
        else:
            with tempfile.TemporaryDirectory() as elsewhere:
                checkpoint.write(os.path.join(elsewhere, "checkpoint"))


def strip(folder):
    """Removes all but the weights from a finished training's checkpoint, a third of its size.

    The model still compresses and starts other trainings (--init_checkpoint); its own training
    cannot go on. Raises UserError where there is no trained model.
    """
    with locks.alone(folder, "strip another"):
        step, pipeline = checkpoints.read_config(folder)["step"], checkpoints.restore(folder)
        if (Path(folder) / portable.WEIGHTS).exists():
            for file in [*_own(Path(folder)), Path(folder) / "checkpoint"]:
                file.unlink(missing_ok=True)
        elif not is_stripped(checkpoints.newest(folder)):
            path = Path(folder) / f"learned_jpeg-{step}{_STRIPPED}"
            _save(tf.train.Checkpoint(model=checkpoints.model_of(pipeline)), path)
