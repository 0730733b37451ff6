"""Measures the figures that are missing.

First each checkpoint encodes all its images, together with the checkpoints that share a network.
Then each image is measured at all points. So each model is loaded once, and an original is analysed
once.
"""

import sys
from collections import defaultdict

from learned_jpeg.evaluation import coders
from learned_jpeg.evaluation.figures import Results
from learned_jpeg.jobs import workers
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.paths import shown

import numpy as np
from tqdm import tqdm

# Files of a point, or an image, that a worker takes at a time. Of a slow encoder it takes one file,
# so that each file is stored and counted at once.
_TOGETHER = 16


def measure_all(points, images, wanted, pool, sizes_of=None):
    """Measures the figures that are missing.

    points: {PointToMeasure: its name in messages}; wanted: names of metrics; pool: a workers.Pool;
    sizes_of: {point of a searched size: bytes [images, coders], rising}, where they are known.

    Returns ({point: Results}, the images that could be read). Points and images that fail are left
    out, each with a line that says why.
    """
    results = {point: Results(point, images, wanted) for point in points}
    _explain(points, results)
    for result in results.values():
        result.take_over()
    if all(result.is_complete() for result in results.values()):
        _close(results)
        return results, images
    readable = _readable(images, results, pool)
    if len(readable) < len(images):
        images = readable
        results = {point: Results(point, images, wanted) for point in points}
    _encode(points, results, pool, sizes_of or {})
    _measure(results, images, pool)
    _close(results)
    return results, images


def _close(results):
    for result in results.values():
        if not result.failed:
            result.close()


def _readable(images, results, pool):
    """The images that can be read; images with figures have been read before."""
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
        raise UserError("--test_image_glob: none of the files can be read as an image")
    return readable


def _encode(points, results, pool, sizes_of):
    total = sum(result.missing["file"].sum() for result in results.values())
    if not total:
        return
    together = max(1, min(_TOGETHER, total // (4 * pool.count)))

    def sizes(result, index):
        known = sizes_of.get(result.point)
        return None if known is None else list(known[index])

    def calls():
        for group in _groups(results.values()):
            indices = np.flatnonzero(np.any([one.missing["file"] for one in group], axis=0))
            slow = any(one.point.coders[0].slow for one in group)
            step = 1 if slow else max(1, together // len(group))
            for start in range(0, len(indices), step):
                part = indices[start : start + step]
                images = [
                    (
                        group[0].images[index].path,
                        {
                            number: sizes(one, index)
                            for number, one in enumerate(group)
                            if one.missing["file"][index] and not one.failed
                        },
                    )
                    for index in part
                ]
                bar.set_postfix_str(shown(points[group[0].point]), refresh=False)
                these = [one.point for one in group]
                yield (group, part, images), workers.encode, (these, images, pool.threads)

    with _bar("encoding", total) as bar:
        for (group, part, images), (files, errors) in pool.completed(calls()):
            for index, (_, wanted), of_image in zip(part, images, files, strict=True):
                for number, data in of_image.items():
                    group[number].add_file(index, data)
                bar.update(len(wanted))
            for number, error in errors.items():
                if not group[number].failed:
                    say(f"skipped: {points[group[number].point]}: {error}")
                group[number].failed = True


def _groups(results):
    """Lists of Results whose points encode an image together, to share a network's output."""
    groups = defaultdict(list)
    for number, result in enumerate(results):
        shared = result.point.coders[0].shared
        key = (shared, result.point.folder.parent) if shared else number
        groups[key].append(result)
    for group in groups.values():
        for start in range(0, len(group), coders.TOGETHER):
            yield group[start : start + coders.TOGETHER]


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
                files = [
                    (one.point.jpeg(image).read_bytes(), one.to_measure(index)) for one in part
                ]
                bar.set_postfix_str(shown(image.name), refresh=False)
                yield (index, part), workers.measure, (image, files, pool.threads)

    with _bar("measuring", total) as bar:
        for (index, part), found in pool.completed(calls()):
            for result, figures in zip(part, found, strict=True):
                result.add_figures(index, figures)
            bar.update(len(part))


def _explain(points, results):
    """Says why stored figures are invalid, once for all points of a curve and reason."""
    names = defaultdict(list)
    for point, label in points.items():
        if results[point].reasons:
            curve, _, name = label.rpartition("/")
            names[curve, "; ".join(results[point].reasons)].append(name)
    for (curve, reasons), those in names.items():
        which = ", ".join(those) if len(those) < 4 else f"{len(those)} points"
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
    tqdm.write(shown(line), file=sys.stderr)
