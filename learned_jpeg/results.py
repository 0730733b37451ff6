"""The figures of dots: what of them holds, what is still to be measured, and measuring it.

Files first, figures after: each checkpoint encodes all its images, then each image is measured
at all dots, so that models and what is computed of an original come up once.
"""

import copy
import hashlib
import io
import sys
from collections import defaultdict

from learned_jpeg import dot_cache, jpeg_file, metrics, workers
from learned_jpeg.checkpoints import sha256
from learned_jpeg.dot_cache import METRICS, SIZES
from learned_jpeg.errors import UserError
from learned_jpeg.files import write_whole

import numpy as np
from PIL import Image
from tqdm import tqdm

# Files of a dot, or of an image, that a worker takes at a time.
_TOGETHER = 16


class Results:
    """What is known of one dot, image by image, in arrays that stay small for thousands of them.

    figures: {name: float64 [images]} of SIZES and METRICS. missing: {metric: bool [images]}, also
    under "file" for those that are to be encoded. reasons: why what was measured does not do.
    failed: whether the dot is left out.
    """

    def __init__(self, dot, images, wanted=METRICS):
        self.dot, self.images, self.failed = dot, images, False
        self.figures = {name: np.full(len(images), np.nan) for name in (*SIZES, *METRICS)}
        self.missing = {name: np.ones(len(images), bool) for name in ("file", *METRICS)}
        self.reasons, self._known = {}, {}
        self._load()
        self.wanted = [name for name in METRICS if name in wanted and name != "bpp"]
        for index, image in enumerate(images):
            # What is to be measured needs its file.
            if any(self.missing[name][index] for name in self.wanted):
                self.missing["file"][index] |= not dot.jpeg(image).is_file()

    def _load(self):
        """Takes what is on the disk: the pickle, and the journal of an evaluation that ended."""
        path, expected = self.dot.pickle, self.dot.fingerprint
        sources = []
        try:
            if path.exists():
                sources.append(dot_cache.load(path))
        except dot_cache.UnreadableError as error:
            self.reasons[f"the pickle is {error}"] = True
        journal = dot_cache.load_journal(path)
        if journal and sources and journal[0] == sources[0][0]:
            dot_cache.merge(sources[0][1], journal[1])
        elif journal:
            sources.append((journal[0], dot_cache.merge({}, journal[1])))
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
        file = self.dot.jpeg(image)
        if record["image_sha256"] != image.sha256:
            self.reasons["images changed"] = True
        elif changed:
            if "measuring code" not in changed:
                self._known[index] = record
        elif file.is_file() and sha256(file) != record["jpeg_sha256"]:
            self.reasons["JPEG files are not those that were measured"] = True
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
        """Keeps the file of an image: first itself, so that no record speaks of a missing one.

        record: what else is known of its pixels.
        """
        image = self.images[index]
        write_whole(self.dot.jpeg(image), data)
        digest = hashlib.sha256(data).hexdigest()
        known = self._known.pop(index, {})
        if record is None and known.get("jpeg_sha256") == digest:
            record = known
        if record is None:
            with Image.open(io.BytesIO(data)) as file:
                record = {"height": file.height, "width": file.width}
        bpp = metrics.bpp(len(data), record["height"], record["width"])
        sizes = {"n_bytes": len(data), "jpeg_sha256": digest, "bpp": bpp}
        self._append(index, record | sizes | {"image_sha256": image.sha256})

    def add_figures(self, index, figures):
        """Keeps what is measured of an image's file."""
        self._append(index, figures)

    def _append(self, index, record):
        if self._stale:
            dot_cache.journal(self.dot.pickle).unlink(missing_ok=True)
            self._stale = False
        dot_cache.append(self.dot.pickle, self.dot.fingerprint, self.images[index].name, record)
        self._take(index, record)

    def to_measure(self, index):
        """The names of the metrics that an image lacks."""
        return [name for name in self.wanted if self.missing[name][index]]

    def record(self, index):
        """What is measured of the pixels of an image's file."""
        names = [name for name in METRICS if name != "bpp" and not self.missing[name][index]]
        sizes = {name: int(self.figures[name][index]) for name in ("height", "width")}
        return sizes | {name: float(self.figures[name][index]) for name in names}

    def spread(self, number, indices):
        """The same over more images, whose figures are NaN. indices: of its own among those."""
        result = copy.copy(self)
        result.figures = {name: np.full(number, np.nan) for name in self.figures}
        for name, column in self.figures.items():
            result.figures[name][indices] = column
        return result

    def is_complete(self):
        """Whether nothing is left to do."""
        return not any(self.missing[name].any() for name in ("file", *self.wanted))

    def close(self):
        """Puts what is in the journal into the pickle."""
        dot_cache.fold(self.dot.pickle, self.dot.fingerprint)


