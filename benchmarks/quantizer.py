"""The gain of each part of the search: BD-rates in six metrics, and time, on any pictures.

    python3 benchmarks/quantizer.py "photos/*.png" [--anchor mozjpeg_420] [--metrics psnr ...]

Each row is an encoder whose files are written, optimized without loss and decoded. Its BD-rate is
in percent against the anchor, negative where it needs fewer bits: the mean over the pictures, of
the points from 0.15 to 2.5 bits per pixel. Each row adds a part to the row above, except rows of
another sampling. Time is CPU time for analysis and search, without writing files.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

METRICS = ("psnr", "ms_ssim", "lpips", "ssimulacra2", "psnr_hvs_m", "butteraugli")
BETTER_LOW = ("lpips", "butteraugli")
RATES = 0.15, 2.5
POINTS = 9


def rows():
    """{name: (Tune, how)}; how is of `integers`, or of the samplings."""
    from learned_jpeg.search.tuning import TUNES

    psnr, visual = TUNES["psnr"], TUNES["visual"]
    bare = dataclasses.replace(
        psnr, table_slope=0, chroma_slope=0, chroma_table=1, take_over=False, clipping=False
    )
    luma = dataclasses.replace(bare, take_over=True)
    clipped = dataclasses.replace(luma, clipping=True)
    weighed = dataclasses.replace(
        visual, hvs_weight=0, mask_power=0, bit_price=psnr.bit_price, squared_weight=1
    )
    masked = dataclasses.replace(weighed, mask_power=visual.mask_power)
    return {
        "rounding, flat tables, 4:2:0": (bare, "round"),
        "+ AC searched": (bare, "ac"),
        "+ DC searched": (bare, "420"),
        "+ luma makes up for chroma": (luma, "420"),
        "+ what is clipped is free": (clipped, "420"),
        "+ tables: tune psnr, 4:2:0": (psnr, "420"),
        "tune psnr, 4:4:4": (psnr, "444"),
        "tune psnr, auto": (psnr, "auto"),
        "steep tables, error over the table, 4:2:0": (weighed, "420"),
        "+ masks": (masked, "420"),
        "+ dead zone: tune visual, 4:2:0": (visual, "420"),
        "tune visual, 4:4:4": (visual, "444"),
        "tune visual, auto": (visual, "auto"),
    }


def integers(pixels, qtables, tune, how):
    """(sampling, Planes) of a picture by a row of `rows`."""
    from learned_jpeg.search import auto_sampling
    from learned_jpeg.search.quantizer import Round, Trellis, analyse

    search = Trellis(tune)
    if how == "auto":
        half = analyse(pixels, qtables, "420")
        sampling = auto_sampling.choose(half, tune)
        return sampling, search(half if sampling == "420" else analyse(pixels, qtables, "444"))
    sampling = how if how in ("444", "420") else "420"
    analysis = analyse(pixels, qtables, sampling)
    rounded = Round()(analysis)
    if how == "round":
        return sampling, rounded
    planes = search(analysis)
    if how == "ac":
        for plane, plain in zip(planes, rounded, strict=True):
            plane[..., 0, 0] = plain[..., 0, 0]
    return sampling, planes


def steps(tune):
    """The steps whose files are measured, at about equal ratios of the rate."""
    import numpy as np

    steepness = (1 + tune.table_slope / 2) ** 0.6
    return np.geomspace(4, 70, POINTS) / steepness


def curve(pictures, encode, settings, names):
    """Measures files: (bpp [pictures, settings], {metric: the same}, CPU seconds a megapixel)."""
    from learned_jpeg.jpeg.jpeg_file import decode
    from learned_jpeg.metrics.measures import Reference, bpp, ms_ssim_db

    import numpy as np

    rate = np.empty([len(pictures), len(settings)])
    figures = {name: np.empty_like(rate) for name in names}
    seconds = pixels_done = 0.0
    for i, pixels in enumerate(pictures):
        reference = Reference(pixels)
        for j, setting in enumerate(settings):
            data, cpu = encode(pixels, setting)
            seconds, pixels_done = seconds + cpu, pixels_done + pixels[..., 0].size
            rate[i, j] = bpp(len(data), *pixels.shape[:2])
            for name, value in reference.measure(decode(data), names).items():
                value = ms_ssim_db(value) if name == "ms_ssim" else value
                figures[name][i, j] = -value if name in BETTER_LOW else value
    outside = (rate < RATES[0]) | (rate > RATES[1])
    rate[outside] = np.nan
    return rate, figures, 1e6 * seconds / pixels_done


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", help="globs, folders or files")
    parser.add_argument("--anchor", default="mozjpeg_420", help="of evaluate.py's encoders")
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=METRICS)
    parser.add_argument("--number", type=int, help="take only this number of pictures, the first")
    parser.add_argument("--rows", help="take only rows whose names contain this text")
    args = parser.parse_args()

    from learned_jpeg.evaluation.bd_rates import bd_rates
    from learned_jpeg.jpeg.jpeg_file import write_jpeg
    from learned_jpeg.pictures import reading
    from learned_jpeg.rivals import encoders
    from learned_jpeg.search.tuning import shaped_qtables

    import numpy as np

    images = [reading.read(path) for path in reading.find(args.images, "images")[: args.number]]
    anchor = encoders.required(args.anchor)

    def rival(pixels, quality):
        return anchor.encode(pixels, quality, "progressive"), 0.0

    against = curve(images, rival, [10, 18, 30, 45, 60, 75, 85, 91, 95], args.metrics)
    print(f"| {args.anchor} | " + " | ".join(args.metrics) + " | CPU s / Mpx |")
    print("|---|" + "---|" * (len(args.metrics) + 1))
    for name, (tune, how) in rows().items():
        if args.rows and args.rows not in name:
            continue

        def encode(pixels, step, tune=tune, how=how):
            qtables = shaped_qtables(step, tune)
            start = time.process_time()
            sampling, planes = integers(pixels, qtables, tune, how)
            cpu = time.process_time() - start
            return write_jpeg(planes, qtables, *pixels.shape[:2], sampling, "progressive"), cpu

        encode(images[0][:64, :64], 10.0)  # compiles
        rate, figures, seconds = curve(images, encode, steps(tune), args.metrics)
        cells = [
            f"{np.nanmean(bd_rates(against[0], against[1][metric], rate, figures[metric])[0]):+.1f}"
            for metric in args.metrics
        ]
        print(f"| {name} | " + " | ".join(cells) + f" | {seconds:.3f} |", flush=True)


if __name__ == "__main__":
    from learned_jpeg.cli import command

    command.run(main)
