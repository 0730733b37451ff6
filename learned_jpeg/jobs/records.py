"""What `--update` remembers: which outputs it wrote, of which inputs and by which options."""

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
# Of an output: the one that is there, and the one that was about to take its place.
_KEPT = 2


@dataclass
class Entry:
    """Of an output: its name, and its input's, from the folder; the size and the time of last
    change of the input and of itself, in bytes and nanoseconds; its digest, and the options'."""

    options: str
    source: str
    input: list
    output: str = ""
    size: int = 0
    time: int = 0
    sha256: str = ""


class Records:
    """The entries of a folder, in a file with a JSON object a line.

    An entry is there before its output, so that an output of ours is known whenever a run ends;
    one whose output did not come to be says nothing of what is there. options: a digest of what
    the outputs depend on; pairs: the (input, output)s of the run. Raises UserError where the folder
    cannot be written.
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
            except (TypeError, ValueError):  # half a line, of a power cut
                continue

    def _add(self, entry):
        self._known[entry.output] = [*self._known[entry.output], entry][-_KEPT:]

    def _name(self, path):
        return os.path.relpath(path, self._folder)

    def entry(self, path, mask=None):
        """An Entry of an input, and of a mask that belongs to it, as they are now."""
        changed = []
        for file in (path, *([mask] if mask else [])):
            if os.path.exists(file):
                stat = os.stat(file)
                changed += [stat.st_size, stat.st_mtime_ns]
        return Entry(self._options, self._name(path), changed)

    def state(self, path, output, entry):
        """(whether an output is as it was written, whether it is what `entry` would write).

        What came of another input is not this one's, unless the other is gone or has another
        output now.
        """
        written = [one for one in self._written(output) if self._is_of(one, entry)]
        same = paths.is_same(path, output)  # then the input is gone, and this came of it
        current = any(
            one.options == entry.options and (same or one.input == entry.input) for one in written
        )
        return bool(written), current

    def _is_of(self, one, entry):
        if one.source == entry.source or not (self._folder / one.source).exists():
            return True
        return self._outputs.get(one.source, one.output) != one.output

    def _written(self, output):
        """The entries that an output is as it is by."""
        known = self._known.get(self._name(output))
        if not known or not os.path.exists(output):
            return []
        stat = os.stat(output)
        known = [one for one in known if one.size == stat.st_size]
        at_once = [one for one in known if one.time == stat.st_mtime_ns]
        if at_once or not known:
            return at_once
        digest = hashlib.sha256(Path(output).read_bytes()).hexdigest()  # a copy, say
        return [one for one in known if one.sha256 == digest]

    def write(self, output, data, entry):
        """Writes an output and its entry."""
        entry.output, entry.size, entry.time = self._name(output), len(data), time.time_ns()
        entry.sha256 = hashlib.sha256(data).hexdigest()
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "ab", buffering=0)
            self._file.write(b"\n")  # behind half a line
        # At once, for another run may write at the same time.
        self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
        self._add(entry)
        write_whole(output, data, entry.time)
