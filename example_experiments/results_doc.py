"""Writes the figures of the shipped results into the documents that show them.

    python3 example_experiments/results_doc.py

fills the tables of README.md, docs/results.md and docs/experiments.md, and writes all figures into
docs/results/: `bd_rates.csv`, a BD-rate in each row, and `points.csv`, a rate-distortion point.

A table of a document stands between a comment and `<!-- end -->`. The comment is one of

    <!-- bd SET against CURVE -->         curves of a set against one of them
    <!-- intervals SET against CURVE -->  the same with intervals of 95% over the images
    <!-- encoders SET curve CURVE -->     one curve against each of the others
    <!-- gains -->                        the default model's gains, see `gain_rows`
    <!-- gain CURVE -->                   within a line: its gain over CURVE at its default quality

SET leads to the CSV files of evaluate.py, from this folder; `only TEXT` at the end of a comment
keeps the curves whose names contain TEXT.
"""

import csv
import io
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent
sys.path.insert(0, str(PROJECT))

from learned_jpeg.evaluation import bd_rates  # noqa: E402
from learned_jpeg.evaluation.series import SHOWN  # noqa: E402
from learned_jpeg.evaluation.tables import to_markdown  # noqa: E402

import numpy as np  # noqa: E402

DOCUMENTS = [PROJECT / "README.md", PROJECT / "docs/results.md", PROJECT / "docs/experiments.md"]
SHEETS = PROJECT / "docs" / "results"
METRICS = {metric.name: metric for metric in SHOWN}
# The metrics that rank files as people do (benchmarks/people.py), the best first.
PEOPLES = ("ssimulacra2", "butteraugli", "psnr")
ORDERED = sorted(SHOWN, key=lambda metric: (*PEOPLES, metric.name).index(metric.name))
DEFAULT_SET, DEFAULT_MODEL = "_tuned/KODAK_progressive", "rdo_visual (ljpeg_rdo)"
RIVALS = ("mozjpeg 4:2:0", "jpegli 4:2:0", "jpegli 4:4:4", "Pillow 4:2:0")
DEFAULT_QUALITY = 75

_TABLE = re.compile(
    r"(?P<head><!-- (?:gains|(?P<kind>bd|intervals|encoders) (?P<set>\S+)"
    r" (?:against|curve) (?P<curve>.+?)(?: only (?P<only>.+?))?) -->\n).*?<!-- end -->",
    re.DOTALL,
)
_GAIN = re.compile(r"(<!-- gain (.+?) -->).*?(<!-- end -->)")


def sets():
    """The names of all sets of results, from this folder, without suffixes."""
    found = sorted(FOLDER.glob("**/*_bd_rate.csv"))
    return [str(path.relative_to(FOLDER)).removesuffix("_bd_rate.csv") for path in found]


