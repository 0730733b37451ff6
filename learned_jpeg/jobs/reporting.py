"""The output of `compress`, while it runs and at its end."""

import json
import sys
import time
from dataclasses import asdict

from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.progress import duration

from tqdm import tqdm

# Seconds between two lines on one picture.
SILENCE = 30


class Log:
    """Reports the outcome of each file, and at the end of all.

    count: the number of files; out: the stream for all but errors, warnings and notes; refines:
    whether pictures are refined, for which a single picture has a progress bar; quiet, as_json,
    verbose: the options of `compress`. page: a page.Page that gets the same, or None.
    """

    page = None

    def __init__(self, count, out, refines=False, quiet=False, as_json=False, verbose=False):
        self._count, self._out = count, out
        self._quiet, self._json, self._verbose = quiet, as_json, verbose
        self._start, self._failures = time.perf_counter(), []
        self._total = dict.fromkeys(("files", "skipped", "failed", "bytes_in", "bytes_out"), 0)
        self._pixels = 0
        of_one = count == 1
        self.bar = tqdm(
            total=1 if of_one else count,
            unit="file",
            file=sys.stderr,
            # None hides the bar where stderr is no terminal.
            disable=True if quiet or (of_one and not refines) else None,
            leave=not of_one,
            bar_format="{percentage:3.0f}%|{bar}| {elapsed}<{remaining}" if of_one else None,
        )

    def add(self, finished):
        """Reports the outcome of a file; finished: a one_picture.Finished."""
        report = finished.report
        self._count_in(report)
        if self.page:
            self.page.add(finished)
        for warning in report.warnings:
            tqdm.write(f"warning: {report.input}: {warning}", file=sys.stderr)
        for detail in report.details if self._verbose else ():
            tqdm.write(f"note: {report.input}: {detail}", file=sys.stderr)
        if report.error is not None:
            tqdm.write(f"error: {report.error}", file=sys.stderr)
        if self._json:
            self._line(asdict(report))
        elif report.error is None and not self._quiet and (self._verbose or not report.skipped):
            tqdm.write(_sentence(report), file=self._out)
        if self._count > 1:
            self.bar.update()

    def refining(self, name):
        """A function that is called with the part of a picture's refining that is done.

        The function moves the progress bar, or prints a line now and then, with the time left.
        """
        start = said = time.monotonic()

        def tell(share):
            nonlocal said
            now = time.monotonic()
            if self._count == 1 and not self.bar.disable:
                self.bar.update(share - self.bar.n)
            elif now - said >= SILENCE and not self._quiet and share < 1:
                left = duration((now - start) * (1 - share) / share)
                self.say(f"{name}: {share:.0%} refined, about {left} left", sys.stderr)
                said = now

        return tell

    def say(self, line, stream=None):
        """Prints a line on a stream, by default on `out` unless the run is quiet."""
        if stream is not None or not (self._quiet or self._json):
            tqdm.write(line, file=stream or self._out)

    def _line(self, content):
        self.bar.clear()
        print(json.dumps(content), file=self._out, flush=True)

    def _count_in(self, report):
        total = self._total
        if report.error is not None:
            total["failed"] += 1
            self._failures.append(report.error)
        elif report.skipped:
            total["skipped"] += 1
        else:
            total["files"] += 1
            total["bytes_in"] += report.bytes_in
            total["bytes_out"] += report.bytes_out
            self._pixels += report.width * report.height

    def end(self, stopped=False):
        """Reports the outcome of all files; returns whether none failed.

        stopped: whether the run was stopped before its end.
        """
        self.bar.close()
        lacking = self._write_page()
        total = self._total
        total["bpp"] = 8 * total["bytes_out"] / self._pixels if self._pixels else 0.0
        total["seconds"] = time.perf_counter() - self._start
        if self._failures and self._count > 1 and not self._quiet:
            # Once more, at the end of a long log.
            print(f"{len(self._failures)} failed:", file=sys.stderr)
            print(*(f"  {error}" for error in self._failures), sep="\n", file=sys.stderr)
        if self._json:
            print(json.dumps({"total": total | {"stopped": stopped}}), file=self._out, flush=True)
        elif not self._quiet and self._count > 1:
            rest = f"; {total['skipped']} skipped" if total["skipped"] else ""
            print(
                f"{total['files']} of {self._count} files: {total['bytes_in']:,} -> "
                f"{total['bytes_out']:,} bytes, {total['bpp']:.3f} bpp, "
                f"{total['seconds']:.1f} s{rest}",
                file=self._out,
                flush=True,
            )
        return not (self._failures or lacking)

    def _write_page(self):
        """Writes the page, if there is one; returns whether that failed."""
        try:
            if self.page:
                self.page.write()
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return True
        return False


def _sentence(report):
    if report.skipped:
        return f"{report.input} -> {report.output}: skipped"
    loss = "lossless" if report.psnr is None else f"{report.psnr:.2f} dB"
    if report.kept:
        loss = "kept as it is"
    elif report.from_jpeg and not report.lossless:
        loss += " in addition to the input's own loss"
    return (
        f"{report.input} -> {report.output}: {report.bytes_in:,} -> {report.bytes_out:,} "
        f"bytes, {report.bpp:.3f} bpp, {loss}, {report.seconds:.2f} s"
    )
