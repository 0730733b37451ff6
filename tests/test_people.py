"""benchmarks/people.py: metrics of files that people have judged."""

import subprocess
import sys

from learned_jpeg.runtime.packages import PROJECT

import numpy as np
import pytest
import scipy.stats
from makers import benchmark

PLACE = PROJECT / "benchmarks" / "people.py"
# Measured before the figures of people.csv were rounded: rank correlation with Elo, rms of a cubic
# fit, and the bits of each pair of encoders at equal score, in percent.
MEASURED = {
    "butteraugli": (0.985, 40, -9.2, -21.0, +0.3, -9.7),
    "ssimulacra2": (0.990, 45, -4.0, -7.7, -4.2, -1.9),
    "psnr": (0.987, 43, -2.8, -8.8, -5.8, -4.3),
    "ms_ssim": (0.976, 76, +9.7, +12.1, -14.1, +2.2),
    "lpips": (0.957, 99, +9.7, +0.6, +4.0, -4.9),
    "psnr_hvs_m": (0.909, 132, +3.1, +5.8, +6.7, +2.7),
}
PEOPLE = (-12.2, -15.4, -8.7, -1.8)


@pytest.fixture(scope="module")
def people():
    return benchmark("people")


@pytest.fixture(scope="module")
def figures(people):
    return people.read()


@pytest.mark.parametrize("metric", MEASURED)
def test_a_metric_is_judged_as_it_was_before(people, figures, metric):
    rank, rms, *bits = people.row(*figures, people.score(figures[1], metric))
    assert rank == pytest.approx(MEASURED[metric][0], abs=1.1e-3)
    assert rms == pytest.approx(MEASURED[metric][1], abs=0.6)
    assert bits == pytest.approx(MEASURED[metric][2:], abs=0.11)


def test_people_agree_with_themselves(people, figures):
    rank, rms, *bits = people.row(*figures, figures[1]["elo"])
    assert rank == pytest.approx(1) and rms == pytest.approx(0, abs=1e-6)
    assert bits == pytest.approx(PEOPLE, abs=0.11)


def test_a_mixture_of_one_metric_says_what_that_metric_says(people, figures):
    mixed = people.mixture(figures[1], {"psnr": 2.0})
    alone = people.score(figures[1], "psnr")
    assert scipy.stats.spearmanr(mixed, alone).statistic > 0.999
    expected = people.row(*figures, alone)
    assert people.row(*figures, mixed)[2:] == pytest.approx(expected[2:], abs=0.5)


def test_a_mixture_lies_between_its_metrics(people, figures):
    weights = {"ssimulacra2": 0.3, "butteraugli": 0.1}
    mixed = people.mixture(figures[1], weights)
    ends = [people.mixture(figures[1], {name: 1.0}) for name in weights]
    assert (mixed >= np.minimum(*ends) - 1e-9).all() and (mixed <= np.maximum(*ends) + 1e-9).all()
    np.testing.assert_allclose(mixed, 0.75 * ends[0] + 0.25 * ends[1])


def test_the_table_has_people_each_metric_and_what_is_evolved_for():
    done = subprocess.run([sys.executable, PLACE], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2 + 1 + len(MEASURED) + 1
    assert lines[2].startswith("| people |  |  | -12.2 | -15.4 | -8.7 |")
    assert "ssimulacra2 0.5" in lines[-1]


def test_a_weight_that_is_none_is_named():
    done = subprocess.run(
        [sys.executable, PLACE, "--weights", "vmaf=1"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "vmaf=1 is not METRIC=WEIGHT" in done.stderr