def measure_all(dots, images, wanted, pool, sizes_of=None):
    """Measures what is not measured yet.

    dots: {Dot: name for people}; wanted: names of metrics; pool: a workers.Pool; sizes_of: {Dot of
    a searched size: bytes [images, coders], rising}, where they are known.

    Returns ({dot: Results}, the images that could be read). Dots and images that fail are left
    out, each with a line that says why.
    """
    results = {dot: Results(dot, images, wanted) for dot in dots}
    _explain(dots, results)
    for result in results.values():
        _take_over(result)
    if all(result.is_complete() for result in results.values()):
        return results, images
    readable = _readable(images, results, pool)
    if len(readable) < len(images):
        images = readable
        results = {dot: Results(dot, images, wanted) for dot in dots}
    _encode(dots, results, pool, sizes_of or {})
    _measure(results, images, pool)
    for result in results.values():
        if not result.failed:
            result.close()
    return results, images


def _readable(images, results, pool):
    """Those that are images; what has figures already has been read before."""
    known = [
        any(not result.missing["file"][i] for result in results.values())
        for i in range(len(images))
    ]
    unread = [index for index, is_known in enumerate(known) if not is_known]
    calls = ((index, workers.readable, (images[index].path,)) for index in unread)
    found = dict(pool.completed(calls)) if unread else {}
    for index in unread:
        usable, line = found[index]
        if line:
            say(f"{'warning' if usable else 'skipped'}: {line}")
    readable = [image for index, image in enumerate(images) if found.get(index, (True,))[0]]
    if not readable:
        raise UserError("--test_image_glob: not one of the files is an image")
    return readable


def _encode(dots, results, pool, sizes_of):
    waiting = {result: np.flatnonzero(result.missing["file"]) for result in results.values()}
    total = sum(map(len, waiting.values()))
    if not total:
        return
    together = max(1, min(_TOGETHER, total // (4 * pool.count)))

    def calls():
        for result, indices in waiting.items():
            for start in range(0, len(indices), together):
                part = indices[start : start + together]
                if result.failed:
                    bar.update(len(part))
                    continue
                sizes = sizes_of.get(result.dot)
                images = [
                    (result.images[index].path, None if sizes is None else list(sizes[index]))
                    for index in part
                ]
                bar.set_postfix_str(dots[result.dot], refresh=False)
                yield (result, part), workers.encode, (result.dot, images, pool.threads)

    with _bar("encoding", total) as bar:
        for (result, part), (files, error) in pool.completed(calls()):
            for index, data in zip(part, files, strict=False):
                result.add_file(index, data)
            if error:
                if not result.failed:
                    say(f"skipped: {dots[result.dot]}: {error}")
                result.failed = True
            bar.update(len(part))


def _measure(results, images, pool):
    results = [result for result in results.values() if not result.failed]
    lacking = [
        [result for result in results if result.to_measure(index)] for index in range(len(images))
    ]
    total = sum(map(len, lacking))
    if not total:
        return
    together = max(1, min(_TOGETHER, total // (4 * pool.count)))

    def calls():
        for index, (image, those) in enumerate(zip(images, lacking, strict=True)):
            for start in range(0, len(those), together):
                part = those[start : start + together]
                files = [(one.dot.jpeg(image).read_bytes(), one.to_measure(index)) for one in part]
                bar.set_postfix_str(image.name, refresh=False)
                yield (index, part), workers.measure, (image, files, pool.threads)

    with _bar("measuring", total) as bar:
        for (index, part), found in pool.completed(calls()):
            for result, figures in zip(part, found, strict=True):
                result.add_figures(index, figures)
            bar.update(len(part))


def _take_over(result):
    """Adds what is measured under another Huffman choice: the same integers, so only the size
    differs. The file is recoded from the other one."""
    for huffman in jpeg_file.HUFFMAN:
        missing = np.flatnonzero(result.missing["file"])
        dot = result.dot.under(huffman)
        if dot is None or not len(missing) or huffman == result.dot.fingerprint["Huffman choice"]:
            continue
        other = Results(dot, result.images, ())
        for index in missing:
            file = dot.jpeg(result.images[index])
            if other.missing["file"][index] or not file.is_file():
                continue
            *integers, sampling = jpeg_file.read_jpeg(file.read_bytes())
            huffman_choice = result.dot.fingerprint["Huffman choice"]
            data = jpeg_file.write_jpeg(*integers, sampling, huffman_choice)
            result.add_file(index, data, other.record(index))


def _explain(dots, results):
    """Says why what was measured does not do, once for all dots of a curve and reason."""
    names = defaultdict(list)
    for dot, label in dots.items():
        if results[dot].reasons:
            curve, _, name = label.rpartition("/")
            names[curve, "; ".join(results[dot].reasons)].append(name)
    for (curve, reasons), those in names.items():
        which = ", ".join(those) if len(those) < 4 else f"{len(those)} dots"
        say(f"measured again: {curve} ({which}): {reasons}")


def _bar(what, total):
    return tqdm(
        desc=what,
        total=total,
        unit="file",
        dynamic_ncols=True,
        mininterval=0.2 if sys.stderr.isatty() else 30,  # a log file needs fewer lines
    )


def say(line):
    """Prints a line on stderr, beside a progress bar."""
    tqdm.write(line, file=sys.stderr)
