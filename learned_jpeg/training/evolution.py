"""Evolution: the parameters of `learned_tune` by the real metrics of what a decoder shows.

The integers of a search have no gradient in them, and a table's whole effect is that the search
chooses others. So CMA-ES (N. Hansen, arXiv 1604.00772) tries them: each candidate writes the files
of some crops, each at a step of its own over all rates, and is told how many bits it needs at
equal quality.
"""

import functools
import hashlib
import json
import re
from pathlib import Path

from learned_jpeg.jobs import workers
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.metrics.measures import Reference, ms_ssim_db
from learned_jpeg.rivals import encoders
from learned_jpeg.runtime import files
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.runtime.progress import bar
from learned_jpeg.search.learned_tune import PARAMETERS, SPREADS

import numpy as np

cmaes = lazy_import("cmaes")

_MOST = 1.0  # doublings of the bits, either way, that one crop can count for
_SIGMA = 0.4  # of the spreads, to begin with
# Crops of neighbouring steps are held to their goal together, about a rate.
_RATES = 4
# How far apart metrics are before the one behind is all that counts, in doublings of the bits.
_SOFT = 0.06
# What is measured of an anchor: a tune, at steps over a crop's own, or another encoder.
_AROUND = 2.9, 1.7, 1.0, 0.6, 0.35
_QUALITIES = 6, 10, 14, 20, 28, 37, 46, 56, 66, 74, 80, 85, 89, 92, 94, 96, 98
# A scan's data: all up to the next marker but of a restart.
_DATA = re.compile(rb"(?:[^\xff]|\xff[\x00\xd0-\xd7])*", re.DOTALL)


def around(search, crop, step):
    """An anchor: the files of a `batch_search.BatchSearch`, its tune as it is, around a step."""
    return [search.file(crop, factor * step, np.zeros(PARAMETERS)) for factor in _AROUND]


def files_of(encoder, crop, step):
    """An anchor: the files of one of `encoders.ENCODERS`, by its name, the same at any step."""
    return [encoders.ENCODERS[encoder].encode(crop, q, "progressive") for q in _QUALITIES]


class Bits:
    """The bits that parameters need at equal quality, over those of an anchor, as a logarithm to 2.

    The metrics' are put together by a soft maximum, so that the one that is behind counts for
    more, at each of several rates. pool: a `workers.Pool`, whose workers call
    `encode(crop, step, parameters)` for the bytes of a file, and `anchor(crop, step)` for those of
    the anchor's files, from bad to good. crops: uint8 [N, H, W, 3]; steps: [N], rising;
    metric_weights: {name of metrics.METRICS: weight}, which add up to 1.
    """

    def __init__(self, pool, encode, anchor, crops, steps, metric_weights):
        self._pool, self._encode, self._anchor = pool, encode, anchor
        self._pieces = list(zip(crops, steps, strict=True))
        self._metrics, self._weights = tuple(metric_weights), np.array([*metric_weights.values()])

    def _points(self, encode, *arguments):
        """Yields (index of a crop, the points of its files), as they are done."""
        rest = arguments, self._metrics, self._pool.threads
        calls = ((i, _points, (encode, *piece, *rest)) for i, piece in enumerate(self._pieces))
        return self._pool.completed(calls)

    @functools.cached_property
    def _curves(self):
        """The anchor's points, {index of a crop: [files, 1 + metrics]}; not made where all is
        known."""
        done = self._points(self._anchor)
        return dict(bar(done, total=len(self._pieces), unit="crop", leave=False))

    def each(self, parameters):
        """The same of each rate and metric: [rates, metrics]."""
        curves, found = self._curves, np.empty([len(self._pieces), len(self._metrics)])
        for index, [made] in self._points(self._encode, parameters):
            found[index] = np.clip(more_bits(made, curves[index]), -_MOST, _MOST)
        return np.array([part.mean(0) for part in np.array_split(found, _RATES)])

    def __call__(self, parameters):
        return float(np.mean(_SOFT * np.log2(2 ** (self.each(parameters) / _SOFT) @ self._weights)))


