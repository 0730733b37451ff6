"""Training: the data, resuming, stopping, and what a user may get wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import arg_parser
import ljpeg
import ljpeg_attention
import training
from arg_parser import UserError
from ljpeg import TABLE_SCALE

import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from PIL import Image

PROJECT = Path(training.__file__).parent


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of six photographs of different sizes, kinds and formats."""
    folder = tmp_path_factory.mktemp("photos")
    for name, image in (
        ("astronaut.png", skimage.data.astronaut()[:200, :160]),
        ("coffee.jpg", skimage.data.coffee()[100:300, 100:350]),
        ("chelsea.bmp", skimage.data.chelsea()[:150, :300]),
        ("camera.png", skimage.data.camera()[:180, :180]),
        ("rocket.png", skimage.data.rocket()[200:400, 200:400]),
        ("wide.png", skimage.data.coins()[:150, :150].astype(np.uint16) * 257),
    ):
        Image.fromarray(image).save(folder / name)
    return folder


def arguments(photos, folder, *more, glob="*"):
    return [
        "--checkpoint_dir",
        str(folder),
        "train",
        "--train_glob",
        str(photos / glob),
        "--batchsize=2",
        "--patchsize=32",
        "--preprocess_threads=2",
        "--total_weight_regularizer=10",
        *more,
    ]


def tables(folder):
    return (training.restore(folder).scaled_qtables / TABLE_SCALE).numpy()


def source_of(photos, size=32, seed=0):
    paths, pixels = training.find_images(str(photos / "*"), size, "--train_glob")
    return training.CropSource(paths, pixels, size, seed)


def first_crops(source, count, first=0):
    return np.stack(list(source.dataset(2, first).take(count).as_numpy_iterator()))


# The data


def test_crops_are_cut_from_the_images_at_random_places(photos):
    source = source_of(photos)
    images = [training.read_image(path) for path in source.paths]
    found = set()
    for crop in first_crops(source, 60):
        places = [
            (number, *place)
            for number, image in enumerate(images)
            for place in np.argwhere((image[:-31, :-31] == crop[0, 0]).all(-1))
            if (image[place[0] : place[0] + 32, place[1] : place[1] + 32] == crop).all()
        ]
        assert places
        found.add(places[0])
    assert {number for number, _, _ in found} == set(range(len(images)))
    assert len({(top % 8, left % 8) for _, top, left in found}) > 20


def test_batches_mix_images(photos):
    source = source_of(photos)
    colours = [crop.mean((0, 1)).round().tobytes() for crop in first_crops(source, 16)]
    assert len(set(colours)) > 8


@pytest.mark.parametrize("first", [1, 47, 48, 200])
def test_the_stream_can_be_sought(photos, first):
    source = source_of(photos)
    whole = first_crops(source, first + 4)
    np.testing.assert_array_equal(first_crops(source_of(photos), 4, first), whole[first:])


def test_the_seed_decides_the_stream(photos):
    assert not np.array_equal(
        first_crops(source_of(photos, seed=1), 4), first_crops(source_of(photos, seed=2), 4)
    )


def test_every_epoch_has_every_image_in_another_order(photos):
    source = source_of(photos)
    count = len(source.paths)
    orders = []
    for epoch in range(3):
        starts = [source.crops(epoch * count + place)[:, 0, 0].tobytes() for place in range(count)]
        assert len(set(starts)) == count
        orders.append(np.random.default_rng([0, epoch]).permutation(count).tolist())
    assert len(set(map(tuple, orders))) > 1


def test_bad_and_small_images_are_left_out_with_a_warning(photos, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("RGB", (31, 100)).save(tmp_path / "small.png")
    (tmp_path / "good.png").write_bytes((photos / "astronaut.png").read_bytes())
    paths, _ = training.find_images(str(tmp_path / "*.png"), 32, "--train_glob")
    assert paths == [str(tmp_path / "good.png")]
    warnings = capsys.readouterr().err
    for name in ("text.png", "empty.png", "small.png"):
        assert f"{name}: left out" in warnings


def test_a_truncated_image_is_named_once_and_replaced(photos, tmp_path, capsys):
    whole = (photos / "astronaut.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "good.png").write_bytes(whole)
    crops = first_crops(source_of(tmp_path), 40)
    assert len(crops) == 40
    assert capsys.readouterr().err.count("broken.png") == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "matches no file"),
        (lambda folder: (folder / "a.png").write_text("x"), "none of the 1 files"),
        (lambda folder: Image.new("RGB", (8, 8)).save(folder / "a.png"), "smaller --patchsize"),
        (lambda folder: truncated(folder / "a.png"), "can be read to its end"),
    ],
)
def test_without_a_usable_image_training_ends_with_an_error(tmp_path, make, message):
    make(tmp_path)
    args = arguments(tmp_path, tmp_path / "out", "--last_step=2", glob="*.png")
    with pytest.raises(UserError, match=message):
        ljpeg.main(args)


