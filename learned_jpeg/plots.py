"""What an evaluation shows: plots, tables, and a sheet of crops to look at.

A figure of a set of images is the mean of the single images' figures. Nothing here measures.
"""

import csv
import io
import math
import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import metrics
from dot_cache import METRICS, write_whole
from jpeg_file import decode

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator
from scipy.ndimage import uniform_filter

PROTOCOLS = {
    "standard": "the standard's example Huffman tables",
    "optimized": "Huffman tables optimized for each image",
    "progressive": "optimized progressive files",
}


@dataclass
class Point:
    """A dot of a curve: its records {image name: record} and JPEG files {image name: path}."""

    name: str
    records: dict
    files: dict

    @cached_property
    def means(self):
        """{metric: mean over the images}."""
        return {
            metric: metrics.mean_over_images([record[metric] for record in self.records.values()])
            for metric in ("n_bytes", *METRICS)
        }


@dataclass
class Series:
    """A curve. kind: "encoder" (the first of all is the anchor), "google" or "run"."""

    label: str
    kind: str
    points: list

    def __post_init__(self):
        self.points.sort(key=lambda point: point.means["bpp"])

    def column(self, metric):
        """The means of the points, float64 [points]."""
        return np.array([point.means[metric] for point in self.points])


def write(folder, set_name, huffman, series, originals):
    """Writes plots, tables and the sheet of crops into a folder; returns the lines to print.

    huffman: the Huffman choice that all of it was measured with; series: [Series], the anchor
    first; originals: {image name: path}.
    """
    folder, stem = Path(folder), f"{set_name}_{huffman}"
    subject = f"{set_name}, {_count(len(originals), 'image')}, {PROTOCOLS[huffman]}"
    for plot in PLOTS:
        _save(draw(plot, series, subject), folder / f"{stem}_{plot.metric}")
    sheet, notices = folder / f"{stem}_comparison", []
    shown = _shown(series, list(originals))
    gone = sum(not point.files[name].exists() for name in shown for point in shown[name])
    if gone:
        notices = [
            f"sheet of crops left as it is: {_count(gone, 'JPEG file')} of its dots not here; "
            "without their pickles, the dots are measured again and the files made"
        ]
    else:
        _save(comparison(series, shown, originals, subject), sheet)

    rates, dots = bd_rate_table(series), dot_table(series)
    write_whole(folder / f"{stem}_bd_rate.csv", _csv(rates))
    write_whole(folder / f"{stem}_dots.csv", _csv(dots))
    write_whole(folder / f"{stem}_images.csv", _csv(image_table(series)))
    matched = matched_table(series)
    notes = [
        f"# {subject}",
        "## BD-rate in percent",
        _BD_NOTE,
        _markdown(rates),
        "## Beside the anchor at equal bits per pixel",
        _markdown(matched),
        "## Means over the images",
        _markdown(dots),
        "## Curves",
        *(f"![{plot.label}]({stem}_{plot.metric}.png)" for plot in PLOTS),
    ]
    if not gone or sheet.with_name(f"{sheet.name}.png").exists():
        notes += ["## Crops at about equal bits per pixel", f"![crops]({sheet.name}.png)"]
    write_whole(folder / f"{stem}.md", "\n\n".join(notes) + "\n")
    return [
        subject,
        *(["", *_aligned(matched)] if len(matched) > 1 else []),
        *(["", _BD_NOTE, *_aligned(rates)] if len(rates) > 1 else []),
        "",
        *notices,
        f"plots, tables and crops: {folder / stem}*",
    ]


# Tables: lists of rows of texts, the first one with the names of the columns

_BD_NOTE = (
    "BD-rate in percent (negative: fewer bits at equal quality); in brackets the percentage of the "
    "shorter curve's quality range that both share; - where they share none."
)
_BD_METRICS = {"psnr": "PSNR", "ms_ssim": "MS-SSIM", "lpips": "LPIPS"}
_DECIMALS = dict(zip(METRICS, (4, 2, 3, 5, 5, 2, 3), strict=True))


