"""The command `train`: options, resuming, stopping, and mistakes of users."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import ljpeg
import ljpeg_attention
from learned_jpeg.models import checkpoints
from learned_jpeg.runtime import locks
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.training import feature_cache, saving, summaries, trainer, training

import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from PIL import Image

PROJECT = Path(ljpeg.__file__).parent


def tables(folder):
    return (checkpoints.restore(folder).scaled_qtables / ljpeg.TABLE_SCALE).numpy()


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def scalars(folder):
    """{tag: [(step, value)]} of the summaries; the value is None where it is no scalar."""
    found = {}
    for file in folder.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                tensor = tf.make_ndarray(value.tensor)
                number = None if tensor.ndim else float(tensor)
                found.setdefault(value.tag, []).append((event.step, number))
    return found


@pytest.fixture
def quick(monkeypatch):
    """A loss with a small graph, for tests of other things."""

    def loss_terms(self, images, **_):
        loss = tf.reduce_mean(images) * tf.reduce_sum(self.scaled_qtables)
        return dict.fromkeys(self.loss_names, loss)

    monkeypatch.setattr(ljpeg.LJPEG, "loss_terms", loss_terms)


# Options


def truncated(path):
    Image.fromarray(skimage.data.astronaut()[:64, :64]).save(path)
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "matches no file"),
        (lambda folder: (folder / "a.png").write_text("x"), "none of the 1 files"),
        (lambda folder: Image.new("RGB", (8, 8)).save(folder / "a.png"), "lower --patchsize"),
        (lambda folder: truncated(folder / "a.png"), "can be read to its end"),
    ],
)
def test_without_a_usable_image_training_ends_with_an_error(tmp_path, arguments, make, message):
    make(tmp_path)
    args = arguments(tmp_path / "out", "--last_step=2", glob=str(tmp_path / "*.png"))
    with pytest.raises(UserError, match=message):
        ljpeg.main(args)


@pytest.mark.parametrize(
    ("script", "options", "message"),
    [
        (ljpeg, ["--patchsize=31", "--lpips_weight=5"], "--lpips_weight needs --patchsize 32"),
        (
            ljpeg_attention,
            ["--patchsize=20", "--feature_cache=CACHE"],
            "--feature_cache needs a --patchsize that is a multiple of 8, not 20",
        ),
        (
            ljpeg_attention,
            ["--train_backbone", "--feature_cache=CACHE"],
            "--feature_cache .*--train_backbone",
        ),
        (ljpeg_attention, ["--backbone_weights=no.npz"], "no.npz: no weights of VGG16"),
        (ljpeg_attention, ["--backbone_weights=."], "no weights of VGG16"),
        (ljpeg, ["--valid_glob=nothing/*"], "--valid_glob .*matches no file"),
        (
            ljpeg,
            ["--init_checkpoint=nothing"],
            "--init_checkpoint needs .*nothing: no trained model",
        ),
        (ljpeg_attention, ["--init_checkpoint=TRAINED"], "--init_checkpoint .*model of ljpeg$"),
    ],
)
def test_options_that_cannot_be_meet_an_error_before_anything_is_written(
    tmp_path, arguments, trained, monkeypatch, script, options, message
):
    monkeypatch.chdir(tmp_path)
    options = [option.replace("TRAINED", str(trained)) for option in options]
    with pytest.raises(UserError, match=message):
        script.main(arguments("out", "--last_step=2", *options))
    assert not list(tmp_path.iterdir())


def test_what_is_wrong_is_said_and_a_finished_run_passed_over_without_tensorflow(
    arguments, trained
):
    script = """if True:
        import json, sys
        import ljpeg
        from learned_jpeg.runtime.errors import UserError
        for arguments in json.loads(sys.argv[1]):
            try:
                print(ljpeg.main(arguments))
            except UserError as error:
                print(error)
        print("tensorflow" in sys.modules)
    """
    calls = [
        arguments("out", "--patchsize=31", "--lpips_weight=5"),
        arguments("out", glob="nothing/*"),
        arguments(trained, "--lambda=5"),
        arguments(trained, "--last_step=3"),
    ]
    output = subprocess.check_output(
        [sys.executable, "-c", script, json.dumps(calls)], cwd=PROJECT, text=True
    )
    *lines, tensorflow = output.splitlines()
    expected = ("--lpips_weight", "--train_glob", "--lambda", "already trained", "0")
    assert all(word in line for word, line in zip(expected, lines, strict=True)), output
    assert tensorflow == "False"


def test_a_cluster_that_is_not_described_is_an_error(tmp_path, arguments, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}{")
    with pytest.raises(UserError, match="TF_CONFIG"):
        ljpeg.main(arguments(tmp_path))


# Resuming


def test_a_resumed_run_equals_an_unbroken_one(arguments, tmp_path):
    options = ["--lr=1e-3", "--lr_decay=0.5", "--checkpoint_steps=7"]
    assert ljpeg.main(arguments(tmp_path / "whole", "--last_step=40", *options)) == 0
    assert ljpeg.main(arguments(tmp_path / "parts", "--last_step=20", *options)) == 0
    half = tables(tmp_path / "parts")
    assert ljpeg.main(arguments(tmp_path / "parts", "--last_step=40", *options)) == 0
    whole = tables(tmp_path / "whole")
    np.testing.assert_allclose(tables(tmp_path / "parts"), whole, atol=1e-4)
    assert np.abs(half - whole).max() > 1


def test_the_seed_decides_the_tables(arguments, trained, tmp_path):
    ljpeg.main(arguments(tmp_path, "--last_step=3"))
    np.testing.assert_array_equal(tables(tmp_path), tables(trained))
    starts = [checkpoints.build(ljpeg.LJPEG, {"seed": seed}).scaled_qtables for seed in (0, 4)]
    assert not np.array_equal(*starts)


def test_a_finished_run_says_so(arguments, run, capsys):
    before = files(run)
    for last in (3, 2):
        assert ljpeg.main(arguments(run, f"--last_step={last}", "--lr=1e-6")) == 0
        assert "already trained to step 3" in capsys.readouterr().out
    assert files(run) == before


@pytest.mark.parametrize("option", ["--lambda=0.5", "--total_weight_regularizer=1"])
def test_resuming_with_another_model_names_the_difference(arguments, trained, option):
    with pytest.raises(UserError, match=option.split("=")[0]):
        ljpeg.main(arguments(trained, "--last_step=4", option))


def test_resuming_with_another_architecture_names_it(arguments, trained):
    with pytest.raises(UserError, match="architecture ljpeg, not ljpeg_attention"):
        ljpeg_attention.main(arguments(trained, "--last_step=4"))


def test_a_neighbours_weights_can_be_the_start(arguments, quick, run, tmp_path):
    saving.strip(run)
    with pytest.raises(UserError, match="--init_checkpoint"):
        ljpeg.main(arguments(run, "--last_step=4"))
    init = f"--init_checkpoint={run}"
    ljpeg.main(arguments(tmp_path / "b", "--last_step=1", "--lr=1e-6", "--seed=7", init))
    difference = np.abs(tables(run) - tables(tmp_path / "b"))
    assert 0 < difference.max() < 0.2
    assert checkpoints.read_config(tmp_path / "b")["step"] == 1  # the other's is not taken over


def test_a_training_that_predates_an_option_goes_on(arguments, quick, run):
    config = json.loads((run / "config.json").read_text())
    del config["options"]["rate"]
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="--rate published, not bits"):
        ljpeg.main(arguments(run, "--last_step=4"))
    assert ljpeg.main(arguments(run, "--last_step=4", "--rate=published")) == 0


def test_the_learning_rate_decays(arguments, quick, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "DECAY_STEPS", 2)
    monkeypatch.setattr(summaries, "SUMMARY_STEPS", 1)
    ljpeg.main(arguments(tmp_path, "--last_step=4", "--lr=1e-3", "--lr_decay=0.1"))
    rates = [value for _, value in scalars(tmp_path)["learning_rate"]]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-4], rtol=1e-5)


def test_how_it_ended_is_told_to_scripts(arguments, quick, tmp_path, capsys):
    line = arguments(tmp_path, "--last_step=2", "--json")
    for _ in range(2):  # trained, and finished already
        assert ljpeg.main(line) == 0
        said = capsys.readouterr()
        report = json.loads(said.out)
        assert report.pop("seconds") >= 0
        expected = {"checkpoint_dir": str(tmp_path), "last_step": 2, "step": 2, "status": 0}
        assert report == expected
        assert "step 2" in said.err


def test_a_network_trains_on_cached_features(arguments, tmp_path):
    cache = tmp_path / "cache"
    more = ["--last_step=1", f"--feature_cache={cache}", "--cached_crops=4"]
    assert ljpeg_attention.main(arguments(tmp_path / "a", *more)) == 0
    model = checkpoints.restore(tmp_path / "a")
    crops, features = (np.load(cache / name) for name in ("crops.npy", "features.npy"))
    expected = model.attention.features(crops[1:3].astype(np.float32) / 255)
    np.testing.assert_allclose(features[1:3], expected, rtol=2e-3, atol=1e-3)
    assert scalars(tmp_path / "a").keys() >= {"attention/luma", "attention/chroma"}


@pytest.mark.parametrize(
    ("options", "cache"),
    [
        ("--last_step=3 --cached_crops=5", "out/features"),
        ("--last_step=3 --cached_crops=6", None),  # no crop is seen twice
        ("--last_step=3 --cached_crops=6 --feature_cache=mine", "mine"),
        ("--last_step=3 --cached_crops=0 --feature_cache=mine", None),
        ("--last_step=3 --cached_crops=5 --train_backbone", None),
        ("--last_step=3 --cached_crops=5 --patchsize=20", None),
        ("--last_step=3 --cached_crops=5 --published", None),
    ],
)
def test_features_are_computed_once_where_crops_are_seen_again(
    arguments, tmp_path, monkeypatch, options, cache
):
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(feature_cache, "load", lambda folder, *_: asked.append(str(folder)))
    monkeypatch.setattr(trainer, "fit", lambda *_: 0)
    assert ljpeg_attention.main(arguments("out", *options.split())) == 0
    assert asked == ([cache] if cache else [])


# The folder


def test_one_training_at_a_time(arguments, run):
    before = files(run)
    with locks.alone(run, ""):
        with pytest.raises(UserError, match=rf"in use by process {os.getpid()} on .*another --che"):
            ljpeg.main(arguments(run, "--last_step=4"))
    assert files(run) == before


@pytest.mark.parametrize("text", ["", None])
def test_a_lost_note_is_an_error_and_the_weights_stay(arguments, run, text):
    (run / "checkpoint").unlink()
    if text is not None:
        (run / "checkpoint").write_text(text)
    before = files(run)
    for last in (3, 4):
        with pytest.raises(UserError, match='"learned_jpeg-3"'):
            ljpeg.main(arguments(run, f"--last_step={last}"))
    assert files(run) == before


def test_a_broken_checkpoint_is_named(arguments, run):
    data = next(run.glob("*.data*"))
    data.write_bytes(data.read_bytes()[:100])
    before = files(run)
    with pytest.raises(UserError, match="learned_jpeg-3: .*broken"):
        ljpeg.main(arguments(run, "--last_step=4"))
    assert files(run) == before


def test_a_folder_that_cannot_be_made_is_named(arguments, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "train"):
        with pytest.raises(UserError, match="file"):
            ljpeg.main(arguments(folder, "--last_step=2"))


def test_a_full_disk_is_one_line(arguments, quick, run, monkeypatch):
    before = files(run)

    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, f"{run}/x; No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tf.train.Checkpoint, "write", full)
        with pytest.raises(UserError, match="disk is full; free some space"):
            ljpeg.main(arguments(run, "--last_step=4"))
    changed = {name for name, data in files(run).items() if before.get(name) != data}
    assert all(name.startswith(("events", "config.json")) for name in changed)
    assert ljpeg.main(arguments(run, "--last_step=4")) == 0


# Stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(arguments, quick, tmp_path, capsys, number):
    def send():
        while not (tmp_path / "checkpoint").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    sender = threading.Thread(target=send)
    sender.start()
    status = ljpeg.main(arguments(tmp_path, "--checkpoint_steps=5"))
    sender.join()
    assert status == 128 + number
    assert signal.getsignal(number) == handler
    step = checkpoints.read_config(tmp_path)["step"]
    assert f"stopped at step {step}" in capsys.readouterr().out
    assert ljpeg.main(arguments(tmp_path, f"--last_step={step + 1}")) == 0


def test_a_killed_run_can_be_resumed(arguments, tmp_path):
    command = [sys.executable, str(PROJECT / "ljpeg.py")]
    command += arguments(tmp_path, "--checkpoint_steps=1")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not (tmp_path / "checkpoint").exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    reached = int(checkpoints.newest(tmp_path).name.split("-")[1])
    assert ljpeg.main(arguments(tmp_path, f"--last_step={reached + 2}")) == 0
    left = [name for name in files(tmp_path) if not name.startswith("events")]
    assert len(left) == 4


def test_a_loss_that_is_not_finite_stops_and_keeps_the_good_checkpoint(arguments, run, monkeypatch):
    good = tables(run)
    original = ljpeg.LJPEG.rate
    monkeypatch.setattr(ljpeg.LJPEG, "rate", lambda *args: original(*args) + np.float32("nan"))
    with pytest.raises(UserError, match="no longer finite at step 4"):
        ljpeg.main(arguments(run, "--last_step=9"))
    np.testing.assert_array_equal(tables(run), good)


# Several workers


def test_two_workers_train_like_one_with_the_whole_batch(arguments, tmp_path):
    """Two processes on the loopback: the same losses and tables, within float noise."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(f"127.0.0.1:{free.getsockname()[1]}")
    command = [sys.executable, str(PROJECT / "ljpeg.py")]
    command += arguments(tmp_path / "two", "--last_step=3")
    workers = [
        subprocess.Popen(
            command,
            env=os.environ
            | {
                "TF_CONFIG": json.dumps(
                    {"cluster": {"worker": ports}, "task": {"type": "worker", "index": index}}
                ),
            },
            stdout=subprocess.DEVNULL,
        )
        for index in range(2)
    ]
    assert ljpeg.main(arguments(tmp_path / "one", "--last_step=3")) == 0
    assert [process.wait(timeout=120) for process in workers] == [0, 0]
    two, one = (scalars(tmp_path / folder) for folder in ("two", "one"))
    assert [step for step, _ in one["loss"]] == [3]  # the mean of all steps
    # At tables of 1.5, float noise can round an entry to either side, which mse shows.
    for name, tolerance in (("loss", 1e-5), ("mse", 0.02)):
        np.testing.assert_allclose(two[name], one[name], rtol=tolerance)
    np.testing.assert_allclose(tables(tmp_path / "two"), tables(tmp_path / "one"), rtol=1e-3)