def truncated(path):
    Image.fromarray(skimage.data.astronaut()[:64, :64]).save(path)
    path.write_bytes(path.read_bytes()[:3000])


# Resuming


def test_a_resumed_run_equals_an_unbroken_one(photos, tmp_path):
    options = ["--lr=1e-4", "--lr_decay=0.5", "--checkpoint_steps=7"]
    assert ljpeg.main(arguments(photos, tmp_path / "whole", "--last_step=200", *options)) == 0
    assert ljpeg.main(arguments(photos, tmp_path / "parts", "--last_step=100", *options)) == 0
    half = tables(tmp_path / "parts")
    assert ljpeg.main(arguments(photos, tmp_path / "parts", "--last_step=200", *options)) == 0
    whole = tables(tmp_path / "whole")
    np.testing.assert_allclose(tables(tmp_path / "parts"), whole, atol=1e-4)
    assert np.abs(half - whole).max() > 1


def test_the_same_seed_gives_the_same_tables_and_another_does_not(photos, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        ljpeg.main(arguments(photos, tmp_path / name, "--last_step=5", f"--seed={seed}"))
    np.testing.assert_array_equal(tables(tmp_path / "a"), tables(tmp_path / "b"))
    assert not np.array_equal(tables(tmp_path / "a"), tables(tmp_path / "c"))


def test_a_finished_run_says_so(photos, tmp_path, capsys):
    assert ljpeg.main(arguments(photos, tmp_path, "--last_step=3")) == 0
    before = sorted(path.name for path in tmp_path.glob("ckpt*"))
    capsys.readouterr()
    for last in (3, 2):
        assert ljpeg.main(arguments(photos, tmp_path, f"--last_step={last}")) == 0
        assert "already trained to step 3" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.glob("ckpt*")) == before


def test_the_folder_holds_one_checkpoint_and_a_description(photos, tmp_path):
    ljpeg.main(arguments(photos, tmp_path, "--last_step=9", "--checkpoint_steps=2"))
    assert len(list(tmp_path.glob("ckpt-*.index"))) == 1
    assert not list(tmp_path.glob("*.part"))
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architecture"] == "ljpeg"
    assert config["step"] == 9
    assert config["versions"]["tensorflow"] == tf.__version__
    options = vars(
        arg_parser.make_parser("", learned_tables=True, backbone=False).parse_args(
            arguments(photos, tmp_path)
        )
    )
    assert set(config["options"]) == set(options) - {"command", "checkpoint_dir"}


@pytest.mark.parametrize("options", [["--lambda=0.5"], ["--total_weight_regularizer=1"]])
def test_resuming_with_another_model_names_the_difference(photos, tmp_path, options):
    ljpeg.main(arguments(photos, tmp_path, "--last_step=2"))
    with pytest.raises(UserError, match=options[0].split("=")[0]):
        ljpeg.main(arguments(photos, tmp_path, "--last_step=4", *options))


def test_resuming_with_another_architecture_names_it(photos, tmp_path):
    ljpeg.main(arguments(photos, tmp_path, "--last_step=2"))
    with pytest.raises(UserError, match="architecture ljpeg, not ljpeg_attention"):
        ljpeg_attention.main(arguments(photos, tmp_path, "--last_step=4"))


def test_a_neighbours_weights_can_be_the_start(photos, tmp_path):
    ljpeg.main(arguments(photos, tmp_path / "a", "--last_step=40"))
    init = f"--init_checkpoint={tmp_path / 'a'}"
    ljpeg.main(arguments(photos, tmp_path / "b", "--last_step=1", "--lr=1e-6", init))
    difference = np.abs(tables(tmp_path / "a") - tables(tmp_path / "b"))
    assert 0 < difference.max() < 0.2
    assert training.read_config(tmp_path / "b")["step"] == 1  # the other's is not taken over
    assert (tmp_path / "b" / "ckpt-1.index").exists()
    with pytest.raises(UserError, match="other weights"):
        ljpeg_attention.main(arguments(photos, tmp_path / "c", "--last_step=1", init))


