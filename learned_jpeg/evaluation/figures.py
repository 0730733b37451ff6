"""The figures of one point: which of them are valid or missing, and storing new figures."""

import copy
import hashlib
import io

from learned_jpeg.evaluation import stored
from learned_jpeg.evaluation.stored import METRICS, SIZES
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.metrics import measures
from learned_jpeg.models.checkpoints import sha256
from learned_jpeg.runtime.files import write_whole

import numpy as np
from PIL import Image


class Results:
    """The figures of one point for all images, in arrays that stay small for thousands of images.

    figures: {name: float64 [images]} of SIZES and METRICS. missing: {metric: bool [images]}, with
    "file" for images that must be encoded. reasons: {why stored figures are invalid: True}.
    failed: whether the point is left out.
    """

    def __init__(self, point, images, wanted=METRICS):
        self.point, self.images, self.failed = point, images, False
        self.figures = {name: np.full(len(images), np.nan) for name in (*SIZES, *METRICS)}
        self.missing = {name: np.ones(len(images), bool) for name in ("file", *METRICS)}
        self.reasons, self._known = {}, {}
        self._load()
        self.wanted = [name for name in METRICS if name in wanted and name != "bpp"]
        for index, image in enumerate(images):
            # An image without all figures needs its file.
            if any(self.missing[name][index] for name in self.wanted):
                self.missing["file"][index] |= not point.jpeg(image).is_file()

    def _load(self):
        """Reads the pickle, and the journal of an interrupted evaluation."""
        path, expected = self.point.pickle, self.point.fingerprint
        sources = []
        try:
            if path.exists():
                sources.append(stored.load(path))
        except stored.UnreadableError as error:
            self.reasons[f"the pickle is {error}"] = True
        journal = stored.load_journal(path)
        if journal and sources and journal[0] == sources[0][0]:
            stored.merge(sources[0][1], journal[1])
        elif journal:
            sources.append((journal[0], stored.merge({}, journal[1])))
        self._stale = journal is None or journal[0] != expected
        for fingerprint, found in sources:
            names = dict.fromkeys([*expected, *fingerprint])
            changed = [name for name in names if expected.get(name) != fingerprint.get(name)]
            self.reasons |= {f"the {name} changed": True for name in changed}
            for index, image in enumerate(self.images):
                if record := found.get(image.name):
                    self._consider(index, record, changed)

    def _consider(self, index, record, changed):
        image = self.images[index]
        file = self.point.jpeg(image)
        if record["image_sha256"] != image.sha256:
            self.reasons["images changed"] = True
        elif changed:
            if "measuring code" not in changed:
                self._known[index] = record
        elif file.is_file() and sha256(file) != record["jpeg_sha256"]:
            self.reasons["JPEG files changed"] = True
            self._known[index] = record
        else:
            self._take(index, record)

    def _take(self, index, record):
        if "jpeg_sha256" in record:
            for name in ("file", *METRICS):
                self.missing[name][index] = name != "file"
        for name in (*SIZES, *METRICS):
            if name in record:
                self.figures[name][index] = record[name]
                if name in self.missing:
                    self.missing[name][index] = False

    def add_file(self, index, data, record=None):
        """Stores the file of an image, then its record, so that each record has its file.

        record: the figures that are known of the file's pixels, or None.
        """
        image = self.images[index]
        write_whole(self.point.jpeg(image), data)
        digest = hashlib.sha256(data).hexdigest()
        known = self._known.pop(index, {})
        if record is None and known.get("jpeg_sha256") == digest:
            record = known
        if record is None:
            with Image.open(io.BytesIO(data)) as file:
                record = {"height": file.height, "width": file.width}
        bpp = measures.bpp(len(data), record["height"], record["width"])
        sizes = {"n_bytes": len(data), "jpeg_sha256": digest, "bpp": bpp}
        self._append(index, record | sizes | {"image_sha256": image.sha256})

    def add_figures(self, index, figures):
        """Stores the figures of an image's file."""
        self._append(index, figures)

    def _append(self, index, record):
        if self._stale:
            stored.journal(self.point.pickle).unlink(missing_ok=True)
            self._stale = False
        stored.append(self.point.pickle, self.point.fingerprint, self.images[index].name, record)
        self._take(index, record)

    def take_over(self):
        """Adds the figures of another Huffman choice, whose files are recoded without loss.

        The integers are the same, so that only the size differs.
        """
        expected = self.point.fingerprint.get("Huffman choice")
        for huffman in jpeg_file.HUFFMAN:
            missing = np.flatnonzero(self.missing["file"])
            point = self.point.under(huffman)
            if point is None or not len(missing) or huffman == expected:
                continue
            other = Results(point, self.images, ())
            for index in missing:
                file = point.jpeg(self.images[index])
                if other.missing["file"][index] or not file.is_file():
                    continue
                *integers, sampling = jpeg_file.read_jpeg(file.read_bytes())
                data = jpeg_file.write_jpeg(*integers, sampling, expected)
                self.add_file(index, data, other.record(index))

    def to_measure(self, index):
        """The names of the metrics that an image lacks."""
        return [name for name in self.wanted if self.missing[name][index]]

    def record(self, index):
        """The figures of the pixels of an image's file."""
        names = [name for name in METRICS if name != "bpp" and not self.missing[name][index]]
        sizes = {name: int(self.figures[name][index]) for name in ("height", "width")}
        return sizes | {name: float(self.figures[name][index]) for name in names}

    def spread(self, number, indices):
        """These Results for more images, whose figures are NaN. indices: of the present images."""
        result = copy.copy(self)
        result.figures = {name: np.full(number, np.nan) for name in self.figures}
        for name, column in self.figures.items():
            result.figures[name][indices] = column
        return result

    def is_complete(self):
        """Whether no file and no figure is missing."""
        return not any(self.missing[name].any() for name in ("file", *self.wanted))

    def close(self):
        """Moves the figures of the journal into the pickle."""
        stored.fold(self.point.pickle, self.point.fingerprint)
