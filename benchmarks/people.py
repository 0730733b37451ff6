"""How well metrics agree with people's judgement of JPEG files.

    python3 benchmarks/people.py [--weights ssimulacra2=0.5 butteraugli=0.5]

people.csv has 31 settings of three encoders: `elo` is the Elo score of people's choices in mucped23
(L. Versari, Z. Szabadka, M. Bruse, J. Alakuijala: Multi-bitrate JPEG compression perceptual
evaluation dataset 2023, in the repository google-research/google-research, CC BY 4.0), within 45
either way. The other columns are means over 41 of its 49 pictures, encoded again at the same
settings: geometric means of Butteraugli's 3-norm and LPIPS, arithmetic means of the others.

The table has for each metric the rank correlation with Elo, the rms distance of Elo from a cubic of
the metric, and the bits that one encoder needs more than another at equal score, in percent, the
mean over the scores that both have. The last row is the mixture of metrics that `ljpeg_rdo.py
train` evolves for, or the mixture of --weights: the weighted mean of the bits that files of a
metric's score need, in doublings, by a cubic over all settings.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

FIGURES = Path(__file__).with_name("people.csv")
# Each metric's column, and its score: more is better.
SCORES = {
    "butteraugli": ("butteraugli_3norm_logmean", lambda distance: -np.log(distance)),
    "ssimulacra2": ("ssimulacra2", np.asarray),
    "psnr": ("psnr_db", np.asarray),
    "ms_ssim": ("ms_ssim_db", np.asarray),
    "lpips": ("lpips_logmean", lambda distance: -np.log(distance)),
    "psnr_hvs_m": ("psnr_hvs_m_db", np.asarray),
}
# The pairs of encoders: what is compared, against what.
PAIRS = (
    ("jpegli 4:2:0", "mozjpeg"),
    ("jpegli 4:4:4", "mozjpeg"),
    ("mozjpeg", "libjpeg-turbo"),
    ("jpegli 4:4:4", "jpegli 4:2:0"),
)
POINTS = 400  # scores at which bits are compared


def read():
    """(encoders [settings], {column: float64 [settings]}) of people.csv."""
    with FIGURES.open(newline="") as file:
        rows = list(csv.DictReader(file))
    encoders = []
    for row in rows:
        encoder, sampling = row.pop("setting").rsplit("-", 2)[::2]
        both = {"yuv444": "jpegli 4:4:4", "yuv420": "jpegli 4:2:0"}
        encoders.append(both[sampling] if encoder == "jpegli" else encoder)
    return np.array(encoders), {
        name: np.array([float(row[name]) for row in rows]) for name in rows[0]
    }


def cubic(x, y):
    """The values of the cubic in x that fits y best."""
    return np.polynomial.Polynomial.fit(x, y, 3)(x)


def mixture(figures, weights):
    """Scores [settings] of a weighted mean of metrics, {name of SCORES: weight}."""
    doublings = np.log2(figures["bpp"])
    needed = [cubic(score(figures, name), doublings) for name in weights]
    return np.average(needed, axis=0, weights=[*weights.values()])


def score(figures, metric):
    """Scores [settings] of one metric."""
    column, better = SCORES[metric]
    return better(figures[column])


def bits(encoders, figures, scores, tested, anchor):
    """The bits that one encoder needs more than another at equal score, in percent."""
    curves = []
    for name in (tested, anchor):
        mine = np.flatnonzero(encoders == name)
        curves.append(mine[np.argsort(scores[mine])])
    low = max(scores[mine[0]] for mine in curves)
    at = np.linspace(low, min(scores[mine[-1]] for mine in curves), POINTS)
    one, other = (np.interp(at, scores[mine], np.log(figures["bpp"][mine])) for mine in curves)
    return 100 * np.expm1(np.mean(one - other))


def row(encoders, figures, scores):
    """A row of the table for scores: [rank correlation, rms, bits of each of PAIRS]."""
    from scipy.stats import spearmanr

    elo = figures["elo"]
    rank = spearmanr(scores, elo).statistic
    rms = np.sqrt(np.mean((cubic(scores, elo) - elo) ** 2))
    return [rank, rms, *(bits(encoders, figures, scores, *pair) for pair in PAIRS)]


def evolved():
    """The weights of the metrics that `ljpeg_rdo.py train` evolves for."""
    import ljpeg_rdo
    from learned_jpeg.models import checkpoints

    defaults = checkpoints.defaults(ljpeg_rdo.LJPEGRDO)
    named = {metric: defaults[f"{name}_weight"] for name, (metric, _) in ljpeg_rdo.METRICS.items()}
    return {metric: weight for metric, weight in named.items() if weight > 0}


def _weight(text):
    metric, _, weight = text.partition("=")
    if metric not in SCORES or not weight.replace(".", "", 1).isdigit():
        raise argparse.ArgumentTypeError(f"{text} is not METRIC=WEIGHT of {', '.join(SCORES)}")
    return metric, float(weight)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", nargs="+", type=_weight, metavar="METRIC=WEIGHT")
    weights = dict(parser.parse_args().weights or evolved())

    encoders, figures = read()
    pairs = [f"{tested} against {anchor}" for tested, anchor in PAIRS]
    print("| | rank correlation | rms, Elo | " + " | ".join(pairs) + " |")
    print("|---|" + "---|" * (2 + len(PAIRS)))
    rows = {"people": figures["elo"]} | {name: score(figures, name) for name in SCORES}
    mixed = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
    for name, scores in (rows | {mixed: mixture(figures, weights)}).items():
        rank, rms, *percents = row(encoders, figures, scores)
        cells = [f"{rank:.3f}", f"{rms:.0f}"] if name != "people" else ["", ""]
        print(f"| {name} | " + " | ".join([*cells, *(f"{p:+.1f}" for p in percents)]) + " |")


if __name__ == "__main__":
    main()
