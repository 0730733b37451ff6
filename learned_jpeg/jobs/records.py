"""The records of `--update`: the outputs that it wrote, with their inputs and options."""

import hashlib
import json
import os
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from learned_jpeg.runtime import paths
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import write_whole
from learned_jpeg.runtime.paths import shown

RECORDS = ".learned_jpeg-update"  # the name of the file in the folder of the outputs
# The entries of an output that count: its last one, and the one before, in case a run ended between
# an entry and its output.
_KEPT = 2


@dataclass
class Entry:
    """An output as it was written.

    options: a digest; source, output: the paths of input and output, relative to the folder; input:
    the input's (and its mask's) size in bytes and time of last change in nanoseconds; size, time,
    sha256: the output's.
    """

    options: str
    source: str
    input: list
    output: str = ""
    size: int = 0
    time: int = 0
    sha256: str = ""


class Records:
    """The entries of a folder, in a file with a JSON object in each line.

    An entry is written before its output, so that each output has one, whenever a run ends. An
    entry whose output was never written matches no file. options: a digest of all that the outputs
    depend on; pairs: the (input, output)s of the run. Raises UserError where the file cannot be
    read.
    """

    def __init__(self, folder, options, pairs):
        self._folder, self._options = Path(folder), options
        self._outputs = {self._name(path): self._name(output) for path, output in pairs}
        self._path, self._file = self._folder / RECORDS, None
        self._known = defaultdict(list)
        try:
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        except OSError as error:
            raise UserError(f"{shown(self._path)}: cannot be read ({error.strerror})") from error
        for line in lines:
            try:
                self._add(Entry(**json.loads(line)))
            except (TypeError, ValueError):  # half a line, which a power cut left
                continue

    def _add(self, entry):
        self._known[entry.output] = [*self._known[entry.output], entry][-_KEPT:]

    def _name(self, path):
        return os.path.relpath(path, self._folder)

    def entry(self, path, mask=None):
        """A new Entry of an input and its mask, with their sizes and times now."""
        changed = []
        for file in (path, *([mask] if mask else [])):
            if os.path.exists(file):
                stat = os.stat(file)
                changed += [stat.st_size, stat.st_mtime_ns]
        return Entry(self._options, self._name(path), changed)

    def state(self, path, output, entry):
        """(whether a run wrote this output, unchanged since, whether `entry` would write the same).

        An output of another input does not count, unless that input is gone or has another output
        now.
        """
        written = [one for one in self._written(output) if self._is_of(one, entry)]
        same = paths.is_same(path, output)  # the output has replaced the input that it was made of
        current = any(
            one.options == entry.options and (same or one.input == entry.input) for one in written
        )
        return bool(written), current

    def _is_of(self, one, entry):
        if one.source == entry.source or not (self._folder / one.source).exists():
            return True
        return self._outputs.get(one.source, one.output) != one.output

    def _written(self, output):
        """The entries that match an output's file."""
        known = self._known.get(self._name(output))
        if not known or not os.path.exists(output):
            return []
        stat = os.stat(output)
        known = [one for one in known if one.size == stat.st_size]
        at_once = [one for one in known if one.time == stat.st_mtime_ns]
        if at_once or not known:
            return at_once
        digest = hashlib.sha256(Path(output).read_bytes()).hexdigest()  # it may be a copy
        return [one for one in known if one.sha256 == digest]

    def write(self, output, data, entry):
        """Writes an output and its entry."""
        entry.output, entry.size, entry.time = self._name(output), len(data), time.time_ns()
        entry.sha256 = hashlib.sha256(data).hexdigest()
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "ab", buffering=0)
            self._file.write(b"\n")  # ends half a line that a power cut left
        # In a single call, since another run may write at the same time.
        self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
        self._add(entry)
        write_whole(output, data, entry.time)