def bd_rate_table(series):
    """Each run against each encoder and the Google baseline, each other curve against less."""
    rows = [["curve", "against", *_BD_METRICS.values()]]
    encoders = [one for one in series if one.kind == "encoder"]
    google = [one for one in series if one.kind == "google"]
    anchors = {"encoder": encoders[:1], "google": encoders, "run": encoders + google}
    for tested in series[1:]:
        for anchor in anchors[tested.kind]:
            cells = [_bd_rate(anchor, tested, metric) for metric in _BD_METRICS]
            rows.append([tested.label, anchor.label, *cells])
    return rows


def _bd_rate(anchor, tested, metric):
    percent, overlap = metrics.bd_rate(
        *(one.column(column) for one in (anchor, tested) for column in ("bpp", metric)),
        lower_is_better=metric == "lpips",
    )
    return "-" if math.isnan(percent) else f"{percent:+.1f} ({100 * overlap:.0f})"


def dot_table(series):
    """The means of every dot."""
    rows = [["curve", "dot", *METRICS]]
    for one in series:
        for point in one.points:
            figures = [f"{point.means[metric]:.{_DECIMALS[metric]}f}" for metric in METRICS]
            rows.append([one.label, point.name, *figures])
    return rows


def matched_table(series):
    """The means of every trained dot, each above the anchor's at the same rate.

    The anchor's are interpolated between its dots, linearly over the logarithm of bpp; a dash
    stands outside of its range.
    """
    columns = ["n_bytes", *METRICS]
    decimals = {"n_bytes": 0, **_DECIMALS}
    rows = [["curve", "dot", "bytes", *METRICS]]
    anchor = series[0]
    for one in series[1:]:
        for point in one.points if one.kind != "encoder" else ():
            rate = math.log(point.means["bpp"])
            rates = np.log(anchor.column("bpp"))
            outside = not rates[0] <= rate <= rates[-1]
            at_rate = {c: np.interp(rate, rates, anchor.column(c)) for c in columns}
            for label, name, means in (
                (one.label, point.name, point.means),
                (anchor.label, "at equal bpp", at_rate),
            ):
                figures = [f"{means[column]:.{decimals[column]}f}" for column in columns]
                if means is at_rate and outside:
                    figures = ["-"] * len(columns)
                rows.append([label, name, *figures])
    return rows


def image_table(series):
    """Every image at every dot."""
    rows = [["curve", "dot", "image", "width", "height", "bytes", *METRICS]]
    for one in series:
        for point in one.points:
            for image, record in sorted(point.records.items()):
                size = [record[name] for name in ("width", "height", "n_bytes")]
                figures = [f"{record[metric]:.7g}" for metric in METRICS]
                rows.append([one.label, point.name, image, *size, *figures])
    return rows


def _csv(rows):
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def _markdown(rows):
    rows = [[str(cell).replace("|", "\\|") for cell in row] for row in rows]
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _aligned(rows):
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index < 2 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


# Plots


@dataclass(frozen=True)
class Plot:
    """A metric against bits per pixel. shown: its values on the axis; log: a logarithmic one."""

    metric: str
    label: str
    shown: callable = np.asarray
    log: bool = False


PLOTS = (
    Plot("mse", "MSE (lower is better)", log=True),
    Plot("lpips", "LPIPS, AlexNet v0.1 (lower is better)"),
    Plot("psnr", "PSNR in dB (higher is better)"),
    Plot("ms_ssim", "MS-SSIM in dB (higher is better)", np.vectorize(metrics.ms_ssim_db)),
)

# M. Okabe, K. Ito: Color Universal Design, 2008, without its yellow, too faint on white; then wine
# and olive of P. Tol's scheme "muted".
_COLOURS = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #882255 #999933".split()
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# The encoders are lines without dots, from black to gray.
_LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (1, 3)))
_GRAYS = ("#000000", "#333333", "#555555", "#777777")
_STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,  # text stays text, as publishers ask for
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
}