def test_a_stripped_checkpoint_is_smaller_and_makes_the_same_files(
    photos, tmp_path, capsys, photograph
):
    folder = tmp_path / "a"
    ljpeg.main(arguments(photos, folder, "--last_step=20"))
    before = training.restore(folder).compress(photograph)

    def size():
        return sum(path.stat().st_size for path in folder.glob("*.data*"))

    whole = size()
    training.strip(folder)
    stripped = {path.name: path.read_bytes() for path in folder.iterdir()}
    training.strip(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == stripped
    assert size() < whole / 2
    assert training.restore(folder).compress(photograph) == before
    described = (folder / "config.json").read_bytes()
    assert ljpeg.main(arguments(photos, folder, "--last_step=20", "--lr=1e-6")) == 0
    assert "already trained to step 20" in capsys.readouterr().out
    assert (folder / "config.json").read_bytes() == described
    with pytest.raises(UserError, match="--init_checkpoint"):
        ljpeg.main(arguments(photos, folder, "--last_step=21"))
    init = f"--init_checkpoint={folder}"
    assert ljpeg.main(arguments(photos, tmp_path / "b", "--last_step=1", init)) == 0


# Stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(photos, tmp_path, capsys, number):
    def send():
        while not (tmp_path / "checkpoint").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=send)
    sender.start()
    status = ljpeg.main(arguments(photos, tmp_path, "--checkpoint_steps=5"))
    sender.join()
    assert status == 128 + number
    step = json.loads((tmp_path / "config.json").read_text())["step"]
    assert f"stopped at step {step}" in capsys.readouterr().out
    assert ljpeg.main(arguments(photos, tmp_path, f"--last_step={step + 1}")) == 0


def test_a_killed_run_can_be_resumed(photos, tmp_path):
    command = [sys.executable, str(PROJECT / "ljpeg.py")]
    command += arguments(photos, tmp_path, "--checkpoint_steps=1")
    for wait in (0.0, 0.03):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        before = set(tmp_path.glob("ckpt-*"))
        while set(tmp_path.glob("ckpt-*")) <= before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(wait)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    reached = int(tf.train.latest_checkpoint(str(tmp_path)).rsplit("-", 1)[1])
    assert ljpeg.main(arguments(photos, tmp_path, f"--last_step={reached + 2}")) == 0
    assert len(list(tmp_path.glob("ckpt-*.index"))) == 1


def test_a_loss_that_is_not_finite_stops_and_keeps_the_good_checkpoint(
    photos, tmp_path, monkeypatch
):
    ljpeg.main(arguments(photos, tmp_path, "--last_step=2"))
    good = tables(tmp_path)
    original = ljpeg.LJPEG.rate
    monkeypatch.setattr(ljpeg.LJPEG, "rate", lambda *args: original(*args) + np.float32("nan"))
    with pytest.raises(UserError, match="no longer finite at step 3"):
        ljpeg.main(arguments(photos, tmp_path, "--last_step=9"))
    np.testing.assert_array_equal(tables(tmp_path), good)


def test_a_broken_checkpoint_is_named(photos, tmp_path):
    ljpeg.main(arguments(photos, tmp_path, "--last_step=2"))
    data = next(tmp_path.glob("ckpt-*.data*"))
    data.write_bytes(data.read_bytes()[:100])
    for use in (
        lambda: training.restore(tmp_path),
        lambda: ljpeg.main(arguments(photos, tmp_path, "--last_step=4")),
    ):
        with pytest.raises(UserError, match="ckpt-2: .*broken"):
            use()


def test_a_folder_that_cannot_be_made_is_named(photos, tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "train"):
        with pytest.raises(UserError, match="file"):
            ljpeg.main(arguments(photos, folder, "--last_step=2"))


# Summaries and features


def test_summaries_hold_scalars_files_pictures_and_tables(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SUMMARY_STEPS", 2)
    more = ["--last_step=4", "--lpips_weight=5", f"--valid_glob={photos / '*.png'}"]
    ljpeg_attention.main(arguments(photos, tmp_path, *more))
    (file,) = tmp_path.glob("events*")
    tags = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            tags.setdefault(value.tag, []).append(event.step)
    scalars = {"loss", "mse", "psnr", "rate", "lpips"}
    assert tags.keys() >= scalars | {f"valid/{name}" for name in scalars}
    assert tags["file/bpp"] == tags["loss"] == [2, 4]
    assert {tag.rsplit("/", 1)[0] for tag in tags} >= {"original", "reconstruction"}
    for part in ("luma", "chroma"):
        assert any(tag.startswith(f"attention/{part}") for tag in tags)
        assert any(tag.startswith(f"qtables/{part}") for tag in tags)


def test_cached_features_train_like_computed_ones(photos, tmp_path):
    cache = tmp_path / "cache"
    more = ["--last_step=6", f"--feature_cache={cache}", "--cached_crops=10"]
    ljpeg_attention.main(arguments(photos, tmp_path / "a", *more))
    crops, features = (np.load(cache / name) for name in ("crops.npy", "features.npy"))
    assert (crops.shape, features.shape) == ((10, 32, 32, 3), (10, 4, 4, 256))
    model = training.restore(tmp_path / "a")
    expected = model.attention.features(crops[3:5].astype(np.float32) / 255)
    np.testing.assert_allclose(features[3:5], expected, rtol=2e-3, atol=1e-3)
    stamp = (cache / "features.npy").stat().st_mtime_ns
    ljpeg_attention.main(arguments(photos, tmp_path / "b", *more, "--lambda=0.1"))
    assert (cache / "features.npy").stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match="other patchsize"):
        ljpeg_attention.main(arguments(photos, tmp_path / "c", *more, "--patchsize=40"))


