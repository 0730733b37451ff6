"""The search for the one setting at which the files of a set take a number of bytes together."""

import functools
import math
from dataclasses import dataclass, replace

from learned_jpeg.jobs.one_picture import Options, encode_file
from learned_jpeg.jobs.running import PixelBudget, run_all
from learned_jpeg.jobs.settings import Search
from learned_jpeg.jobs.targets import KINDS, TOLERANCE
from learned_jpeg.runtime import paths
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.paths import STDIO

# Settings are looked for on so many files, and tried on all, which says what share of the bytes
# those have; so many times.
_SAMPLE, _TRIES = 16, 6


@dataclass
class Set:
    """The files of a run: (input, output)s, and what they are encoded by, so many at a time."""

    pairs: list
    options: Options
    budget: PixelBudget
    jobs: int

    def __post_init__(self):
        # Nothing is written, so that nothing that exists matters.
        free = {"force": True, "overwrite_input": True, "skip_existing": False, "views": None}
        self._free = replace(self.options, **free)

    def size(self, pairs, setting):
        """The bytes of the files of some pairs together; those that fail have none."""
        sizes = []

        def work(path, output):
            finished = encode_file(path, output, [setting], self._free, self.budget)
            sizes.append(len(finished.data or b""))

        run_all(work, pairs, self.jobs)
        return sum(sizes)


def fit(total, settings, files):
    """(the finest Setting at which a Set takes at most `total` bytes, the bytes).

    settings: from the coarsest to the finest, or one with a rate setting. Within TOLERANCE of the
    total where the models can. Raises UserError where the coarsest takes more.
    """
    if any(path == STDIO or paths.is_pipe(path) for path, _ in files.pairs):
        raise UserError("--total_size reads files several times; for a pipe, say --target_size")
    sample = files.pairs[:: -(-len(files.pairs) // _SAMPLE)]
    size = functools.cache(lambda setting: files.size(sample, setting))
    share, best, tried = len(sample) / len(files.pairs), None, {}
    for _ in range(_TRIES):
        setting = _search(share * total * (1 - TOLERANCE / 2), settings, size)
        if setting in tried:
            break
        tried[setting] = (
            size(setting) if sample == files.pairs else files.size(files.pairs, setting)
        )
        if tried[setting] <= total and (best is None or tried[setting] > tried[best]):
            best = setting
        if best is not None and tried[best] >= (1 - TOLERANCE) * total:
            break
        if not tried[setting]:  # none can be read, which each of them says
            break
        share = size(setting) / tried[setting]
    if best is None:
        least = min(tried.values())
        raise UserError(f"--total_size {total}: these files take {least} bytes at least")
    return best, tried[best]


def _search(aim, settings, size):
    """The Setting whose `size` is nearest to an aim of bytes, and not above it where one is not."""

    def attempt(setting, scale):
        setting = replace(setting, scale=scale)
        return math.log(max(size(setting), 1) / aim), setting

    search = Search(attempt, TOLERANCE / 4, 1, KINDS["size"].slope)
    if len(settings) > 1 or settings[0].model.rate_setting is None:
        search.among_models(settings)
    else:
        search.on_rate_setting(settings[0])
        if not search.met and len(search.around) == 2:
            search.below(search.around[False][1])
    return search.best
