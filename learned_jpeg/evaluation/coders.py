"""Coders: the encoders and trained models that write the files of a curve, with one interface.

A coder can be sent to another process. It has

    rate_setting: a model.RateSetting, or None for a coder of a single rate;
    encode(pixels uint8 [H, W, 3], rate_setting, table_scale=1.0, sampling=None) -> the bytes of a
        JPEG file; sampling: of chroma, None for the coder's own.
"""

import functools
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from learned_jpeg.jobs.targets import Setting, Target
from learned_jpeg.models import checkpoints, encoding, shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.models.model import RateSetting
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

tf = lazy_import("tensorflow")

# Models in memory. The models of a run encode each image together, to share its features.
TOGETHER = 8
_MEMORY = 200_000_000  # bytes of a network's kept output: features of about 12 megapixels


@dataclass(frozen=True)
class EncoderCoder:
    """An encoder of ENCODERS. huffman: the argument of its `encode`."""

    name: str
    huffman: str
    rounds = False  # its integers may depend on the Huffman choice
    shared = None

    @property
    def slow(self):
        return ENCODERS[self.name].slow

    @property
    def rate_setting(self):
        encoder = ENCODERS[self.name]
        low, high = encoder.quality_range
        return RateSetting("quality", low, high, encoder.qualities[-1], encoder.qualities)

    def encode(self, pixels, rate_setting, table_scale=1.0, sampling=None):
        encoder = ENCODERS[self.name]
        quality = rate_setting if encoder.fractional else round(rate_setting)
        return encoder.encode(pixels, quality, self.huffman)


@dataclass(frozen=True)
class ModelCoder:
    """A checkpoint, or an architecture without training.

    folder: the argument of `shipped.load`; checkpoint: the digest of its content; coding: how its
    files are written; rounds: whether its integers are rounded, so that they do not depend on the
    Huffman choice; shared: a name of the network whose output for an image is the same at other
    points, of this model or of models with the same frozen network; or None.
    """

    folder: str
    checkpoint: str
    coding: Coding
    rounds: bool = True
    shared: str | None = None
    slow = False

    @property
    def rate_setting(self):
        return self._load().rate_setting

    def encode(self, pixels, rate_setting, table_scale=1.0, sampling=None):
        coding = replace(self.coding, sampling=sampling or self.coding.sampling)
        return encoding.encode(self._load(), pixels, rate_setting, coding, table_scale)

    def _load(self):
        return _load(self.folder, self.checkpoint, self.shared)


@functools.lru_cache(maxsize=TOGETHER)
def _load(folder, checkpoint, shared):
    """The model of a folder; the digest distinguishes versions of the same folder."""
    model = shipped.load(folder)
    if shared:
        model.share(functools.partial(_remember, shared))
    if checkpoint and checkpoints.describe(Path(folder))[2] != checkpoint:
        raise UserError(f"{folder}: the checkpoint changed while it was evaluated")
    return model


class _Remembered:
    """A network that remembers its outputs for recent pictures or tiles.

    network: images [1, H, W, 3] -> float32 [1, H', W', C].
    """

    def __init__(self, network):
        signature = [tf.TensorSpec([None, None, None, 3])]
        self._network = tf.function(network, signature, autograph=False)
        self._channels = self._network.get_concrete_function().output_shapes[-1]
        self._known, self._bytes = {}, 0

    def __call__(self, images):
        """The network's output, within a graph, from memory where it is there."""
        found = tf.numpy_function(self._look_up, [images], tf.float32, stateful=False)
        return tf.ensure_shape(found, [None, None, None, self._channels])

    def _look_up(self, images):
        key = images.shape, hashlib.sha256(np.ascontiguousarray(images)).digest()
        if key not in self._known:
            found = self._network(images).numpy()
            if self._bytes + found.nbytes > _MEMORY:
                self._known, self._bytes = {}, 0
            self._known[key] = found
            self._bytes += found.nbytes
        return self._known[key]


_remembered = {}  # {shared: the _Remembered in use}, a single entry


def _remember(shared, network):
    """The _Remembered of a network, which all networks of the same name share."""
    if shared not in _remembered:
        _remembered.clear()
        _remembered[shared] = _Remembered(network)
    return _remembered[shared]


def of_size(coders, pixels, n_bytes):
    """The file nearest to a size in bytes and not above it. coders: from coarse to fine."""

    @functools.cache
    def encode(setting, table_scale):
        return setting.model.encode(pixels, setting.rate_setting, table_scale, setting.sampling)

    settings = [Setting(coder) for coder in coders]
    return Target("size", n_bytes).encode(pixels, settings, encode)[0]
