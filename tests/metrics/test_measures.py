import hashlib
import io
import math
import subprocess
import sys
from pathlib import Path

from learned_jpeg.metrics import measures

import numpy as np
import pytest
import skimage.data
import skimage.metrics
from PIL import Image

ROOT = Path(__file__).parents[2]
KODAK = ROOT.parent / "shared" / "data" / "kodak"
QUALITY = [measures.psnr, measures.ms_ssim, measures.ssimulacra2, measures.psnr_hvs_m]
DISTANCE = [measures.mse, measures.lpips, measures.butteraugli]


def jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:4:4")
    return np.asarray(Image.open(file))


@pytest.fixture(scope="module")
def pair():
    """A photograph of odd size, and its JPEG."""
    image = np.ascontiguousarray(skimage.data.astronaut()[:203, 100:291])
    return image, jpeg(image, 30)


def test_mse_and_psnr_agree_with_scikit_image(pair):
    assert measures.mse(*pair) == pytest.approx(
        skimage.metrics.mean_squared_error(*pair), rel=1e-12
    )
    expected = skimage.metrics.peak_signal_noise_ratio(*pair, data_range=255)
    assert measures.psnr(*pair) == pytest.approx(expected, abs=1e-9)


def test_mse_does_not_overflow():
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert measures.mse(black, white) == 65025
    assert measures.psnr(black, white) == 0


def test_gives_the_known_values_on_kodak():
    if not KODAK.is_dir():
        pytest.skip("no Kodak images")
    image = np.asarray(Image.open(KODAK / "kodim05.png").convert("RGB"))
    decoded = jpeg(image, 30)
    assert measures.psnr(image, decoded) == pytest.approx(28.1899, abs=1e-4)
    assert measures.ms_ssim(image, decoded) == pytest.approx(0.978962, abs=1e-6)
    assert measures.lpips(image, decoded) == pytest.approx(0.046587, abs=1e-5)


def test_a_reference_gives_each_decoded_image_the_figures_of_the_single_metrics(pair):
    reference = measures.Reference(pair[0])
    for quality in (10, 60):
        decoded = jpeg(pair[0], quality)
        expected = {m: getattr(measures, m)(pair[0], decoded) for m in measures.METRICS}
        assert reference.measure(decoded) == pytest.approx(expected, rel=1e-12)
    assert list(reference.measure(decoded, ["psnr", "mse"])) == ["psnr", "mse"]


def test_a_reference_computes_the_originals_half_once(pair, monkeypatch):
    from learned_jpeg.metrics.ssimulacra2 import Ssimulacra2

    made = []
    init = Ssimulacra2.__init__
    monkeypatch.setattr(Ssimulacra2, "__init__", lambda *args: made.append(init(*args)))
    reference = measures.Reference(pair[0])
    for _ in range(2):
        reference.measure(pair[1], ["ssimulacra2", "ms_ssim"])
    assert len(made) == 1


def test_the_figures_are_those_of_this_version():
    """If figures change by more than rounding, raise `measures.VERSION` and replace them here."""
    image = np.asarray(Image.fromarray(skimage.data.astronaut()).resize((192, 176)))
    coarse = np.clip(np.round(image / 24.0) * 24, 0, 255).astype(np.uint8)
    expected = {
        "mse": 42.118914,
        "psnr": 31.886032,
        "ms_ssim": 0.98522656,
        "lpips": 0.023862638,
        "ssimulacra2": 49.148276,
        "psnr_hvs_m": 37.99105,
        "butteraugli": 2.844932,
    }
    assert measures.VERSION == 2
    assert measures.Reference(image).measure(coarse) == pytest.approx(expected, rel=1e-5)


def test_versions_name_all_that_a_figure_depends_on(monkeypatch):
    versions = measures.versions()
    assert list(versions) == ["metrics", "LPIPS weights", "tensorflow", "numpy", "numba"]
    assert versions["numpy"] == np.__version__
    # As `sha256sum` prints it.
    weights = ROOT / "weights" / "lpips_alex_v0.1.npz"
    assert versions["LPIPS weights"] == hashlib.sha256(weights.read_bytes()).hexdigest()[:16]


@pytest.mark.parametrize("metric", QUALITY + DISTANCE, ids=lambda f: f.__name__)
def test_worse_files_have_worse_figures(pair, metric):
    values = [metric(pair[0], jpeg(pair[0], quality)) for quality in (90, 50, 20, 5)]
    assert values == sorted(values, reverse=metric in QUALITY) and len(set(values)) == 4


def test_equal_images_give_the_best_value(pair):
    image = pair[0]
    values = [metric(image, image.copy()) for metric in QUALITY + DISTANCE]
    assert values == [math.inf, 1, 100, math.inf, 0, 0, 0]
    assert measures.ms_ssim_db(1.0) == math.inf


@pytest.mark.parametrize(
    ("metric", "smallest"),
    [
        (measures.psnr, 1),
        (measures.ms_ssim, 161),
        (measures.lpips, 32),
        (measures.ssimulacra2, 8),
        (measures.psnr_hvs_m, 8),
        (measures.butteraugli, 8),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_images_too_small_for_a_metric_give_nan(pair, metric, smallest):
    fits = [image[:smallest, :smallest] for image in pair]
    assert math.isfinite(metric(*fits))
    for cut in (np.s_[: smallest - 1, :], np.s_[:, : smallest - 1]):
        if smallest > 1:
            assert math.isnan(metric(*(image[cut] for image in fits)))


@pytest.mark.parametrize("metric", QUALITY + DISTANCE, ids=lambda f: f.__name__)
def test_anything_but_two_rgb_images_of_one_size_is_refused(pair, metric):
    a, b = pair
    for other in (b[:-1], b[..., 0], b.astype(np.float32), b[:0]):
        with pytest.raises(ValueError):
            metric(a, other)


def test_bits_per_pixel():
    assert measures.bpp(1000, 40, 50) == 4


def test_undefined_ms_ssim_stays_undefined_in_decibels():
    assert math.isnan(measures.ms_ssim_db(math.nan))


def test_means_leave_out_images_that_were_too_small():
    assert measures.mean_over_images([1, math.nan, 3]) == 2
    assert measures.mean_over_images([1, math.inf, math.nan]) == math.inf
    assert math.isnan(measures.mean_over_images([math.nan]))
    assert math.isnan(measures.mean_over_images([]))


def test_ms_ssim_in_decibels():
    assert measures.ms_ssim_db(0.99) == pytest.approx(20)


def test_tensorflow_is_not_imported_before_it_is_needed():
    code = (
        "import sys, numpy as np; from learned_jpeg.metrics import measures as metrics; "
        "a = np.zeros((161, 161, 3), np.uint8); "
        "metrics.psnr(a, a), metrics.ms_ssim(a, a), metrics.versions(); "
        "sys.exit('tensorflow' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
