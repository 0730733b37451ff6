"""The objects of an evaluation: images of a test set, points, and curves."""

import bisect
from dataclasses import dataclass, field, replace
from pathlib import Path

from learned_jpeg.evaluation import coders
from learned_jpeg.rivals.encoders import ENCODERS


@dataclass(frozen=True)
class TestImage:
    """An image of the test set. name: its path below the folder of the glob; sha256: its file's."""

    __test__ = False  # pytest would take it for a test, by its name

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Size:
    """The size in bytes that files shall have: `bpp` bits per pixel for all images, or the size of
    the anchor's file at a quality, which depends on the image."""

    anchor: coders.EncoderCoder
    bpp: float | None = None
    quality: float | None = None

    @property
    def name(self):
        """The name of the size in file names."""
        return f"bpp_{self.bpp:g}" if self.bpp else f"size_of_quality_{self.quality:g}"

    @property
    def label(self):
        """The name of the size in messages and tables."""
        if self.bpp:
            return f"{self.bpp:g} bits per pixel"
        return f"the size of {ENCODERS[self.anchor.name].label} at quality {self.quality:g}"

    def bytes(self, pixels):
        """The bytes for an image, uint8 [H, W, 3]."""
        if self.bpp:
            return self.bpp * pixels.shape[0] * pixels.shape[1] / 8
        return len(self.anchor.encode(pixels, self.quality))


@dataclass(frozen=True)
class PointToMeasure:
    """One point of a curve, or of a comparison at equal bytes.

    folder: of its JPEG files; its pickle lies beside it. fingerprint: {name: text} of all that its
    files and figures depend on, apart from the images. coders: a single coder, or, where a size is
    searched, the checkpoints of a run from coarse to fine. rate_setting: the value of the coder's
    rate setting, or None; size: the Size that is searched instead, or None.
    """

    name: str
    folder: Path
    fingerprint: dict = field(hash=False)
    coders: tuple
    rate_setting: float | None = None
    size: object = None

    @property
    def pickle(self):
        return self.folder.with_name(f"{self.folder.name}.pickle")

    def jpeg(self, image):
        """The path of an image's file; its whole name stays, since a.png and a.bmp may exist."""
        return self.folder / f"{image.name}.jpg"

    def encode(self, pixels, sizes=None):
        """The JPEG file of an image, uint8 [H, W, 3].

        sizes: the bytes of the files of all coders, rising, where they are known: the search then
        needs only the two coders around its size.
        """
        if self.size:
            wanted, these = self.size.bytes(pixels), self.coders
            if sizes is not None:
                first = bisect.bisect(sizes, wanted, 1, len(sizes) - 1) - 1
                these = these[first : first + 2]
            return coders.of_size(these, pixels, wanted)
        return self.coders[0].encode(pixels, self.rate_setting)

    def under(self, huffman):
        """The same point under another Huffman choice; None where its integers would differ.

        Rounded integers are the same; a search weighs the bits of the Huffman codes.
        """
        if self.size or not self.coders[0].rounds:
            return None
        own = self.fingerprint["Huffman choice"]
        # .../HUFFMAN_CHOICES/RUN/POINT, or RUN/lambda_VALUE/POINT for a model with a rate setting.
        among = [place for place in self.folder.parents if place.name.split("_")[0] == own]
        if not among:
            return None
        name = among[0].name.replace(own, huffman, 1)
        folder = among[0].with_name(name) / self.folder.relative_to(among[0])
        fingerprint = self.fingerprint | {"Huffman choice": huffman}
        return replace(self, folder=folder, fingerprint=fingerprint)


@dataclass
class Curve:
    """The points of one encoder or run.

    kind: "encoder", "baseline" (of --google_dir) or "run"; label: its name in tables and plots;
    at_size: the points of the searched sizes.
    """

    name: str
    label: str
    kind: str
    points: list
    at_size: list = field(default_factory=list)
