import csv
import io
from dataclasses import replace

from learned_jpeg.evaluation import tables
from learned_jpeg.evaluation.series import SHOWN

import numpy as np
import pytest
from test_series import PSNR, make

NAMES = ["bpp", "psnr", "lpips"]


@pytest.fixture
def curves():
    return [
        make("JPEG", "encoder", [0.5, 1, 2, 3], PSNR, images=3),
        make("other", "encoder", [0.5, 1, 2, 3], PSNR, images=3),
        make("baseline", "baseline", [0.4, 0.8, 1.6, 2.4], PSNR, images=3),
        make("run", "run", [0.25, 0.5, 1, 1.5], PSNR, images=3),
    ]


def test_runs_are_compared_with_all_and_encoders_with_the_first(curves):
    pairs = [
        (tested.label, anchor.label) for tested, anchor, _ in tables.comparisons(curves, SHOWN[:1])
    ]
    assert pairs == [
        ("other", "JPEG"),
        ("baseline", "JPEG"),
        ("baseline", "other"),
        *(("run", label) for label in ("JPEG", "other", "baseline")),
    ]


def test_a_bd_rate_stands_with_its_interval_and_wins(curves):
    compared = tables.comparisons(curves, SHOWN)
    header, *rows = tables.bd_table(compared, SHOWN)
    assert header[2:] == [metric.label for metric in SHOWN]
    assert rows[3] == ["run", "JPEG", *["-50.0 [-50.0, -50.0] 3/3"] * len(SHOWN)]
    assert rows[0][2] == "~+0.0 [+0.0, +0.0] 0/3"
    brief = tables.bd_table(compared, SHOWN, brief=True)
    assert brief[4] == ["run", "JPEG", *["-50.0"] * len(SHOWN)]
    assert brief[1][2] == "~+0.0"


def test_a_small_overlap_is_named_and_none_is_a_dash():
    anchor = make("JPEG", "encoder", [0.5, 1, 2], [28, 30, 33])
    part = make("part", "run", [0.5, 1], [32, 36])
    none = make("none", "run", [0.5, 1, 2], [38, 40, 43])
    _, one, other = tables.bd_table(tables.comparisons([anchor, part, none], SHOWN[:1]), SHOWN[:1])
    assert "(25%)" in one[2]
    assert other[2] == "-"


def test_the_figures_of_bd_rates_are_numbers(curves):
    compared = tables.comparisons(curves, SHOWN[:1])
    header, *rows = tables.bd_figures(compared)
    row = dict(zip(header, rows[-1], strict=True))
    assert (row["curve"], row["against"], row["metric"]) == ("run", "baseline", "psnr")
    assert float(row["bd_rate"]) == float(row["mean_of_images"]) == pytest.approx(-37.5)
    header, *rows = tables.bd_images(compared, ["a", "b", "c"])
    assert header == ["curve", "against", "image", "psnr"]
    assert rows[-1] == ["run", "baseline", "c", "-37.500"]
    assert len(rows) == 3 * len(compared)


def test_means_of_every_point(curves):
    header, *rows = tables.point_table(curves, NAMES)
    assert header == ["curve", "point", *NAMES]
    assert rows[1] == ["JPEG", "1", "1.0000", "30.000", "0.40000"]
    assert len(rows) == 16


def test_each_trained_point_stands_above_the_anchor_at_its_rate():
    anchor = make("JPEG", "encoder", [0.5, 2], [28, 34])
    run = make("run", "run", [1, 4], [33, 40])
    header, *rows = tables.matched_table([anchor, run], NAMES)
    shown = [dict(zip(header, row, strict=True)) for row in rows]
    # 1 is half-way from 0.5 to 2 in the logarithm; 4 is outside of the anchor's range.
    assert [row["psnr"] for row in shown] == ["33.000", "31.000", "40.000", "-"]
    assert [row["point"] for row in shown] == ["1", "at equal bpp", "4", "at equal bpp"]
    assert shown[0]["bytes"] == "1000"


def test_files_of_one_size_stand_together(curves):
    for curve in curves[::3]:
        curve.at_size["a size"] = curve.points[1]
        curve.at_size["another"] = curve.points[2]
    header, *rows = tables.size_table(curves, NAMES)
    assert [row[:3] for row in rows] == [
        ["a size", "JPEG", "1000"],
        ["a size", "run", "500"],
        ["another", "JPEG", "2000"],
        ["another", "run", "1000"],
    ]
    assert header[3:] == NAMES


def test_every_image_at_every_point(curves):
    curves[3].at_size["a size"] = curves[3].points[1]
    header, *rows = tables.image_table(curves, ["a", "b", "c"], NAMES)
    assert header == ["curve", "point", "image", "width", "height", "bytes", *NAMES]
    assert len(rows) == 17 * 3
    assert rows[1] == ["JPEG", "0.5", "b", 8, 9, 500, "0.5", "28", "0.44"]


def test_a_figure_that_is_missing_is_nan(curves):
    curves[0].points[0] = replace(curves[0].points[0])
    curves[0].points[0].figures["lpips"] = np.array([np.nan] * 3)
    assert tables.point_table(curves, NAMES)[1][-1] == "nan"


def test_the_three_forms_of_rows():
    rows = [["a", "b|c", "number"], ["x, y", "z", 1]]
    assert list(csv.reader(io.StringIO(tables.to_csv(rows)))) == [rows[0], ["x, y", "z", "1"]]
    assert tables.to_markdown(rows).splitlines() == [
        "| a | b\\|c | number |",
        "| --- | --- | --- |",
        "| x, y | z | 1 |",
    ]
    assert tables.to_lines([["a", "b", "number"], ["xx", "z", "1"]]) == [
        "a   b  number",
        "xx  z       1",
    ]
    assert (tables.count(1, "image"), tables.count(2, "image")) == ("1 image", "2 images")
