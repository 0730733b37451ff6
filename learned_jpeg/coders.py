"""What writes the files of a curve, encoder or trained model, behind one interface.

A coder can be sent to another process. It has

    dial: a jpeg_pipeline.Dial, or None where it has one rate;
    encode(pixels uint8 [H, W, 3], dial, table_scale=1.0) -> the bytes of a JPEG file.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

from jpeg_pipeline import Dial
from learned_jpeg import api, checkpoints
from learned_jpeg.encoders import ENCODERS
from learned_jpeg.encoding import Coding
from learned_jpeg.errors import UserError
from learned_jpeg.targets import Setting, Target

# A search is between two checkpoints of a run, see dots.Dot.encode.
_MODELS = 2


@dataclass(frozen=True)
class Encoder:
    """One of ENCODERS. huffman: as its `encode` takes it."""

    name: str
    huffman: str
    rounds = False  # for all that is known of it

    @property
    def dial(self):
        encoder = ENCODERS[self.name]
        low, high = encoder.quality_range
        return Dial("quality", low, high, encoder.qualities[-1], encoder.qualities)

    def encode(self, pixels, dial, table_scale=1.0):
        encoder = ENCODERS[self.name]
        quality = dial if encoder.fractional else round(dial)
        return encoder.encode(pixels, quality, self.huffman)


@dataclass(frozen=True)
class Model:
    """A checkpoint, or an architecture with nothing to train.

    folder: as `api.load` takes it; checkpoint: the digest of its content; coding: how its files
    are written; rounds: whether its integers are rounded, whatever bits they take.
    """

    folder: str
    checkpoint: str
    coding: Coding
    rounds: bool = True

    @property
    def dial(self):
        return self._load().dial

    def encode(self, pixels, dial, table_scale=1.0):
        return self._load().encode(pixels, dial=dial, table_scale=table_scale, **vars(self.coding))

    def _load(self):
        return _load(self.folder, self.checkpoint)


@functools.lru_cache(maxsize=_MODELS)
def _load(folder, checkpoint):
    """The model of a folder; the digest tells a model of yesterday from today's."""
    model = api.load(folder)
    if checkpoint and checkpoints.describe(Path(folder))[2] != checkpoint:
        raise UserError(f"{folder}: the checkpoint changed while it was evaluated")
    return model


def of_size(coders, pixels, n_bytes):
    """The file nearest to a size in bytes and not above it, of coarser to finer coders."""

    @functools.cache
    def encode(coder, dial, table_scale):
        return coder.encode(pixels, dial, table_scale)

    def finished(setting, table_scale):
        return encode(setting.model, setting.dial, table_scale)

    settings = [Setting(coder) for coder in coders]
    return Target("size", n_bytes).encode(pixels, settings, finished)[0]