def test_batches_from_the_cache_go_through_all_crops_in_each_epoch():
    crops = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones([1, 8, 8, 3], np.uint8)
    features = np.zeros([6, 1, 1, 4], np.float16)

    def numbers(first, count):
        batches = training.cached_dataset(crops, features, 2, 0, first).take(count)
        return [batch["images"][:, 0, 0, 0].numpy().tolist() for batch in batches]

    epochs = numbers(0, 9)
    for epoch in range(3):
        assert sorted(sum(epochs[3 * epoch : 3 * epoch + 3], [])) == list(range(6))
    assert epochs[:3] != epochs[3:6]
    assert numbers(4, 5) == epochs[4:]


def test_the_learning_rate_decays_every_10000_steps(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "DECAY_STEPS", 2)
    monkeypatch.setattr(training, "SUMMARY_STEPS", 1)
    ljpeg.main(arguments(photos, tmp_path, "--last_step=4", "--lr=1e-3", "--lr_decay=0.1"))
    (file,) = tmp_path.glob("events*")
    rates = [
        float(tf.make_ndarray(value.tensor))
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
        if value.tag == "learning_rate"
    ]
    np.testing.assert_allclose(rates, [1e-3, 1e-3, 1e-4, 1e-4], rtol=1e-5)


# Several workers


def test_two_workers_train_like_one_with_the_whole_batch(photos, tmp_path):
    """Two processes on the loopback: the same losses and tables, within float noise."""
    script = (
        "import sys, training; training.SUMMARY_STEPS = 1\n"
        "import ljpeg; sys.exit(ljpeg.main(sys.argv[1:]))"
    )
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(f"127.0.0.1:{free.getsockname()[1]}")

    def start(folder, **environment):
        command = [sys.executable, "-c", script, *arguments(photos, folder, "--last_step=8")]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), **environment}
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    cluster = {"cluster": {"worker": ports}}
    workers = [
        start(
            tmp_path / "two",
            TF_CONFIG=json.dumps({**cluster, "task": {"type": "worker", "index": index}}),
        )
        for index in range(2)
    ]
    one = start(tmp_path / "one")
    assert [process.wait(timeout=120) for process in (*workers, one)] == [0, 0, 0]

    def scalars(folder, name):
        (file,) = folder.glob("events*")
        return [
            float(tf.make_ndarray(value.tensor))
            for event in tf.compat.v1.train.summary_iterator(str(file))
            for value in event.summary.value
            if value.tag == name
        ]

    assert len(scalars(tmp_path / "one", "loss")) == 8
    # At tables of 1.5, float noise can round an entry to either side, which mse shows.
    for name, tolerance in (("loss", 1e-5), ("mse", 0.02)):
        two, one = (scalars(tmp_path / folder, name) for folder in ("two", "one"))
        np.testing.assert_allclose(two, one, rtol=tolerance)
    np.testing.assert_allclose(tables(tmp_path / "two"), tables(tmp_path / "one"), rtol=1e-3)


def test_a_cluster_that_is_not_described_is_an_error(photos, tmp_path):
    command = [sys.executable, str(PROJECT / "ljpeg.py"), *arguments(photos, tmp_path)]
    environment = {**os.environ, "TF_CONFIG": "{}{"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("error: TF_CONFIG") and "Traceback" not in done.stderr


def test_a_training_that_predates_an_option_has_its_default(photos, tmp_path):
    from ljpeg import main

    folder = tmp_path / "old"
    assert main(arguments(photos, folder, "--last_step=1")) == 0
    config = json.loads((folder / "config.json").read_text())
    del config["options"]["rate"]
    (folder / "config.json").write_text(json.dumps(config))
    assert not training.restore(folder).rate_of_bits
    assert main(arguments(photos, folder, "--last_step=2")) == 0
