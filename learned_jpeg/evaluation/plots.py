"""Plots: rate-distortion curves of a metric, and the bits saved at each quality."""

import io
import textwrap

from learned_jpeg.evaluation import bd_rates
from learned_jpeg.runtime.files import write_whole

import matplotlib
import numpy as np
from matplotlib.figure import Figure

FORMATS = (".pdf", ".png", ".svg")

# M. Okabe, K. Ito: Color Universal Design, 2008, without its yellow, too faint on white; then wine
# of P. Tol's scheme "muted".
_COLOURS = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #882255".split()
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Encoders are lines without markers, black or gray; in the background they differ by strokes.
_LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (1, 3)), (0, (8, 3)))
_ANCHORS = ("#000000", "#666666")
_FAINT = "#b5b5b5"
_COLUMNS = 2  # of the legend: the names of runs are long
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,  # text stays text, which publishers require
    "svg.hashsalt": "learned_jpeg",  # the same figure gives the same bytes
    "text.parse_math": False,  # a name may have dollars in it
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
}


def styles(series, focus):
    """The line style of each curve, [dict of Matplotlib's names and "front"].

    focus: labels of the curves in the foreground ("front"); runs among them are coloured, encoders
    black or gray. All other curves are faint.
    """
    found, coloured, anchors, faint = [], 0, 0, 0
    for one in series:
        front = one.label in focus
        if one.kind != "encoder" and front:
            style = {
                "color": _COLOURS[coloured % len(_COLOURS)],
                "marker": _MARKERS[coloured % len(_MARKERS)],
                "markeredgecolor": "white",
                "markeredgewidth": 0.5,
                "markersize": 5,
                "zorder": 4,
                "linewidth": 1.4,
            }
            coloured += 1
        elif front:
            style = {
                "color": _ANCHORS[anchors % len(_ANCHORS)],
                "linestyle": _LINES[anchors % len(_LINES)],
                "zorder": 3,
                "linewidth": 1.2,
            }
            anchors += 1
        else:
            style = {
                "color": _FAINT,
                "linestyle": _LINES[faint % len(_LINES)],
                "marker": "" if one.kind == "encoder" else _MARKERS[faint % len(_MARKERS)],
                "markersize": 2.5,
                "zorder": 2,
                "linewidth": 0.8,
            }
            faint += 1
        found.append(style | {"front": front})
    return found


def draw(metric, series, focus, subject):
    """A figure of a Metric: its curves on the left, the bits that they save on the right.

    series: [Series], the anchor first; focus: labels of the curves in the foreground.
    """
    with matplotlib.rc_context(STYLE):
        rows = -(-len(series) // _COLUMNS)
        figure = Figure(figsize=(7.2, 3.0 + 0.16 * rows), layout="constrained")
        curves, saved = figure.subplots(1, 2)
        looks = styles(series, focus)
        _draw_curves(curves, metric, series, looks)
        _draw_saved(saved, metric, series, looks)
        curves.set_title(textwrap.fill(subject, 50), loc="left")
        handles = sorted(
            zip(curves.get_lines(), looks, strict=True), key=lambda pair: not pair[1]["front"]
        )
        figure.legend(
            handles=[line for line, _ in handles],
            loc="outside lower left",
            ncols=_COLUMNS,
            frameon=False,
        )
    return figure


def _line(look):
    return {name: value for name, value in look.items() if name != "front"}


def _draw_curves(axes, metric, series, looks):
    """Draws the curves; the axes show the range of the trained curves, with a margin."""
    trained = [one for one in series if one.kind != "encoder"] or series
    right = 1.15 * max(one.column("bpp").max() for one in trained)
    inside = []
    for one, look in zip(series, looks, strict=True):
        bpp, values = one.column("bpp"), metric.shown(one.column(metric.name))
        axes.plot(bpp, values, label=one.label, **_line(look))
        inside.extend(values[(bpp <= right) & np.isfinite(values)])
    axes.set_xlim(0, right)
    if inside:
        margin = 0.04 * (max(inside) - min(inside)) or 1
        axes.set_ylim(min(inside) - margin, max(inside) + margin)
    axes.set_xlabel("bits per pixel")
    axes.set_ylabel(metric.axis)


def _draw_saved(axes, metric, series, looks):
    """Draws how many percent more or fewer bits a curve needs than the anchor, at equal quality."""
    anchor, shown, front, others = series[0], [], [], []
    for one, look in zip(series, looks, strict=True):
        quality, percent = bd_rates.rate_ratio(
            anchor.column("bpp"),
            metric.quality(anchor.column(metric.name)),
            one.column("bpp"),
            metric.quality(one.column(metric.name)),
        )
        quality = -quality if metric.lower else quality
        axes.plot(quality, percent, **(_line(look) | {"marker": ""}))
        if one.kind != "encoder":
            shown.append((quality, percent))
        elif one is not anchor:
            (front if look["front"] else others).append((quality, percent))
    _crop(axes, shown or front + others, front)
    if metric.lower:
        axes.invert_xaxis()
    axes.set_xlabel(f"{metric.label}{f' in {metric.unit}' if metric.unit else ''}")
    axes.set_ylabel("% of bits at equal quality (less is better)")
    axes.set_title(f"against {anchor.label}", loc="left")


def _crop(axes, shown, front):
    """Sets the axes to the range of `shown`, [(x, y)], of `front` there, and 0, with a margin."""
    shown = [(x, y) for x, y in shown if len(x)]
    if shown:
        x, y = (np.concatenate(part) for part in zip(*shown, strict=True))
        y = np.concatenate([y, *(v[(x.min() <= u) & (u <= x.max())] for u, v in front)])
        low, high = min(y.min(), 0), max(y.max(), 0)
        axes.set_xlim(x.min(), x.max() if x.max() > x.min() else x.min() + 1)
        axes.set_ylim(low - 0.06 * (high - low) - 1, high + 0.06 * (high - low) + 1)


def save(figure, path, formats=FORMATS):
    """Writes a figure once for each ending; the same figure gives the same bytes."""
    metadata = {
        ".pdf": {"CreationDate": None},
        ".png": {"Software": None},
        ".svg": {"Date": None},
    }
    with matplotlib.rc_context(STYLE):
        for suffix in formats:
            file = io.BytesIO()
            figure.savefig(file, format=suffix[1:], dpi=200, metadata=metadata[suffix])
            write_whole(path.with_name(path.name + suffix), file.getvalue())
