"""The sheet of crops: details of a few images by each encoder at equal bytes."""

import math
import textwrap

from learned_jpeg.evaluation.plots import STYLE
from learned_jpeg.jpeg.jpeg_file import decode
from learned_jpeg.pictures import reading
from learned_jpeg.runtime import paths

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.ndimage import uniform_filter

_CROP = 160  # pixels a side
_DPI = 200
_CELL = 2 * _CROP / _DPI  # inches: each pixel of a crop is 2x2 of the picture file
_WHOLE = 2.4  # inches that the whole image may be wide
_PER_LINE = 6  # crops beside each other
_GAP, _ABOVE, _BELOW = 0.1, 0.55, 0.2  # inches between crops, and for the text at them
_HEADING = 0.3  # inches
_TITLE_WIDTH = 28  # characters that fit above a crop


def draw(shown, originals, subject):
    """A figure with the original of each image, and a crop of each encoder's file at equal bytes.

    shown: {image name: (its index, [(Series, Point)])}; originals: {image name: path}. The crop
    shows where the files differ most in visible error.
    """
    cells = 1 + max(len(pairs) for _, pairs in shown.values())
    line = _ABOVE + _CELL + _BELOW
    block = line * math.ceil(cells / _PER_LINE)
    width = 2 * _GAP + _WHOLE + min(cells, _PER_LINE) * (_CELL + _GAP)
    with matplotlib.rc_context(STYLE | {"axes.grid": False}):
        height = _HEADING + len(shown) * block
        figure = Figure(figsize=(width, height))
        heading = f"{subject}\nbits per pixel and LPIPS of the whole image, the lowest LPIPS bold"
        figure.suptitle(heading, x=_GAP / width, y=1 - _GAP / height, ha="left", fontsize=9)
        for row, (name, (index, pairs)) in enumerate(shown.items()):
            original = reading.read(originals[name])
            files = [decode(point.file(name).read_bytes()) for _, point in pairs]
            crop = telling_crop(original, files)
            y = _HEADING + row * block + _ABOVE
            axes = _place(figure, original, _GAP, y, _WHOLE, paths.shown(name))
            for colour, line_width in (("white", 2.4), ("black", 0.8)):
                axes.add_patch(_frame(crop, original.shape, edgecolor=colour, lw=line_width))
            crops = [(original, "original", "", False), *_labelled(pairs, files, index)]
            for number, (picture, *texts) in enumerate(crops):
                down, across = divmod(number, _PER_LINE)
                x = 2 * _GAP + _WHOLE + across * (_CELL + _GAP)
                _place(figure, picture[crop], x, y + down * line, _CELL, *texts)
    return figure


def _labelled(pairs, files, index):
    """(picture, title, figures, whether they are bold) of each file of an image."""
    least = min((point.figures["lpips"][index] for _, point in pairs), default=0)
    for (one, point), picture in zip(pairs, files, strict=True):
        bpp, lpips = (point.figures[name][index] for name in ("bpp", "lpips"))
        title = "\n".join(textwrap.wrap(one.label, _TITLE_WIDTH))
        figures = f"{bpp:.3f} bpp" + (f", LPIPS {lpips:.3f}" if np.isfinite(lpips) else "")
        yield picture, title, figures, lpips == least


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
    return Rectangle((left, top), right - left, bottom - top, fill=False, clip_on=False, **style)


def telling_crop(original, files):
    """The crop (slices of rows and columns) in which the files differ most in visible error.

    original, files: uint8 [H, W, 3]. An error counts less the more texture is near it. The crop
    maximizes the spread of the files' errors, or the error of a single file.
    """
    gray = original.mean(axis=2, dtype=np.float64)
    near = 16  # pixels: an error is hidden by texture nearby
    texture = uniform_filter(gray**2, near) - uniform_filter(gray, near) ** 2
    visible = np.stack(
        [
            uniform_filter(
                ((original.astype(np.float32) - file) ** 2).mean(axis=2) / (texture + 100), _CROP
            )
            for file in files
        ]
    )
    telling = visible.std(axis=0) if len(files) > 1 else visible[0]
    # The mean around a pixel stands at that pixel; only whole crops are of interest.
    starts = [max(side - _CROP, 0) + 1 for side in gray.shape]
    telling = telling[tuple(slice(min(_CROP, s) // 2, None) for s in gray.shape)]
    telling = telling[: starts[0], : starts[1]]
    corner = np.unravel_index(telling.argmax(), telling.shape)
    return tuple(slice(int(start), int(start) + _CROP) for start in corner)
