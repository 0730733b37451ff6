"""The page of an evaluation: a single HTML file with charts and pictures, which loads no other."""

import base64
import io
import json
import math
import re
from pathlib import Path

from learned_jpeg.evaluation import bd_rates, series
from learned_jpeg.evaluation.plots import styles
from learned_jpeg.evaluation.stored import METRICS
from learned_jpeg.pictures import reading
from learned_jpeg.runtime import paths
from learned_jpeg.runtime.files import write_whole

import jinja2
from PIL import Image

_ASSETS = Path(__file__).resolve().parent / "assets"
# The most pictures and pixels of the viewer: the page should open on a phone, too.
_IMAGES, _PIXELS = 8, 4_000_000
_SAVED_POINTS = 60  # of a curve of saved bits


def write(report, metrics, compared, front):
    """Writes the page of a report.SetReport.

    metrics: [Metric] that it shows; compared: the result of tables.comparisons; front: labels of
    the curves in the foreground.
    """
    path = report.folder / f"{report.stem}.html"
    html = _template().render(
        subject=report.subject,
        figures=_figures(report.curves, metrics, compared, front),
        pictures=_pictures(report, metrics) or _former_pictures(path),
        **{name.replace(".", "_"): (_ASSETS / name).read_text() for name in _FILES},
    )
    write_whole(path, html)


_FILES = ("page.css", "page.js", "chart.umd.min.js")


def _template():
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ASSETS), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["json"] = _to_json
    return environment.get_template("page.html")


def _to_json(content):
    """JSON that can stand within an HTML script, whatever texts it holds."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return jinja2.utils.markupsafe.Markup(text)


def _number(value, digits=5):
    """A figure in JSON, which has neither NaN nor infinity."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _figures(curves, metrics, compared, front):
    """The data of charts and table."""
    return {
        "metrics": [
            {"name": one.name, "label": one.label, "axis": one.axis, "lower": one.lower}
            for one in metrics
        ],
        "curves": [
            {
                "label": one.label,
                "kind": one.kind,
                "front": look["front"],
                "color": look["color"],
                "points": [_point(point.means, point.name, metrics) for point in one.points],
                "saved": {metric.name: _saved(curves[0], one, metric) for metric in metrics},
            }
            for one, look in zip(curves, styles(curves, front), strict=True)
        ],
        "deltas": [
            {
                "curve": tested.label,
                "against": anchor.label,
                **{
                    name: {
                        "percent": _number(delta.percent),
                        "low": _number(delta.low),
                        "high": _number(delta.high),
                        "open": delta.is_open,
                        "overlap": _number(delta.overlap),
                        "wins": delta.wins,
                        "compared": delta.compared,
                    }
                    for name, delta in deltas.items()
                },
            }
            for tested, anchor, deltas in compared
        ],
    }


def _point(figures, name, metrics):
    shown = {metric.name: _number(metric.shown(figures[metric.name])) for metric in metrics}
    return {"name": name, "bpp": _number(figures["bpp"]), **shown}


def _saved(anchor, tested, metric):
    quality, percent = bd_rates.rate_ratio(
        *(
            pick
            for one in (anchor, tested)
            for pick in (one.column("bpp"), metric.quality(one.column(metric.name)))
        ),
        number=_SAVED_POINTS,
    )
    quality = -quality if metric.lower else quality
    return [[_number(x), _number(y)] for x, y in zip(quality, percent, strict=True)]


def _pictures(report, metrics):
    """The data of the viewer: images with files of equal bytes; [] if a file is missing."""
    shown, pixels = [], 0
    names = [report.images[index].name for index in report.compared]
    for name in series.chosen(names, _IMAGES):
        index = report.compared[names.index(name)]
        image = report.images[index]
        sizes = []
        for size in report.sizes():
            near, _ = series.equal(report.curves, size, index)
            if not all(point.file(name).exists() for _, point in near):
                return []
            files = [_file(one, point, name, index, metrics) for one, point in near]
            sizes.append({"label": size, "files": files})
        original = reading.read(image.path)
        height, width, _ = original.shape
        pixels += height * width
        if shown and pixels > _PIXELS:
            break
        source = {"src": _original(original), "width": width, "height": height}
        shown.append({"name": paths.shown(name), **source, "sizes": sizes})
    return shown


def _file(one, point, name, index, metrics):
    figures = {key: point.figures[key][index] for key in METRICS}
    data = point.file(name).read_bytes()
    return {
        "label": one.label,
        "src": f"data:image/jpeg;base64,{base64.b64encode(data).decode()}",
        "bytes": len(data),
        **_point(figures, point.name, metrics),
    }


def _original(pixels):
    """An original as the URL of a lossless picture."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _former_pictures(path):
    """The pictures of the existing page, whose files may be gone by now."""
    try:
        found = re.search(r'id="pictures">(.*?)</script>', path.read_text(), re.DOTALL)
        return json.loads(found[1])
    except (OSError, TypeError, ValueError):
        return []
