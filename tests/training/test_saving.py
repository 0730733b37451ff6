"""Saving: whole or not at all, one checkpoint at a time, without touching other files."""

import errno
import os
import shutil
import threading
from pathlib import Path

from learned_jpeg.models import checkpoints, encoding
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.training import saving

import pytest
import tensorflow as tf


class Killed(BaseException):
    """Stands for a signal that cannot be caught."""


class Model:
    """A pipeline for a Saver: it has one variable, the step at which it is saved."""

    portable = False

    def __init__(self):
        self.step = tf.Variable(0)

    def parts(self):
        return {"step": self.step}


def saver(folder):
    """(Saver, its model) of a folder, which has a config.json from then on."""
    new = {"architecture": "ljpeg", "options": {}, "versions": {}, "step": 0}
    config = saving.find(folder) or new
    checkpoints.write_config(folder, config)
    model = Model()
    return saving.Saver(folder, config, model, tf.Variable(0.0), chief=True), model


def save(folder, step):
    """Saves like a training."""
    made, model = saver(folder)
    made.restore()
    model.step.assign(step)
    made.save(step)


def saved_step(folder):
    made, model = saver(folder)
    made.restore()
    return int(model.step)


def names(folder):
    return {path.name for path in folder.iterdir()}


WHOLE = {"config.json", "checkpoint"}


def checkpoint(step):
    return {f"learned_jpeg-{step}.index", f"learned_jpeg-{step}.data-00000-of-00001"}


def test_the_newest_stays_alone(tmp_path):
    for step in (1, 2, 10):
        save(tmp_path, step)
        assert names(tmp_path) == WHOLE | checkpoint(step)
        assert saved_step(tmp_path) == step


def test_it_can_be_read_while_it_is_saved(tmp_path):
    """As `compress` and `evaluate` do beside a training: one state or the next, no error."""
    made, model = saver(tmp_path)
    made.save(1)
    done = threading.Event()

    def go_on():
        for step in range(2, 60):
            model.step.assign(step)
            made.save(step)
        done.set()

    thread, steps, digests = threading.Thread(target=go_on), [0], set()
    thread.start()
    while not done.is_set():
        read = Model()
        checkpoints.load_weights(read, tmp_path)
        steps.append(int(read.step))
        digests.add(checkpoints.describe(tmp_path)[2])
    thread.join()
    assert steps == sorted(steps)
    assert len(digests) > 1


def test_what_is_not_this_programs_stays(tmp_path):
    foreign = {
        *("ckpt-1.index", "ckpt-best.data-00000-of-00001", "weights-3.index", "a.part", ".part"),
        *("learned_jpeg-1.index.bak", "learned_jpeg-best.index", "my learned_jpeg-1.index"),
        *("notes.txt", "model.h5"),
    }
    for name in foreign:
        (tmp_path / name).write_text("mine")
    folders = {"ckpt-5_temp", "my.part", "learned_jpeg-7.index"}
    for name in folders:
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("mine")
    for step in (1, 2):
        save(tmp_path, step)
        assert names(tmp_path) == WHOLE | checkpoint(step) | foreign | folders
    assert all((tmp_path / name).read_text() == "mine" for name in foreign)
    assert all((tmp_path / name / "file").exists() for name in folders)


def test_a_checkpoint_of_an_earlier_version_goes_when_its_note_does(tmp_path):
    save(tmp_path, 1)
    for file in tmp_path.glob("learned_jpeg-1.*"):
        file.rename(tmp_path / file.name.replace("learned_jpeg", "ckpt"))
    checkpoints.write_note(tmp_path / "ckpt-1")
    (tmp_path / "ckpt-0.index").write_text("mine")
    save(tmp_path, 2)
    assert names(tmp_path) == WHOLE | checkpoint(2) | {"ckpt-0.index"}


CALLS = [(os, "replace"), (os, "fsync"), (os, "unlink"), (Path, "unlink"), (shutil, "rmtree")]


def kill_after(patch, calls, done):
    """The next call but `calls` that changes a folder is the last one; done: it still works."""
    left = [calls]

    def dying(function):
        def call(*args, **kwargs):
            if left[0] < 0:
                raise Killed  # nothing that cleans up runs either
            left[0] -= 1
            if left[0] >= 0 or done:
                result = function(*args, **kwargs)
            if left[0] < 0:
                raise Killed
            return result

        return call

    for place, name in CALLS:
        patch.setattr(place, name, dying(getattr(place, name)))


@pytest.mark.parametrize("before", [0, 5])
def test_a_kill_at_any_point_loses_nothing(tmp_path, monkeypatch, before):
    found, killed, calls = set(), True, 0
    while killed:
        killed = False
        for done in (False, True):
            folder = tmp_path / f"{calls} {done}"
            folder.mkdir()
            made, model = saver(folder)
            if before:
                save(folder, before)
            made.restore()
            model.step.assign(6)
            with monkeypatch.context() as patch:
                kill_after(patch, calls, done)
                try:
                    made.save(6)
                except Killed:
                    killed = True
            found.add(saved_step(folder))
            save(folder, 7)
            assert names(folder) == WHOLE | checkpoint(7)
        calls += 1
    assert calls >= 8
    assert found == {before, 6}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_what_cannot_be_written_leaves_the_last_one(tmp_path, monkeypatch, number):
    save(tmp_path, 1)
    before = names(tmp_path)

    def fail(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=os.strerror(number)):
            save(tmp_path, 2)
    assert names(tmp_path) == before
    assert saved_step(tmp_path) == 1


def test_a_lost_note_is_an_error_and_removes_nothing(tmp_path):
    save(tmp_path, 4)
    for lose in (lambda note: note.write_text(""), lambda note: note.unlink()):
        lose(tmp_path / "checkpoint")
        before = names(tmp_path)
        with pytest.raises(UserError, match='"learned_jpeg-4"'):
            save(tmp_path, 5)
        assert names(tmp_path) == before


@pytest.mark.parametrize("name", ["checkpoint", "learned_jpeg-3.index"])
def test_a_checkpoint_without_a_description_is_not_begun_over(tmp_path, name):
    (tmp_path / name).write_text("x")
    with pytest.raises(UserError, match=r"no config\.json"):
        saving.find(tmp_path)
    assert names(tmp_path) == {name}


def test_a_stripped_checkpoint_is_smaller_and_makes_the_same_files(run, photograph):
    def size():
        return sum(path.stat().st_size for path in run.glob("*.data*"))

    before, whole = encoding.encode(checkpoints.restore(run), photograph), size()
    saving.strip(run)
    stripped = {path.name: path.read_bytes() for path in run.iterdir()}
    saving.strip(run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == stripped
    assert sum(name.startswith("learned_jpeg-3-weights.") for name in stripped) == 2
    assert size() < whole / 2
    assert encoding.encode(checkpoints.restore(run), photograph) == before
    made, _ = saver(run)
    with pytest.raises(UserError, match="--init_checkpoint"):
        made.restore()


def test_what_restores_is_what_was_saved(tmp_path):
    made, _ = saver(tmp_path)
    made.parts["optimizer"].assign(3.5)
    made.save(2)
    other, _ = saver(tmp_path)
    other.restore()
    assert float(other.parts["optimizer"]) == 3.5
