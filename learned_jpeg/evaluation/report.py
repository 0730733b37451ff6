"""The report of an evaluation: tables, plots, the sheet of crops, and the page."""

import csv
import hashlib
import io
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from learned_jpeg.evaluation import series, tables
from learned_jpeg.evaluation.stored import METRICS
from learned_jpeg.runtime import paths
from learned_jpeg.runtime.files import write_whole
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np
from tqdm import tqdm

# Count up when tables, plots or page change, so that they are written again.
VERSION = 1

SHEET_IMAGES = 4
_ASSETS = Path(__file__).resolve().parent / "assets"

page = lazy_import("learned_jpeg.evaluation.page")
plots = lazy_import("learned_jpeg.evaluation.plots")
sheet = lazy_import("learned_jpeg.evaluation.sheet")


@dataclass
class SetReport:
    """The report of one test set.

    folder: of its files; stem: the begin of their names; subject: the test set and the options, in
    words; curves: [Series], the anchor first; images: [TestImage] of their figures; compared:
    indices of the images of their `at_size`; wanted: names of the metrics; focus: labels of the
    runs in the foreground, by default the best run.
    """

    folder: Path
    stem: str
    subject: str
    curves: list
    images: list
    compared: list
    wanted: list
    focus: tuple = ()

    def write(self):
        """Writes the report, unless it exists with these figures; returns the lines to print."""
        digest = self._digest()
        done = [self._path(".md"), self._path(".txt"), *self._paths()]
        if all(path.exists() for path in done) and digest in done[0].read_text():
            return done[1].read_text().splitlines()
        shown = [metric for metric in series.EVERY if metric.name in self.wanted]
        compared = tables.comparisons(self.curves, shown)
        front = self.foreground(compared)
        for metric in tqdm(shown, desc="drawing", unit="plot"):
            figure = plots.draw(metric, self.curves, front, self.subject)
            plots.save(figure, self._path(f"_{metric.name}"))
        notices = self._write_sheet()
        lines = self._write_tables(shown, compared, digest, notices)
        page.write(self, shown, compared, front)
        write_whole(self._path(".txt"), "\n".join(lines) + "\n")
        return lines

    def summary(self):
        """The report for programs, for --json: {subject, page, bd_rates}."""
        rows = list(csv.DictReader(io.StringIO(self._path("_bd_rate.csv").read_text())))
        for row in rows:
            for name in row.keys() - {"curve", "against", "metric"}:
                value = float(row[name])
                row[name] = value if math.isfinite(value) else None
        page = str(self._path(".html"))
        return {"subject": self.subject, "page": page, "bd_rates": rows}

    def _path(self, ending):
        return self.folder / f"{self.stem}{ending}"

    def _paths(self):
        endings = ["_bd_rate.csv", "_bd_rate_images.csv", "_points.csv", "_images.csv", ".html"]
        names = [metric.name for metric in series.EVERY if metric.name in self.wanted]
        endings += [f"_{name}{suffix}" for name in names for suffix in (".pdf", ".png", ".svg")]
        return [self._path(ending) for ending in endings]

    def _digest(self):
        """The digest of all data that the report is made from."""
        digest = hashlib.sha256(f"{VERSION} {self.subject} {self.focus} {self.wanted}".encode())
        for asset in sorted(_ASSETS.iterdir()):
            digest.update(asset.read_bytes())
        digest.update(" ".join(image.sha256 for image in self.images).encode())
        for one in self.curves:
            for point in [*one.points, *one.at_size.values()]:
                digest.update(f"{one.label} {one.kind} {point.name}".encode())
                for name, column in sorted(point.figures.items()):
                    digest.update(name.encode() + np.ascontiguousarray(column).tobytes())
            for point in one.at_size.values():
                names = [self.images[index].name for index in self.compared]
                digest.update(bytes(point.file(name).exists() for name in names))
        return digest.hexdigest()

    def foreground(self, compared):
        """The labels of the curves in the foreground of the plots: the first and the strongest
        encoder, the baseline, and the runs of the focus."""
        baselines = [one.label for one in self.curves if one.kind == "baseline"]
        return {
            self.curves[0].label,
            *self._best(compared, "encoder"),
            *baselines,
            *(self.focus or self._best(compared, "run")),
        }

    def _best(self, compared, kind):
        """[The label of the curve with the least mean of BD-rates against the first], or []."""
        means = {
            tested.label: np.nanmean(percents)
            for tested, anchor, deltas in compared
            if anchor is self.curves[0] and tested.kind == kind
            for percents in [[delta.percent for delta in deltas.values()]]
            if np.isfinite(percents).any()
        }
        return [label for label, mean in means.items() if mean == min(means.values())][:1]

    def sizes(self):
        """The sizes that were searched, [a key of Series.at_size]."""
        return list(dict.fromkeys(size for one in self.curves for size in one.at_size))

    def _write_sheet(self):
        """Writes the sheet of crops; returns lines about files that are missing on it."""
        shown, missing = {}, defaultdict(list)
        names = series.chosen([self.images[i].name for i in self.compared], SHEET_IMAGES)
        size = next(iter(self.sizes()), None)
        for index in self.compared:
            name = self.images[index].name
            if name not in names:
                continue
            near, far = series.equal(self.curves, size, index)
            for one in far:
                missing[one.label].append(name)
            gone = [point for _, point in near if not point.file(name).exists()]
            if gone:
                number = tables.count(len(gone), "JPEG file")
                return [
                    f"the sheet of crops is left as it is: {number} of {name} missing; delete the "
                    f"pickles beside them ({gone[0].name}.pickle) to make the files again"
                ]
            if near:
                shown[name] = index, near
        if shown:
            originals = {image.name: image.path for image in self.images}
            figure = sheet.draw(shown, originals, f"{self.subject}; files of {size}")
            plots.save(figure, self._path("_comparison"), (".pdf", ".png"))
        return [
            f"not on the sheet: {label} has no file of that size of {', '.join(images)}"
            for label, images in missing.items()
        ]

    def _write_tables(self, shown, compared, digest, notices):
        names = [name for name in METRICS if name in ("bpp", *self.wanted)]
        images = [paths.shown(image.name) for image in self.images]
        bd, points = tables.bd_table(compared, shown), tables.point_table(self.curves, names)
        for ending, rows in (
            ("_bd_rate.csv", tables.bd_figures(compared)),
            ("_bd_rate_images.csv", tables.bd_images(compared, images)),
            ("_points.csv", points),
            ("_images.csv", tables.image_table(self.curves, images, names)),
        ):
            write_whole(self._path(ending), tables.to_csv(rows))
        notes = [
            f"# {self.subject}",
            f"[The same to look at and to compare pictures in a browser]({self.stem}.html)",
            "## BD-rate in percent",
            tables.BD_NOTE,
            tables.to_markdown(bd),
        ]
        sized = tables.size_table(self.curves, names)
        if len(self.compared) == len(self.images) and len(sized) > 1:
            notes += ["## Files of equal bytes", tables.to_markdown(sized)]
        else:
            sized = []
        notes += [
            "## Beside the anchor at equal bits per pixel",
            tables.to_markdown(tables.matched_table(self.curves, names)),
            "## Means over the images",
            tables.to_markdown(points),
            "## Curves",
            *(f"![{metric.label}]({self.stem}_{metric.name}.svg)" for metric in shown),
        ]
        if self._path("_comparison.png").exists():
            notes += ["## Crops of files of equal bytes", f"![crops]({self.stem}_comparison.png)"]
        notes.append(f"<!-- of {digest} -->")
        write_whole(self._path(".md"), "\n\n".join(notes) + "\n")
        brief = tables.bd_table(compared, shown, brief=True)
        return [
            self.subject,
            *(["", *tables.to_lines(sized)] if sized else []),
            *(["", tables.BD_BRIEF, *tables.to_lines(brief)] if len(brief) > 1 else []),
            *(
                f"strongest of the encoders, in the mean of these metrics: {label}"
                for label in self._best(compared, "encoder")
            ),
            "",
            *notices,
            f"to look at: {self._path('.html')}",
            f"plots, tables and crops: {self.folder / self.stem}*",
        ]