def _points(encode, crop, step, arguments, names, threads):
    """In a worker: log2 of the bits of a crop's files, and figures that rise with quality."""
    workers.prepare(threads)
    reference = _reference(crop.tobytes(), crop.shape)
    made = encode(crop, step, *arguments)
    return np.array(
        [point(reference, data, names) for data in ([made] if isinstance(made, bytes) else made)]
    )


# As many as a generation has crops.
@functools.lru_cache(maxsize=64)
def _reference(data, shape):
    return Reference(np.frombuffer(data, np.uint8).reshape(shape))


def point(reference, data, names):
    """A file as log2 of the bits of its scans, and its figures, which rise with quality: a tuple.

    reference: a Reference of the original; names: of metrics.
    """
    figures = reference.measure(jpeg_file.decode(data), names)
    if "ms_ssim" in figures:
        figures["ms_ssim"] = ms_ssim_db(figures["ms_ssim"])
    for name in ("lpips", "butteraugli"):
        if name in figures:
            figures[name] = -np.log2(figures[name] + 1e-3)
    return np.log2(scan_bits(data)), *(min(figures[name], 1e3) for name in names)


def scan_bits(data):
    """The bits of a file's scans: tables and headers are a small part of larger pictures alone."""
    bits, at = 0, 2
    while data[at + 1] != 0xD9:
        scan = data[at + 1] == jpeg_file.SOS
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if scan:
            end = _DATA.match(data, at).end()
            bits, at = bits + 8 * (end - at), end
    return bits


def more_bits(point, curve):
    """The bits of a file over an anchor's at the figures of the file, as logarithms to 2: a list of
    one for each metric.

    point: of the file, as `point` gives it; curve: [files, 1 + metrics], those of the anchor's
    files, from bad to good.
    """
    bits, *figures = point
    y, *xs = np.transpose(curve)
    return [bits - _at(x, value, y) for x, value in zip(xs, figures, strict=True)]


def _at(x, value, y):
    """y where x, points of a curve that rises but for noise, has a value; beyond its ends too."""
    x = np.maximum.accumulate(x)
    i = np.clip(np.searchsorted(x, value) - 1, 0, len(x) - 2)
    return y[i] + (y[i + 1] - y[i]) * (value - x[i]) / max(x[i + 1] - x[i], 1e-3)


def digest(array):
    """A short text for the numbers of an array."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()[:8]


def _known(path, made_of):
    """The scores in a file: those of each generation's candidates."""
    try:
        found = json.loads(path.read_text())
        for name, value in made_of.items():
            if found["made_of"][name] != value:
                raise UserError(
                    f"{path} was made with other {name} ({found['made_of'][name]}, not {value}): "
                    "give that, or another --checkpoint_dir"
                )
        return found["scores"]
    except FileNotFoundError:
        return []
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{path} is damaged, or an earlier version's ({error!r}): remove it to start over"
        ) from error


def evolve(bits, start, evaluations, seed, folder, made_of):
    """The parameters of the fewest bits that were found: float32 [PARAMETERS].

    bits: functions of parameters, of some crops each, which the generations take in turn: what all
    of them gain by is no accident of one's crops. start: the first parameters; evaluations: how
    often they are called.
    folder: where `evolution.json` keeps what was found so far; the same evolution goes on from it.
    made_of: {what: text} that the bits follow from. Raises UserError for the file of another one.
    """
    path = Path(folder, "evolution.json")
    search = cmaes.CMA(start / SPREADS, _SIGMA, seed=seed)
    rounds = -(-evaluations // search.population_size)
    made_of = {"seed": seed, "start": digest(np.float32(start))} | made_of
    known = _known(path, made_of)
    with bar(range(rounds), unit="generation") as progress:
        for generation in progress:
            tried = [search.ask() for _ in range(search.population_size)]
            if generation == len(known):
                score = bits[generation % len(bits)]
                known.append([score(SPREADS * one) for one in tried])
                files.write_whole(path, json.dumps({"made_of": made_of, "scores": known}))
            search.tell(list(zip(tried, known[generation], strict=True)))
            progress.set_postfix(bits=f"{100 * (2 ** np.mean(known[generation]) - 1):+.2f}%")
    return np.float32(SPREADS * search.mean)
