"""Evolution: the numbers of `learned_tune` by the real metrics of what a decoder shows.

The integers of a search have no gradient in them, and a table's whole effect is that the search
chooses others. So CMA-ES (N. Hansen, arXiv 1604.00772) tries them: each candidate writes the files
of some crops, each at a step of its own over all rates, and is told how many bits it needs at
equal quality.
"""

import functools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from learned_jpeg import files, jpeg_file, machine
from learned_jpeg.lazy import lazy_import
from learned_jpeg.learned_tune import SPREADS
from learned_jpeg.metrics import Reference, ms_ssim_db
from learned_jpeg.progress import bar

import numpy as np

cmaes = lazy_import("cmaes")

_MOST = 1.0  # doublings of the bits, either way, that one crop can count for
_SIGMA = 0.6  # of the spreads, to begin with
# Crops of neighbouring steps are held to their goal together, about a rate.
_RATES = 4
# How far apart metrics are before the one behind is all that counts, in doublings of the bits.
_SOFT = 0.06
# A scan from its marker on: the header's length, then all up to the next marker but of a restart.
_SCAN = re.compile(rb"\xff\xda(..)((?:[^\xff]|\xff[\x00\xd0-\xd7])*)", re.DOTALL)


class Bits:
    """The bits that numbers need at equal quality, over those of an anchor, as a logarithm to 2.

    The metrics' are put together by a soft maximum, so that the one that is behind counts for
    more, at each of several rates. `encode(crop, step, numbers)` gives the bytes of a file,
    `anchor(crop, step)` those of the anchor's files, from bad to good. crops: uint8 [N, H, W, 3];
    steps: [N], rising; metric_weights: {name of metrics.METRICS: weight}, which add up to 1.
    """

    def __init__(self, encode, anchor, crops, steps, metric_weights):
        self._encode, self._anchor, self._metrics = encode, anchor, tuple(metric_weights)
        self._weights = np.array([*metric_weights.values()])
        self._pieces = list(zip(crops, steps, map(Reference, crops), strict=True))
        self._pool = ThreadPoolExecutor(machine.cores())

    @functools.cached_property
    def _curves(self):
        """The anchor's points of each crop, [files, 1 + metrics]; not made where all is known."""

        def curve(piece):
            crop, step, reference = piece
            return np.array([self._point(reference, data) for data in self._anchor(crop, step)])

        curves = self._pool.map(curve, self._pieces)
        return list(bar(curves, total=len(self._pieces), unit="crop", leave=False))

    def _point(self, reference, data):
        """log2 of a file's bits, and figures that rise with its quality."""
        figures = reference.measure(jpeg_file.decode(data), self._metrics)
        if "ms_ssim" in figures:
            figures["ms_ssim"] = ms_ssim_db(figures["ms_ssim"])
        if "lpips" in figures:
            figures["lpips"] = -np.log2(figures["lpips"] + 1e-3)
        return np.log2(scan_bits(data)), *(min(figures[name], 1e3) for name in self._metrics)

    def each(self, numbers):
        """The same of each rate and metric: [rates, metrics]."""

        def one(piece, curve):
            crop, step, reference = piece
            bits, *figures = self._point(reference, self._encode(crop, step, numbers))
            more = [bits - _at(x, figures[i], curve[:, 0]) for i, x in enumerate(curve.T[1:])]
            return np.clip(more, -_MOST, _MOST)

        found = np.array(list(self._pool.map(one, self._pieces, self._curves)))
        return np.array([part.mean(0) for part in np.array_split(found, _RATES)])

    def __call__(self, numbers):
        return float(np.mean(_SOFT * np.log2(2 ** (self.each(numbers) / _SOFT) @ self._weights)))


def scan_bits(data):
    """The bits of a file's scans: tables and headers are a small part of larger pictures alone."""
    found = _SCAN.finditer(data)
    return 8 * sum(len(scan[2]) + 2 - int.from_bytes(scan[1], "big") for scan in found)


def _at(x, value, y):
    """y where x, points of a curve that rises but for noise, has a value; beyond its ends too."""
    x = np.maximum.accumulate(x)
    i = np.clip(np.searchsorted(x, value) - 1, 0, len(x) - 2)
    return y[i] + (y[i + 1] - y[i]) * (value - x[i]) / max(x[i + 1] - x[i], 1e-3)


def evolve(bits, start, evaluations, seed, folder):
    """The numbers of the fewest bits that were found: float32 [NUMBERS].

    bits: a function of numbers; start: the first numbers; evaluations: how often it is called.
    folder: where `evolution.json` keeps what was found so far; the same evolution goes on from it.
    """
    path = Path(folder, "evolution.json")
    search = cmaes.CMA(start / SPREADS, _SIGMA, seed=seed)
    rounds = -(-evaluations // search.population_size)
    known = json.loads(path.read_text()) if path.exists() else []
    with bar(range(rounds), unit="generation") as progress:
        for generation in progress:
            tried = [search.ask() for _ in range(search.population_size)]
            if generation == len(known):
                known.append([bits(SPREADS * one) for one in tried])
                files.write_whole(path, json.dumps(known))
            search.tell(list(zip(tried, known[generation], strict=True)))
            progress.set_postfix(bits=f"{100 * (2 ** np.mean(known[generation]) - 1):+.2f}%")
    return np.float32(SPREADS * search.mean)
