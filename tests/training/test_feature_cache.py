"""The fixed crops and their features: made once, identified by content, never mixed up."""

import errno
import os
import shutil
import threading

from learned_jpeg.runtime.errors import UserError
from learned_jpeg.training import crops, feature_cache
from ljpeg_attention import LJPEGAttention

import numpy as np
import pytest
import tensorflow as tf

OPTIONS = {"seed": 0, "backbone": "vgg16", "backbone_weights": None, "preprocess_threads": 2}


def features_of(images):
    """A stand-in for a backbone: the mean colour of each block."""
    return tf.nn.avg_pool2d(images, 8, 8, "VALID")


def no_features(images):
    raise AssertionError("made again")


def source_of(photos, size=32):
    return crops.CropSource(*crops.find_images(str(photos / "*"), size, "--train_glob"), size, 0)


def load(folder, photos, function=features_of, count=10, size=32, **options):
    options, source = OPTIONS | options, source_of(photos, size)
    network = LJPEGAttention.frozen_network(options)
    return feature_cache.load(folder, source, function, network, count, options)


@pytest.fixture(scope="module")
def made(photos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "new"
    load(folder, photos)
    return folder


@pytest.fixture
def cache(made, tmp_path):
    return shutil.copytree(made, tmp_path / "cache")


def test_features_are_those_of_the_crops(made, photos):
    arrays = load(made, photos, no_features)
    assert [(array.shape, array.dtype) for array in arrays] == [
        ((10, 32, 32, 3), np.uint8),
        ((10, 4, 4, 3), np.float16),
    ]
    expected = np.stack(list(source_of(photos).dataset(2).take(10).as_numpy_iterator()))
    np.testing.assert_array_equal(arrays[0], expected)
    blocks = expected.reshape(10, 4, 8, 4, 8, 3).mean((2, 4)) / 255
    np.testing.assert_allclose(arrays[1], blocks, atol=1e-3)
    assert {path.name for path in made.iterdir()} == {"cache.json", "crops.npy", "features.npy"}


def test_equal_names_with_another_content_are_other_images(cache, photos, tmp_path):
    copy = shutil.copytree(photos, tmp_path / "photos")
    load(cache, copy, no_features)  # the same content elsewhere
    shutil.copy(photos / "rocket.png", copy / "camera.png")
    with pytest.raises(UserError, match="made with other images"):
        load(cache, copy)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("patchsize", {"size": 40}),
        ("cached_crops", {"count": 9}),
        ("seed", {"seed": 1}),
        ("backbone", {"backbone": "vgg19"}),
    ],
)
def test_what_differs_is_named(made, photos, name, change):
    with pytest.raises(UserError, match=rf"made with other {name} \(.*remove it"):
        load(made, photos, **change)


def test_weights_are_told_by_their_content(photos, tmp_path):
    weights = tmp_path / "weights.npz"
    weights.write_text("a")
    load(tmp_path / "cache", photos, backbone_weights=str(weights))
    weights.write_text("b")
    with pytest.raises(UserError, match="backbone_weights"):
        load(tmp_path / "cache", photos, backbone_weights=str(weights))


@pytest.mark.parametrize("name", ["cache.json", "crops.npy", "features.npy"])
@pytest.mark.parametrize(
    "damage", [lambda data: data[:-3], lambda data: b"", lambda data: b"[" + data[1:-9] + data[-8:]]
)
def test_a_damaged_cache_is_an_error_that_says_how_to_go_on(cache, photos, name, damage):
    (cache / name).write_bytes(damage((cache / name).read_bytes()))
    with pytest.raises(UserError, match=r"damaged.*remove its cache\.json"):
        load(cache, photos)
    for file in ("cache.json", "crops.npy", "features.npy"):
        (cache / file).unlink()
    load(cache, photos)


def test_arrays_of_somebody_else_stay(photos, tmp_path):
    (tmp_path / "crops.npy").write_text("mine")
    with pytest.raises(UserError, match=r"crops\.npy"):
        load(tmp_path, photos)
    assert (tmp_path / "crops.npy").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--feature_cache .*file cannot be made"):
        load(tmp_path / "file", photos)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(feature_cache.os, "replace", full)
    with pytest.raises(UserError, match="cannot be made .*No space left"):
        load(tmp_path / "cache", photos)
    assert not list((tmp_path / "cache").iterdir())


def test_two_at_once_make_it_once(photos, tmp_path):
    made = []

    def slow(images):
        made.append(threading.get_ident())  # while tracing
        return features_of(images)

    threads = [threading.Thread(target=load, args=(tmp_path, photos, slow)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1
    load(tmp_path, photos, no_features)


def test_batches_go_through_all_crops_in_each_epoch():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones([1, 8, 8, 3], np.uint8)
    features = np.zeros([6, 1, 1, 4], np.float16)

    def numbers(first, count):
        batches = feature_cache.dataset(images, features, 2, 0, first).take(count)
        return [batch["images"][:, 0, 0, 0].numpy().tolist() for batch in batches]

    epochs = numbers(0, 9)
    for epoch in range(3):
        assert sorted(sum(epochs[3 * epoch : 3 * epoch + 3], [])) == list(range(6))
    assert epochs[:3] != epochs[3:6]
    assert numbers(4, 5) == epochs[4:]
