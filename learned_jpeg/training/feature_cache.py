"""A fixed set of crops with a frozen network's features, computed once and kept in a folder."""

import contextlib
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from learned_jpeg.models.checkpoints import sha256
from learned_jpeg.runtime import locks
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import PART, write_whole
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.runtime.paths import shown
from learned_jpeg.runtime.progress import bar
from learned_jpeg.training.saving import remove_parts

import numpy as np

tf = lazy_import("tensorflow")

_ARRAYS = ("crops", "features")
_BATCH = 8


def load(folder, source, features_of, network, count, options):
    """The crops and features of a cache, which is made if the folder holds none.

    source: CropSource; features_of: images [B, size, size, 3] in [0, 1] -> their features;
    network: {what: text} that they follow from; count: of crops; options: those of the training.

    Returns arrays mapped from the files: crops uint8 [count, size, size, 3] and features
    float16 [count, size / 8, size / 8, channels]. Raises UserError if the folder holds those
    of other images, crops or of another network, or is damaged.
    """
    folder, made_of = Path(folder), _made_of(source, network, count, options)
    try:
        if not (folder / "cache.json").exists():
            with locks.alone(folder, "choose another --feature_cache", wait=True):
                if not (folder / "cache.json").exists():
                    threads = options["preprocess_threads"]
                    _make(folder, made_of, source, features_of, count, threads)
    except OSError as error:
        raise UserError(f"--feature_cache {folder} cannot be made ({error})") from error
    try:
        description = json.loads((folder / "cache.json").read_text())
        for name, value in made_of.items():
            found = description["made_of"][name]
            if found != value:
                values = "" if name == "images" else f" ({found}, not {value})"
                raise UserError(
                    f"--feature_cache {folder} was made with other {name}{values}: remove it, or "
                    "choose another"
                )
        if {name: sha256(folder / f"{name}.npy") for name in _ARRAYS} != description["sha256"]:
            raise ValueError("its arrays are not those that were written")
        return tuple(np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS)
    except UserError:
        raise
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise UserError(
            f"--feature_cache {folder} is damaged, or an earlier version's ({error}): remove its "
            "cache.json, crops.npy and features.npy to make it again"
        ) from error


def _made_of(source, network, count, options):
    """All that the content of a cache depends on: {name: value}, images by their digests."""
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(sha256, source.paths))
    return {
        "images": images,
        "downscale": source.downscale,
        "patchsize": source.patchsize,
        "cached_crops": count,
        "seed": options["seed"],
    } | network


def _make(folder, made_of, source, features_of, count, threads):
    for name in _ARRAYS:
        if (folder / f"{name}.npy").exists():
            raise UserError(
                f"--feature_cache {folder} holds a {name}.npy, but no cache.json that describes "
                "it: move it away, or choose another folder"
            )
    remove_parts(folder)
    print(
        f"{shown(folder)}: computing {count} crops with their features, once; the folder can be "
        "deleted after the training"
    )
    features_of = tf.function(features_of)
    batches = source.dataset(threads).batch(_BATCH).prefetch(2)
    starts = bar(range(0, count, _BATCH), desc="features", unit="batch")
    with (
        tempfile.TemporaryDirectory(".part", PART, folder) as part,
        contextlib.ExitStack() as stack,
    ):
        # Not through a memory map of the file, with which a full disk would end the process.
        files = [stack.enter_context(open(Path(part, f"{name}.npy"), "xb")) for name in _ARRAYS]
        for start, crops in zip(starts, batches, strict=False):
            crops = crops[: count - start]
            features = features_of(tf.cast(crops, tf.float32) / 255.0)
            arrays = crops.numpy(), features.numpy().astype(np.float16)
            for file, array in zip(files, arrays, strict=True):
                if not file.tell():
                    header = np.lib.format.header_data_from_array_1_0(array)
                    header["shape"] = (count, *array.shape[1:])
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(array.tobytes())
        stack.close()
        digests = {}
        for name in _ARRAYS:
            digests[name] = sha256(Path(part, f"{name}.npy"))
            os.replace(Path(part, f"{name}.npy"), folder / f"{name}.npy")
    description = {"made_of": made_of, "sha256": digests}
    write_whole(folder / "cache.json", json.dumps(description, indent=1) + "\n")


def dataset(crops, features, batchsize, seed, first_batch):
    """An endless tf.data.Dataset of shuffled batches from the arrays of `load`.

    Its elements: {"images": uint8 [batchsize, size, size, 3], "features": float16}.
    """
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
