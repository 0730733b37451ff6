"""The search for the setting at which all files together take a number of bytes."""

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

# A setting is searched on _SAMPLE files and then tried on all files, which gives the sample's share
# of the bytes; this is done at most _TRIES times.
_SAMPLE, _TRIES = 16, 6


@dataclass
class Set:
    """The files of a run: (input, output)s, their options, and how many run at a time."""

    pairs: list
    options: Options
    budget: PixelBudget
    jobs: int

    def __post_init__(self):
        # No file is written, so that existing files do not matter.
        free = {"force": True, "overwrite_input": True, "skip_existing": False, "views": None}
        self._free = replace(self.options, **free)

    def size(self, pairs, setting):
        """The bytes of the files of all pairs together; a file that fails has none."""
        sizes = []

        def work(path, output):
            finished = encode_file(path, output, [setting], self._free, self.budget)
            sizes.append(len(finished.data or b""))

        run_all(work, pairs, self.jobs)
        return sum(sizes)


def fit(total, settings, files):
    """(the finest Setting at which a Set takes at most `total` bytes, the bytes).

    settings: from the coarsest to the finest, or a single one with a rate setting. The bytes are
    within TOLERANCE of the total where the models can reach that. Raises UserError where the
    coarsest setting takes more.
    """
    if any(path == STDIO or paths.is_pipe(path) for path, _ in files.pairs):
        raise UserError(
            "--total_size reads inputs several times, which a pipe does not allow; use "
            "--target_size"
        )
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
        if not tried[setting]:  # no file can be read, which is reported for each
            break
        share = size(setting) / tried[setting]
    if best is None:
        least = min(tried.values())
        raise UserError(f"--total_size {total}: these files take {least} bytes at least")
    return best, tried[best]


def _search(aim, settings, size):
    """The Setting whose `size` is nearest to an aim of bytes, above it only if all are above."""

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
