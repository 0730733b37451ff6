"""The data of a training: random crops of photographs."""

from concurrent.futures import ThreadPoolExecutor

from learned_jpeg.pictures import reading
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.runtime.paths import shown
from learned_jpeg.runtime.progress import warn

import numpy as np
from PIL import Image

tf = lazy_import("tensorflow")

# The images whose crops are mixed, and the most crops of an image while it is decoded.
MIXED_IMAGES = 32
MAX_CROPS_PER_IMAGE = 64


def _reduced(side, downscale):
    return max(1, round(side / downscale))


def read(path, downscale=1.0):
    """An image as uint8 [height, width, 3], each side divided by `downscale`.

    A reduced photograph shows fewer artifacts of its JPEG file, and more detail in a pixel.
    Raises UserError, naming the file.
    """
    pixels = reading.read(path)
    if downscale == 1:
        return pixels
    size = [_reduced(side, downscale) for side in pixels.shape[1::-1]]
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def find_images(patterns, smallest, option, downscale=1.0):
    """The readable images of globs, folders or lists, sorted, and the median of their pixels.

    Files that are no image, or whose sides divided by `downscale` are below `smallest` pixels, are
    left out with a warning. Raises UserError, naming the option, if no file is left.
    """
    paths = reading.find(patterns, option)

    def check(path):
        try:
            size = [_reduced(side, downscale) for side in reading.size(path)]
        except UserError as error:
            return None, str(error)
        if min(size) < smallest:
            small = f"{size[0]}x{size[1]} is smaller than --patchsize {smallest}"
            return None, f"{shown(path)}: {small}"
        return size[0] * size[1], None

    with ThreadPoolExecutor() as pool:
        checked = list(pool.map(check, paths))
    for _, problem in checked:
        if problem:
            warn(f"left out: {problem}")
    good = [path for path, (pixels, _) in zip(paths, checked, strict=True) if pixels]
    if not good:
        raise UserError(
            f"{option}: none of the {len(paths)} files is an image of at least "
            f"{smallest}x{smallest} pixels (see the warnings above; for small images lower "
            "--patchsize)"
        )
    return good, int(np.median([pixels for pixels, _ in checked if pixels]))


def random_crop(image, size, generator):
    """A square of `size` pixels cut at any pixel, so that the 8x8 grid falls anywhere.

    image: numpy [height, width, 3], both at least `size`; generator: numpy's Generator.
    """
    top = generator.integers(image.shape[0] - size + 1)
    left = generator.integers(image.shape[1] - size + 1)
    return image[top : top + size, left : left + size]


class CropSource:
    """An endless, shuffled stream of crops, which can start at any position.

    Each epoch goes through the images in another order, and each decoded image gives several
    crops. The crops of `mixed_images` successive images form a block, which is shuffled as a whole:
    a batch holds many images, and each image is decoded once in an epoch. All random numbers follow
    from the seed and the position in the stream, so that a resumed training goes on exactly.
    """

    def __init__(self, paths, pixels, patchsize, seed, downscale=1.0):
        self.paths, self.patchsize, self.seed = paths, patchsize, seed
        self.downscale = downscale
        # About as many crops as cover the image once, so that decoding does not limit the speed.
        self.crops_per_image = int(np.clip(pixels // patchsize**2, 8, MAX_CROPS_PER_IMAGE))
        self.mixed_images = min(MIXED_IMAGES, len(paths))
        self.bad, self.seen, self.failure = set(), set(), None

    def crops(self, position):
        """The crops of the image at a position of the stream: uint8 [n, size, size, 3]."""
        size = self.patchsize
        for attempt in range(len(self.paths)):
            epoch, index = divmod(int(position) + attempt, len(self.paths))
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.paths))
            path = self.paths[order[index]]
            try:
                image = read(path, self.downscale)
                if min(image.shape[:2]) < size:
                    raise UserError(f"{shown(path)}: smaller than --patchsize {size}")
                if path not in self.seen:  # warned of once, not in every epoch
                    self.seen.add(path)
                    if damage := reading.damage(path):
                        warn(damage)
            except UserError as error:
                if path not in self.bad:
                    self.bad.add(path)
                    warn(f"{error}; another image takes its place")
                continue
            generator = np.random.default_rng([self.seed, int(position), 1])
            crops = [random_crop(image, size, generator) for _ in range(self.crops_per_image)]
            return np.stack(crops)
        # tf.data passes on only the message of an error, so that the error is kept here.
        self.failure = UserError("--train_glob: none of the images can be read to its end")
        raise self.failure

    def dataset(self, threads, first=0):
        """A tf.data.Dataset of single crops, uint8 [size, size, 3], from crop `first` on."""
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


def validation_batches(paths, patchsize, batchsize, downscale=1.0):
    """The crop at the centre of every image, uint8, in batches like those of the training.

    Images that cannot be read to their end are left out with a warning. Raises UserError if no
    image is left.
    """
    crops = []
    for path in paths:
        try:
            image = read(path, downscale)
        except UserError as error:
            warn(f"left out: {error}")
            continue
        top, left = ((side - patchsize) // 2 for side in image.shape[:2])
        crops.append(image[top : top + patchsize, left : left + patchsize])
    if not crops:
        raise UserError("--valid_glob: none of the images can be read to its end")
    return [np.stack(crops[start : start + batchsize]) for start in range(0, len(crops), batchsize)]
