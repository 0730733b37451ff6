from learned_jpeg.evaluation import plots
from learned_jpeg.evaluation.series import SHOWN

import numpy as np
import pytest
from PIL import Image
from test_series import PSNR, make


@pytest.fixture
def curves():
    return [
        make("JPEG", "encoder", [0.5, 1, 2, 8], [28, 30, 33, 40]),
        make("faint", "encoder", [0.5, 1, 2, 8], [28, 30, 33, 40]),
        make("run", "run", [1.5, 0.25, 1], [37, 28, 33]),
    ]


@pytest.mark.parametrize("metric", SHOWN, ids=lambda metric: metric.name)
def test_curves_show_the_means_in_the_order_of_their_rates(metric, curves):
    figure = plots.draw(metric, curves, {"JPEG", "run"}, "subject")
    axes = figure.axes[0]
    assert axes.get_xlabel() == "bits per pixel"
    assert axes.get_ylabel().startswith(metric.label)
    assert ("lower" in axes.get_ylabel()) == (metric.name in ("lpips", "butteraugli"))
    assert axes.get_title("left") == "subject"
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines["run"].get_xdata()) == [0.25, 1, 1.5]
    psnr = np.array([28, 33, 37])
    expected = {
        "psnr": psnr,
        "lpips": 1 - psnr / 50,
        "ms_ssim": -10 * np.log10(1 - psnr / 50),
        "ssimulacra2": 2 * psnr,
        "psnr_hvs_m": psnr,
        "butteraugli": 8 - psnr / 5,
    }
    assert list(lines["run"].get_ydata()) == pytest.approx(expected[metric.name])
    left, right = axes.get_xlim()
    assert left == 0
    assert 1.5 < right < 2  # where the runs are


@pytest.mark.parametrize("metric", [SHOWN[0], SHOWN[2]], ids=lambda metric: metric.name)
def test_saved_bits_stand_over_the_qualities_of_the_runs(metric):
    anchor = make("JPEG", "encoder", [0.5, 1, 2, 3], PSNR)
    run = make("run", "run", [0.4, 0.8, 1.6, 2.4], PSNR)
    figure = plots.draw(metric, [anchor, run], {"JPEG", "run"}, "subject")
    axes = figure.axes[1]
    jpeg, line = axes.get_lines()
    assert list(jpeg.get_ydata()) == pytest.approx([0] * 200)
    assert list(line.get_ydata()) == pytest.approx([-20] * 200)
    start, end = axes.get_xlim()
    ends = metric.shown([run.points[0].means[metric.name], run.points[-1].means[metric.name]])
    assert [start, end] == pytest.approx(ends)  # from the worse to the better
    low, high = axes.get_ylim()
    assert low < -20 and high > 0


def test_saved_bits_of_the_foreground_are_within_the_picture():
    anchor = make("JPEG", "encoder", [0.5, 1, 2, 3], PSNR)
    others = [make(name, "encoder", [0.2, 0.4, 0.8, 1.2], PSNR) for name in ("front", "faint")]
    run = make("run", "run", [0.45, 0.9, 1.8, 2.7], PSNR)
    for front in ({"JPEG", "run"}, {"JPEG", "run", "front"}):
        figure = plots.draw(SHOWN[0], [anchor, *others, run], front, "subject")
        low, _ = figure.axes[1].get_ylim()
        assert (low < -60) == ("front" in front)


def test_the_legend_is_outside_of_the_data_and_begins_with_the_foreground(curves):
    figure = plots.draw(SHOWN[0], curves, {"JPEG", "run"}, "subject")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["JPEG", "run", "faint"]
    for axes in figure.axes:
        assert legend.get_window_extent().y1 < axes.get_window_extent().y0


def test_curves_differ_without_colour():
    curves = [make(str(i), "encoder" if i < 7 else "run", [1], [30]) for i in range(14)]
    for focus in (set(), {"0", "1", "7", "8"}, {str(i) for i in range(14)}):
        looks = plots.styles(curves, focus)
        styles = [(look.get("linestyle"), look.get("marker"), look["front"]) for look in looks]
        assert len({s for s in styles if s[2]}) == len([s for s in styles if s[2]])
        assert [look["front"] for look in looks] == [str(i) in focus for i in range(14)]


def test_what_is_not_in_the_foreground_is_faint(curves):
    jpeg, faint, run = plots.styles(curves, {"JPEG", "run"})
    assert faint["linewidth"] < jpeg["linewidth"] < run["linewidth"]
    assert faint["zorder"] < jpeg["zorder"] < run["zorder"]


def test_pictures_are_written_as_vectors_and_as_pixels_and_alike(curves, tmp_path):
    for folder in ("a", "b"):
        figure = plots.draw(SHOWN[0], curves, {"run"}, "subject")
        plots.save(figure, tmp_path / folder / "plot")
    for suffix, start in ((".pdf", b"%PDF"), (".svg", b"<?xml"), (".png", b"\x89PNG")):
        data = (tmp_path / "a" / f"plot{suffix}").read_bytes()
        assert data.startswith(start)
        assert data == (tmp_path / "b" / f"plot{suffix}").read_bytes()
    with Image.open(tmp_path / "a" / "plot.png") as picture:
        picture.load()
        assert min(picture.size) > 500


def test_titles_and_labels_are_apart_and_end_within_the_picture():
    curves = [
        make("standard JPEG (Pillow 4:4:4)", "encoder", [0.5, 1, 2, 3], PSNR),
        make("attention_learned_q_w10 (ljpeg_attention)", "run", [0.4, 0.8, 1.6, 2.4], PSNR),
    ]
    subject = "KODAK, 24 images, optimized progressive files, quantizer trellis, sampling 420"
    for metric in SHOWN:
        figure = plots.draw(metric, curves, {one.label for one in curves}, subject)
        figure.draw_without_rendering()
        left, right = (axes._left_title.get_window_extent() for axes in figure.axes)
        assert left.x1 < right.x0
        for axes in figure.axes:
            for text in (axes._left_title, axes.xaxis.label, axes.yaxis.label):
                assert figure.bbox.padded(1).containsx(text.get_window_extent().x1), text
                assert figure.bbox.padded(1).containsy(text.get_window_extent().y1), text