def _styles(series):
    """The line of each curve: encoders gray with differing strokes, others dots in colours."""
    lines, dots = [], 0
    for one in series:
        if one.kind == "encoder":
            number = len(lines) - dots
            gray = _GRAYS[number % len(_GRAYS)]
            lines.append({"color": gray, "linestyle": _LINES[number % len(_LINES)]})
        else:
            lines.append(
                {
                    "color": _COLOURS[dots % len(_COLOURS)],
                    "marker": _MARKERS[dots % len(_MARKERS)],
                    "markeredgecolor": "white",
                    "markeredgewidth": 0.5,
                    "markersize": 6,
                    "zorder": 3,
                }
            )
            dots += 1
    return lines


def draw(plot, series, subject):
    """A figure of one metric; the axes show where the runs are, with some room around."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 3.8))
        axes = figure.add_subplot()
        trained = [one for one in series if one.kind != "encoder"]
        right = 1.15 * max(one.column("bpp").max() for one in trained or series)
        inside = []
        for one, style in zip(series, _styles(series), strict=True):
            bpp, values = one.column("bpp"), plot.shown(one.column(plot.metric))
            axes.plot(bpp, values, label=one.label, linewidth=1.3, **style)
            inside.extend(values[(bpp <= right) & np.isfinite(values)])
        axes.set_xlim(0, right)
        if plot.log:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
            axes.yaxis.set_minor_locator(NullLocator())
        if inside:
            # In the axis's own scale, for a logarithm has margins of equal looks.
            scale = axes.yaxis.get_transform()
            low, high = scale.transform([min(inside), max(inside)])
            margin = 0.04 * (high - low) or 1
            axes.set_ylim(*scale.inverted().transform([low - margin, high + margin]))
        axes.set_xlabel("bits per pixel")
        axes.set_ylabel(plot.label)
        axes.set_title(subject, loc="left")
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, frameon=False)
    return figure


def _save(figure, path):
    """Writes a figure as .pdf and .png; the same figure gives the same bytes."""
    with matplotlib.rc_context(_STYLE):
        for suffix, metadata in ((".pdf", {"CreationDate": None}), (".png", {"Software": None})):
            file = io.BytesIO()
            figure.savefig(file, format=suffix[1:], dpi=200, bbox_inches="tight", metadata=metadata)
            write_whole(path.with_name(path.name + suffix), file.getvalue())


# The sheet of crops

_SHEET_IMAGES = 4
_CROP = 160  # pixels a side
_DPI = 200
_CELL = 2 * _CROP / _DPI  # inches: each pixel of a crop is 2x2 of the picture file
_WHOLE = 2.4  # inches that the whole image may be wide
_PER_LINE = 6  # crops beside each other
_GAP, _ABOVE, _BELOW = 0.1, 0.55, 0.2  # inches between crops, and for the text at them
_TITLE_WIDTH = 28  # characters that fit above a crop
_TARGET_BPP = 0.5  # where the artifacts of JPEG are plain and such files still are in use


def comparison(series, shown, originals, subject):
    """A figure: of a few images the original and a crop of each curve's file at about equal bpp.

    The crop is where the anchor's error stands out most against the picture's own texture. The
    dots are the ones whose rates lie closest together, at a low rate rather than a high one.
    shown: {image name: [the point of each curve]}, as `_shown` chooses them.
    """
    from image_utils import read_image  # here, for it brings TensorFlow along

    cells, line = len(series) + 1, _ABOVE + _CELL + _BELOW
    block = line * math.ceil(cells / _PER_LINE)
    width = 2 * _GAP + _WHOLE + min(cells, _PER_LINE) * (_CELL + _GAP)
    with matplotlib.rc_context(_STYLE | {"axes.grid": False}):
        height = 0.3 + len(shown) * block
        figure = Figure(figsize=(width, height))
        heading = f"{subject}; bits per pixel and LPIPS of the whole image, the lowest LPIPS bold"
        figure.suptitle(heading, x=_GAP / width, y=1 - _GAP / height, ha="left", fontsize=9)
        for row, (name, points) in enumerate(shown.items()):
            original = read_image(originals[name])
            files = [decode(point.files[name].read_bytes()) for point in points]
            crop = _telling_crop(original, files[0])
            y = 0.3 + row * block + _ABOVE
            axes = _place(figure, original, _GAP, y, _WHOLE, name)
            for colour, line_width in (("white", 2.4), ("black", 0.8)):
                axes.add_patch(_frame(crop, original.shape, edgecolor=colour, lw=line_width))
            least = min(point.records[name]["lpips"] for point in points)
            crops = [(original, "original", "", False)]
            for one, point, picture in zip(series, points, files, strict=True):
                record = point.records[name]
                label = "\n".join(textwrap.wrap(one.label, _TITLE_WIDTH))
                title = f"{label}\n{point.name.replace('_', ' ')}"
                figures = f"{record['bpp']:.3f} bpp, LPIPS {record['lpips']:.3f}"
                crops.append((picture, title, figures, record["lpips"] == least))
            for index, (picture, *texts) in enumerate(crops):
                down, across = divmod(index, _PER_LINE)
                x = 2 * _GAP + _WHOLE + across * (_CELL + _GAP)
                _place(figure, picture[crop], x, y + down * line, _CELL, *texts)
    return figure


def _place(figure, picture, x, y, width, title, below="", bold=False):
    """Draws a picture. x, y: of its upper left corner from the figure's, and width, in inches."""
    whole = figure.get_size_inches()
    axes = figure.add_axes(
        (x / whole[0], 1 - (y + _CELL) / whole[1], width / whole[0], _CELL / whole[1]), anchor="NW"
    )
    axes.imshow(picture, interpolation="nearest")
    axes.set_axis_off()
    axes.set_title(title, fontsize=7, loc="left")
    weight = "bold" if bold else "normal"
    axes.text(0, -0.03, below, transform=axes.transAxes, va="top", fontsize=7, weight=weight)
    return axes


