"""Speed and memory of compressing pictures from memory to the bytes of a progressive JPEG file.

    python3 benchmarks/compress.py [--megapixels 1 12 48] [--encoders ljpeg mozjpeg_444 ...]
    python3 benchmarks/compress.py --command "photos/*.png"
    python3 benchmarks/compress.py --files 10000

Each line is measured in a process of its own, after a small picture that takes the time of all work
that is done once. The picture is a photograph of scikit-image, enlarged. All encoders have the IJG
tables at one quality. The networks have random weights, which take as long as trained weights.

For a network, `network` is the part of the seconds that its forward pass over the picture takes, in
the same tiles without their overlap; `file` is the part that `jpeg_file` takes. CPU seconds hardly
depend on other programs that run at the same time; seconds do.

`--command` measures the whole command `learned-jpeg` on photographs, from the start of Python to
its end, beside mozjpeg's `cjpeg` for each photograph: from the same PPM files at 4:2:0, the best of
several rounds, which alternate. `parts` are the parts of its CPU seconds: `start` is Python's
imports, `kernels` the loading of compiled code, `check` the decoding of the file for its PSNR.
`--files` measures the memory of the command while it compresses that number of small pictures.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

OTHERS = ("pillow_444", "mozjpeg_444")
COMMAND = [sys.executable, "-m", "learned_jpeg"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PROJECT)}


def photograph(megapixels):
    """uint8 [H, W, 3] of 3:2 with about the given number of pixels."""
    import numpy as np
    import skimage.data
    from PIL import Image

    height = round(math.sqrt(megapixels * 1e6 / 1.5))
    image = Image.fromarray(skimage.data.coffee())
    return np.asarray(image.resize((round(1.5 * height), height), Image.Resampling.LANCZOS))


def make_pipeline(name, quality):
    """A pipeline with the IJG tables, where it has no rate setting for them, and the layer that
    works on pixels, or None."""
    from learned_jpeg.jpeg import standard
    from learned_jpeg.models import architectures, checkpoints

    architecture = architectures.load(name)
    if not architecture.trained:
        return architecture(), None
    pipeline = checkpoints.build(architecture, {})
    if hasattr(pipeline, "scaled_qtables"):
        from ljpeg import TABLE_SCALE

        pipeline.scaled_qtables.assign(standard.ijg_qtables(quality) * TABLE_SCALE)
    return pipeline, getattr(pipeline, "attention", getattr(pipeline, "network", None))


def make_network(layer, tile_side):
    """A function that passes an image, uint8 [H, W, 3], through a layer, tile by tile."""
    import learned_jpeg.runtime.tensorflow_settings  # noqa: E402, F401

    import tensorflow as tf

    signature = [tf.TensorSpec([1, None, None, 3])]
    forward = tf.function(lambda images: tf.reduce_sum(layer(images)), input_signature=signature)

    def network(image):
        for top in range(0, image.shape[0], tile_side):
            for left in range(0, image.shape[1], tile_side):
                tile = image[top : top + tile_side, left : left + tile_side]
                height, width = tile.shape[0] // 8 * 8, tile.shape[1] // 8 * 8
                forward(tf.cast(tile[None, :height, :width], tf.float32) / 255.0)

    return network


def measure(name, megapixels, args):
    """The figures of one encoder at one size, as a dict."""
    from learned_jpeg.jpeg import jpeg_file
    from learned_jpeg.models import architectures

    layer, file_seconds = None, [0.0]
    if name in architectures.names():
        from learned_jpeg.api import Model

        pipeline, layer = make_pipeline(name, args.quality)
        model = Model(pipeline)
        setting = pipeline.rate_setting
        quality = float(args.quality) if setting and setting.name == "quality" else None
        coding = {"sampling": args.sampling, "quantizer": args.quantizer, "huffman": args.huffman}
        write_jpeg = jpeg_file.write_jpeg

        def timed_write_jpeg(*args):
            start = time.perf_counter()
            data = write_jpeg(*args)
            file_seconds[0] = time.perf_counter() - start
            return data

        jpeg_file.write_jpeg = timed_write_jpeg

        def encode(image):
            return model.encode(image, quality=quality, **coding)
    else:
        from learned_jpeg.rivals.encoders import ENCODERS

        def encode(image):
            return ENCODERS[name].encode(image, args.quality, args.huffman)

    small, image = photograph(0.1), photograph(megapixels)
    encode(small)
    start, cpu = time.perf_counter(), sum(os.times()[:4])  # children's too: cjpeg is a program
    data = encode(image)
    seconds, cpu = time.perf_counter() - start, sum(os.times()[:4]) - cpu
    figures = {
        "seconds": seconds,
        "cpu": cpu,
        "bytes": len(data),
        "file": file_seconds[0] / seconds,
        # Linux counts in kilobytes. The picture in memory is part of it.
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    if layer is not None:
        network = make_network(layer, pipeline.tile)
        network(small)
        start = time.perf_counter()
        network(image)
        figures["network"] = (time.perf_counter() - start) / seconds
    return figures


def spent(command, **options):
    """(seconds, CPU seconds, megabytes at most) of a process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=ENVIRONMENT, **options)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def seconds_of_parts(folder):
    """CPU seconds of the parts of `compress` with one job, as a dict; runs it."""
    from learned_jpeg.cli import main
    from learned_jpeg.jobs import one_picture
    from learned_jpeg.jpeg import jpeg_file
    from learned_jpeg.models import encoding
    from learned_jpeg.pictures import reading
    from learned_jpeg.runtime import compiled

    found, inside = {"start": time.process_time()}, [[0.0]]

    def timed(owner, name, part):
        function = getattr(owner, name)

        def wrapped(*args, **options):
            start = time.thread_time()
            inside.append([0.0])
            try:
                return function(*args, **options)
            finally:
                took, (of_others,) = time.thread_time() - start, inside.pop()
                found[part] = found.get(part, 0) + took - of_others
                inside[-1][0] += took

        setattr(owner, name, wrapped)

    timed(reading, "read_source", "read")
    timed(encoding, "encode", "search")
    timed(jpeg_file, "write_jpeg", "scans")
    timed(one_picture, "psnr", "check")
    timed(compiled._Kernel, "ready", "kernels")
    with tempfile.TemporaryDirectory() as out:
        main.main([str(folder), "--output_dir", out, "--quiet", "--jobs", "1"])
    found["rest"] = time.process_time() - sum(found.values())
    return found


