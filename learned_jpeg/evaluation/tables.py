"""Tables of figures: rows of texts, the first with the names of the columns; CSV and Markdown."""

import csv
import io
import math

from learned_jpeg.evaluation.series import compare
from learned_jpeg.evaluation.stored import METRICS

import numpy as np

PROTOCOLS = {
    "standard": "the standard's example Huffman tables",
    "optimized": "Huffman tables optimized for each image",
    "progressive": "optimized progressive files",
}
BD_NOTE = (
    "BD-rate of the mean curves in percent: negative for fewer bits at equal quality. In brackets "
    "the interval of 95% over images drawn anew (1000 bootstrap samples), then on how many images "
    "the curve needs fewer bits. ~ marks an interval that includes 0: other images may say the "
    "opposite. A percentage in parentheses is the shared part of the shorter curve's quality "
    "range, where that is not all; - stands where nothing is shared."
)
BD_BRIEF = (
    "BD-rate in percent (negative: fewer bits at equal quality); ~ where other images may say the "
    "opposite; - where the curves share no quality."
)
_DECIMALS = {"n_bytes": 0, **dict(zip(METRICS, (4, 2, 3, 5, 5, 2, 3, 4, 4), strict=True))}


def comparisons(series, metrics):
    """[(tested Series, anchor Series, {metric name: Delta})]: runs and the baseline against every
    encoder, runs against the baseline, other encoders against the first."""
    encoders = [one for one in series if one.kind == "encoder"]
    baselines = [one for one in series if one.kind == "baseline"]
    anchors = {"encoder": encoders[:1], "baseline": encoders, "run": encoders + baselines}
    return [
        (tested, anchor, {metric.name: compare(anchor, tested, metric) for metric in metrics})
        for tested in series
        for anchor in anchors[tested.kind]
        if tested is not anchor
    ]


def bd_table(compared, metrics, brief=False):
    """A row for each of `comparisons`, a column for each metric. brief: the BD-rates alone."""
    rows = [["curve", "against", *(metric.label for metric in metrics)]]
    for tested, anchor, deltas in compared:
        cells = [_bd_cell(deltas[metric.name], brief) for metric in metrics]
        rows.append([tested.label, anchor.label, *cells])
    return rows


def _bd_cell(delta, brief):
    if math.isnan(delta.percent):
        return "-"
    cell = f"{'~' if delta.is_open else ''}{delta.percent:+.1f}"
    if brief:
        return cell
    if delta.overlap < 0.995:
        cell += f" ({100 * delta.overlap:.0f}%)"
    return f"{cell} [{delta.low:+.1f}, {delta.high:+.1f}] {delta.wins}/{delta.compared}"


def bd_figures(compared):
    """`bd_table` for programs: a row for each pair and metric."""
    names = "bd_rate low high overlap mean_of_images wins compared".split()
    rows = [["curve", "against", "metric", *names]]
    for tested, anchor, deltas in compared:
        for name, delta in deltas.items():
            figures = [delta.percent, delta.low, delta.high, delta.overlap]
            single = delta.images[np.isfinite(delta.images)]
            figures.append(single.mean() if len(single) else math.nan)
            texts = [f"{figure:.4f}" for figure in figures]
            rows.append([tested.label, anchor.label, name, *texts, delta.wins, delta.compared])
    return rows


def bd_images(compared, names):
    """The BD-rate of every single image. names: of the images."""
    rows = [["curve", "against", "image", *(compared[0][2] if compared else ())]]
    for tested, anchor, deltas in compared:
        for index, image in enumerate(names):
            cells = [f"{delta.images[index]:.3f}" for delta in deltas.values()]
            rows.append([tested.label, anchor.label, image, *cells])
    return rows


def point_table(series, names):
    """The means of every point. names: of metrics."""
    rows = [["curve", "point", *names]]
    for one in series:
        for point in one.points:
            rows.append([one.label, point.name, *_figures(point.means, names)])
    return rows


def _figures(means, names):
    return [f"{means[name]:.{_DECIMALS[name]}f}" for name in names]


def matched_table(series, names):
    """The means of every trained point, each above the anchor's at the same rate.

    The anchor's means are interpolated between its points, linearly over the logarithm of bpp; a
    dash stands outside of its range.
    """
    columns = ["n_bytes", *names]
    rows = [["curve", "point", "bytes", *names]]
    anchor = series[0]
    rates = np.log(anchor.column("bpp"))
    for one in series[1:]:
        for point in one.points if one.kind != "encoder" else ():
            rate = math.log(point.means["bpp"])
            rows.append([one.label, point.name, *_figures(point.means, columns)])
            at_rate = {name: np.interp(rate, rates, anchor.column(name)) for name in columns}
            inside = rates[0] <= rate <= rates[-1]
            cells = _figures(at_rate, columns) if inside else ["-"] * len(columns)
            rows.append([anchor.label, "at equal bpp", *cells])
    return rows


def size_table(series, names):
    """The means of the files of searched sizes."""
    rows = [["files of", "curve", "bytes", *names]]
    for size in dict.fromkeys(size for one in series for size in one.at_size):
        for one in series:
            if point := one.at_size.get(size):
                rows.append([size, one.label, *_figures(point.means, ["n_bytes", *names])])
    return rows


def image_table(series, images, names):
    """Every image at every point. images: their names."""
    rows = [["curve", "point", "image", "width", "height", "bytes", *names]]
    for one in series:
        for point in [*one.points, *one.at_size.values()]:
            sizes = [point.figures[name] for name in ("width", "height", "n_bytes")]
            figures = [point.figures[name] for name in names]
            for index, image in enumerate(images):
                if np.isnan(sizes[0][index]):  # no file was searched for this image
                    continue
                whole = [int(column[index]) for column in sizes]
                cells = [f"{column[index]:.7g}" for column in figures]
                rows.append([one.label, point.name, image, *whole, *cells])
    return rows


def to_csv(rows):
    """Rows as the text of a CSV file."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def to_markdown(rows):
    """Rows as a table of Markdown."""
    rows = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def to_lines(rows):
    """Rows as lines of aligned text, the first two columns to the left."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def count(number, noun):
    """A number with its noun: 1 image, 2 images."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