def _frame(crop, shape, **style):
    """A rectangle around a crop (slices of rows and columns) of an image."""
    (top, bottom, _), (left, right, _) = (
        part.indices(side) for part, side in zip(crop, shape[:2], strict=True)
    )
    return Rectangle((left, top), right - left, bottom - top, fill=False, **style)


def _shown(series, names):
    """{name of an image on the sheet: [the point of each curve]}."""
    middles = (np.arange(_SHEET_IMAGES) + 0.5) * len(names) / _SHEET_IMAGES
    chosen = [names[index] for index in sorted({int(middle) for middle in middles})]
    return {name: _equal_rate(series, name) for name in chosen}


def _equal_rate(series, name):
    """The point of each curve, such that their rates for an image differ least."""
    rates = [np.log([point.records[name]["bpp"] for point in one.points]) for one in series]

    def spread(target):
        apart = max(np.abs(rate - target).min() for rate in rates)
        return apart + 0.03 * abs(target - math.log(_TARGET_BPP))

    target = min(np.concatenate(rates), key=spread)
    chosen = [np.abs(rate - target).argmin() for rate in rates]
    return [one.points[index] for one, index in zip(series, chosen, strict=True)]


def _telling_crop(original, decoded):
    """The crop (slices of rows and columns) whose error is largest next to its texture."""
    error, gray = ((original.astype(float) - decoded) ** 2).mean(axis=2), original.mean(axis=2)
    near = 16  # pixels: an error is hidden by texture nearby
    texture = uniform_filter(gray**2, near) - uniform_filter(gray, near) ** 2
    visible = uniform_filter(error / (texture + 100), _CROP)
    # The mean around a pixel stands at that pixel; only whole crops are of interest.
    starts = [max(side - _CROP, 0) + 1 for side in gray.shape]
    visible = visible[tuple(slice(min(_CROP, s) // 2, None) for s in gray.shape)]
    visible = visible[: starts[0], : starts[1]]
    corner = np.unravel_index(visible.argmax(), visible.shape)
    return tuple(slice(int(start), int(start) + _CROP) for start in corner)