def _two_at_once(command, folder):
    """The seconds of two processes that begin together, which show the speed of two cores."""
    start = time.perf_counter()
    both = [
        subprocess.Popen([*command, "--output_dir", f"../{i}"], env=ENVIRONMENT, cwd=folder)
        for i in range(2)
    ]
    if any([process.wait() for process in both]):
        raise SystemExit("compress failed")
    return time.perf_counter() - start


def of_command(patterns, quality, rounds):
    """Prints the time of the whole command for photographs, and of `cjpeg`."""
    from learned_jpeg.pictures import reading
    from learned_jpeg.rivals.mozjpeg import _cjpeg

    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        photos, pixels = Path(folder, "photos"), 0
        photos.mkdir()
        for path in reading.find(patterns, "--command"):
            with Image.open(path) as image:
                image.convert("RGB").save(photos / f"{path.stem}.ppm")
                pixels += image.width * image.height
        number = len(os.listdir(photos))
        print(f"{number} photographs, {pixels / 1e6:.1f} megapixels, quality {quality}")
        options = f"-quality {quality} -sample 2x2 -quant-baseline -outfile"
        loop = f'for file in *.ppm; do "$0" {options} "$1/$file.jpg" "$file" || exit 1; done'
        if program := _cjpeg():
            rivals = {"cjpeg": ["sh", "-c", loop, program[0], folder]}
        else:
            rivals = {}
            print("no cjpeg of mozjpeg to compare with")
        more = ["--output_dir", f"{folder}/out", "--force", "--quiet", "--quality", str(quality)]
        ours = {
            f"compress --jobs {jobs}": [*COMMAND, ".", *more, "--jobs", str(jobs)]
            for jobs in (1, 2)
        }
        subprocess.run([*COMMAND, "warm-up"], env=ENVIRONMENT, check=True)
        figures = {name: [] for name in rivals | ours}
        for _ in range(rounds):
            for name, command in (rivals | ours).items():
                figures[name].append(spent(command, cwd=photos))
        anchor = None
        print(f"{'':18} {'s':>7} {'CPU s':>7} {'CPU s / Mpx':>12} {'/ cjpeg':>8} {'peak MB':>8}")
        for name, found in figures.items():
            seconds, cpu, most = map(min, zip(*found, strict=True))
            anchor = anchor or (cpu if name == "cjpeg" else None)
            ratio = f"{cpu / anchor:7.2f}x" if anchor else ""
            each = 1e6 * cpu / pixels
            print(f"{name:18} {seconds:7.2f} {cpu:7.2f} {each:12.3f} {ratio:>8} {most:8.0f}")
        one, two = (min(found)[0] for name, found in figures.items() if name != "cjpeg")
        apart = min(_two_at_once(ours["compress --jobs 1"], photos) for _ in range(rounds))
        print(
            f"two jobs are {one / two:.2f} times as fast as one, where two commands at the same "
            f"time do {2 * one / apart:.2f} times as much"
        )
        done = subprocess.run(
            [sys.executable, __file__, "--parts", str(photos)], stdout=subprocess.PIPE, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        total = sum(found.values())
        line = [f"{part} {seconds / total:.0%}" for part, seconds in found.items()]
        print(f"parts of one job: {', '.join(line)}")


def of_many(number):
    """Prints the memory of the command after parts of a number of small pictures."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder, "pictures")
        pictures.mkdir()
        first = pictures / "0.ppm"
        first.write_bytes(b"P6 64 48 255\n" + photograph(0.1)[:48, :64].tobytes())
        for i in range(1, number):
            os.link(first, pictures / f"{i}.ppm")
        command = [*COMMAND, str(pictures), "--output_dir", f"{folder}/out", "--json"]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE)
        for done, _ in enumerate(process.stdout, 1):
            if done in (number // 10, number // 2, number):
                # Linux's: in pages.
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
                print(f"after {done} files {pages * os.sysconf('SC_PAGE_SIZE') / 1e6:.0f} MB")
        if process.wait():
            raise SystemExit("compress failed")


def main():
    """Runs the benchmark and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 12, 48])
    parser.add_argument(
        "--encoders", nargs="+", help="(default: Pillow, mozjpeg and all architectures)"
    )
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--huffman", default="progressive")
    parser.add_argument("--sampling", default="444")
    parser.add_argument("--quantizer", default="round")
    parser.add_argument("--command", nargs="+", metavar="PHOTOS")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--parts", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.parts:
        print(json.dumps(seconds_of_parts(args.parts)))
        return
    if args.command:
        of_command(args.command, args.quality, args.rounds)
    if args.files:
        of_many(args.files)
    if args.command or args.files:
        return
    if args.measure:
        print(json.dumps(measure(args.encoders[0], args.megapixels[0], args)))
        return

    from learned_jpeg.models import architectures

    print(
        f"{'encoder':16} {'Mpx':>5} {'speed':>18} {'s':>8} {'CPU s':>6} {'/ mozjpeg':>10}"
        f" {'peak MB':>8} {'bpp':>5}  parts"
    )
    for megapixels in args.megapixels:
        anchor = None
        for name in args.encoders or (*OTHERS, *architectures.names()):
            command = [sys.executable, __file__, "--measure", "--quality", str(args.quality)]
            command += ["--encoders", name, "--megapixels", str(megapixels)]
            for option in ("huffman", "sampling", "quantizer"):
                command += [f"--{option}", getattr(args, option)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"{name}: failed: {done.stderr.strip().splitlines()[-1:]}")
                continue
            figures = json.loads(done.stdout.splitlines()[-1])
            if name.startswith("mozjpeg"):
                anchor = figures["cpu"]
            ratio = f"{figures['cpu'] / anchor:9.2f}x" if anchor else " " * 10
            parts = [
                f"{part} {figures[part]:.0%}" for part in ("network", "file") if figures.get(part)
            ]
            print(
                f"{name:16} {megapixels:5g} {megapixels / figures['seconds']:12.2f} Mpx/s"
                f" {figures['seconds']:8.2f} {figures['cpu']:6.1f} {ratio}"
                f" {figures['megabytes']:8.0f} {8 * figures['bytes'] / (megapixels * 1e6):5.2f}"
                f"  {', '.join(parts)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