def _rows(name, ending):
    with (FOLDER / f"{name}_{ending}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _cell(row, intervals=False):
    """A BD-rate as the tables show it."""
    percent, low, high = (float(row[name]) for name in ("bd_rate", "low", "high"))
    text = "-" if percent != percent else f"{'' if low * high > 0 else '~'}{percent:+.1f}"
    return f"{text} [{low:+.1f}, {high:+.1f}]" if intervals else text


def _table(rows, name, intervals=False):
    """Rows of BD-rates as rows of a table, one for each value of the column `name`."""
    cells = {}
    for row in rows:
        cells.setdefault(row[name], {})[row["metric"]] = _cell(row, intervals)
    measured = [metric for metric in ORDERED if any(metric.name in row for row in cells.values())]
    head = ["", *(metric.label for metric in measured)]
    rows = ([name, *(row.get(m.name, "") for m in measured)] for name, row in cells.items())
    return [head, *rows]


def bd_rows(name, against, only="", intervals=False):
    """BD-rates of the curves of a set against one of them; ~ where the interval includes 0."""
    rows = _rows(name, "bd_rate")
    kept = [row for row in rows if row["against"] == against and only in row["curve"]]
    return _table(kept, "curve", intervals)


def encoder_rows(name, curve, only=""):
    """BD-rates of one curve of a set against each of the others."""
    rows = _rows(name, "bd_rate")
    kept = [row for row in rows if row["curve"] == curve and only in row["against"]]
    return _table(kept, "against")


def at_default_quality(against, metric):
    """How many percent of bits the default model needs more than another curve of its set, at the
    score that it has at its default quality.

    The curves of means are interpolated as for BD-rates: the logarithm of the bits over the metric.
    """
    points = _rows(DEFAULT_SET, "points")

    def column(curve, key):
        return np.array([float(row[key]) for row in points if row["curve"] == curve])

    names = [row["point"] for row in points if row["curve"] == DEFAULT_MODEL]
    qualities = [float(point.removeprefix("quality_")) for point in names]
    theirs, ours = (metric.quality(column(of, metric.name)) for of in (against, DEFAULT_MODEL))
    bits = [column(of, "bpp") for of in (against, DEFAULT_MODEL)]
    scores, percent = bd_rates.rate_ratio(bits[0], theirs, bits[1], ours)
    return float(np.interp(np.interp(DEFAULT_QUALITY, qualities, ours), scores, percent))


def gain_rows():
    """What the default model needs more than RIVALS: over all qualities, at the default one, and
    on the picture where it gains the least."""
    rates = {
        (row["against"], row["metric"]): float(row["bd_rate"])
        for row in _rows(DEFAULT_SET, "bd_rate")
        if row["curve"] == DEFAULT_MODEL
    }
    images = [row for row in _rows(DEFAULT_SET, "bd_rate_images") if row["curve"] == DEFAULT_MODEL]
    rows = [["bits against", "by", "all qualities", f"quality {DEFAULT_QUALITY}", "worst picture"]]
    for against in RIVALS:
        for metric in (METRICS[name] for name in PEOPLES if (against, name) in rates):
            single = [float(row[metric.name]) for row in images if row["against"] == against]
            figures = rates[against, metric.name], at_default_quality(against, metric), max(single)
            rows.append([against, metric.label, *(f"{figure:+.1f}%" for figure in figures)])
    return rows


def filled(text):
    """A document with its figures as the results have them now."""

    def table(match):
        name, curve, only = match["set"], match["curve"], match["only"] or ""
        if match["kind"] is None:
            rows = gain_rows()
        elif match["kind"] == "encoders":
            rows = encoder_rows(name, curve, only)
        else:
            rows = bd_rows(name, curve, only, match["kind"] == "intervals")
        return f"{match['head']}{to_markdown(rows)}\n<!-- end -->"

    def gain(match):
        percent = at_default_quality(match[2], METRICS["ssimulacra2"])
        return f"{match[1]}{abs(percent):.0f}% {'fewer' if percent < 0 else 'more'}{match[3]}"

    return _GAIN.sub(gain, _TABLE.sub(table, text))


def sheets():
    """{name of a file: its text}: all figures, with the name of their set in the first column."""
    rates = [["set", "curve", "against", "metric", "bd_rate", "low", "high", "wins", "images"]]
    points = [["set", "curve", "point", "bpp", *(metric.name for metric in SHOWN)]]
    for name in sets():
        for row in _rows(name, "bd_rate"):
            figures = [f"{float(row[key]):.2f}" for key in ("bd_rate", "low", "high")]
            names = [row[key] for key in ("curve", "against", "metric")]
            rates.append([name, *names, *figures, row["wins"], row["compared"]])
        for row in _rows(name, "points"):
            figures = [
                f"{metric.shown(float(row[metric.name])):.{metric.decimals}f}"
                if row.get(metric.name)
                else ""
                for metric in SHOWN
            ]
            points.append([name, row["curve"], row["point"], f"{float(row['bpp']):.3f}", *figures])
    return {"bd_rates.csv": _csv(rates), "points.csv": _csv(points)}


def _csv(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text()))
    SHEETS.mkdir(exist_ok=True)
    for file, text in sheets().items():
        (SHEETS / file).write_text(text)
