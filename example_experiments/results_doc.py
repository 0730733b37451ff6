"""Puts the figures of the shipped results into docs/results.md.

    python3 example_experiments/results_doc.py

A table stands between a comment and `<!-- end -->`; the comment is `<!-- dots STEM -->`, `<!-- bd
STEM against CURVE -->`, or with `intervals` in the place of `bd`, which shows these too. STEM leads
to the CSV files of evaluate.py, from this folder; "only" and a part of their names behind it keeps
some of the curves.
"""

import csv
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DOCUMENT = FOLDER.parent / "docs" / "results.md"
sys.path.insert(0, str(FOLDER.parent))

from learned_jpeg.evaluation.series import SHOWN  # noqa: E402
from learned_jpeg.evaluation.tables import to_markdown  # noqa: E402

_TABLE = re.compile(
    r"<!-- (?P<kind>bd|intervals|dots) (?P<stem>\S+)(?: against (?P<against>.+?))?"
    r"(?: only (?P<only>.+?))? -->\n.*?<!-- end -->",
    re.DOTALL,
)


def _rows(stem, ending):
    with (FOLDER / f"{stem}_{ending}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def bd_rows(stem, against, only="", intervals=False):
    """BD-rates of curves against one of them; ~ where the interval over images includes 0.

    intervals: whether these stand behind them.
    """
    cells = {}
    for row in _rows(stem, "bd_rate"):
        if row["against"] == against and only in row["curve"]:
            percent, low, high = (float(row[name]) for name in ("bd_rate", "low", "high"))
            text = "-" if percent != percent else f"{'' if low * high > 0 else '~'}{percent:+.1f}"
            if intervals:
                text += f" [{low:+.1f}, {high:+.1f}]"
            cells.setdefault(row["curve"], {})[row["metric"]] = text
    measured = [metric for metric in SHOWN if any(metric.name in row for row in cells.values())]
    head = ["", *(metric.label for metric in measured)]
    return [head, *([curve, *(row[m.name] for m in measured)] for curve, row in cells.items())]


def dot_rows(stem, only=""):
    """Means of every dot."""
    found = _rows(stem, "dots")
    measured = [metric for metric in SHOWN if metric.name in found[0]]
    rows = [["", "dot", "bpp", *(metric.label for metric in measured)]]
    for row in found:
        if only in row["curve"]:
            figures = [f"{metric.shown(float(row[metric.name])):.{metric.decimals}f}"
                       for metric in measured]  # fmt: skip
            rows.append([row["curve"], row["dot"], f"{float(row['bpp']):.3f}", *figures])
    return rows


def filled(text):
    """A document with its tables as the results have them now."""

    def table(match):
        only = match["only"] or ""
        if match["kind"] == "dots":
            rows = dot_rows(match["stem"], only)
        else:
            rows = bd_rows(match["stem"], match["against"], only, match["kind"] == "intervals")
        first = match[0].partition("\n")[0]
        return f"{first}\n{to_markdown(rows)}\n<!-- end -->"

    return _TABLE.sub(table, text)


if __name__ == "__main__":
    DOCUMENT.write_text(filled(DOCUMENT.read_text()))
