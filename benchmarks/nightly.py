"""Checks that a command on thousands of pictures loses nothing when it is killed ten times.

    python3 benchmarks/nightly.py [PICTURE ...] [--files 5000] [--kills 10] [--option=--update]

The script makes small pictures of five kinds, and adds the given pictures. The command gets
SIGKILL, SIGTERM and SIGINT in turn after a number of files, and is started again. After each end
the script checks that the inputs are unchanged, and that all outputs are whole and have a line of
JSON. At the last end it also checks the status, that each picture has its file, and that the files
are those of a single run. It prints the memory of a run over all files without a kill.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from learned_jpeg.jobs.records import RECORDS  # noqa: E402

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

KINDS = ("png", "jpg", "webp", "bmp", "tif")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


def make(folder, count, pictures):
    """Fills a folder."""
    generator = np.random.default_rng(0)
    for number in range(count):
        kind, group = KINDS[number % len(KINDS)], folder / f"{number // 500:03}"
        group.mkdir(exist_ok=True)
        size = generator.integers(8, 48, 2)
        slope = np.add.outer(np.arange(size[0]), np.arange(size[1]))[..., None]
        samples = slope * generator.uniform(0, 4, 3) + generator.integers(0, 60, [*size, 3])
        Image.fromarray(samples.astype(np.uint8)).save(group / f"{number // 5:05}.{kind}")
    for path in pictures:
        shutil.copy(path, folder)


def digests(folder):
    """{path: digest} of the files below a folder that are not hidden."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("[!.]*")
        if path.is_file()
    }


def run(folder, output, option, files=None, with_signal=None, watch=None):
    """(status, lines of JSON) of the command, which gets a signal after a number of files; watch:
    called with its process now and then."""
    command = [sys.executable, PROJECT / "ljpeg_rdo.py", "compress", folder, "--output_dir", output]
    command += ["--json", "--quality", "60", *([option] if option else [])]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process, start = subprocess.Popen(command, stdout=out, stderr=err), time.monotonic()
        while process.poll() is None:
            begun = time.monotonic() > start + 0.5  # before that Python itself starts
            if begun and files is not None and sum(1 for _ in output.rglob("*.jpg")) >= files:
                process.send_signal(with_signal)
                files = None
            if watch:
                watch(process)
            time.sleep(0.1)
        out.seek(0)
        err.seek(0)
        said = err.read().decode()
        assert "Traceback" not in said, said
        return process.returncode, [json.loads(line) for line in out.read().splitlines()]


def check(output, lines, known):
    """Checks that outputs are whole, and that new outputs have lines of JSON."""
    found = digests(output) if output.exists() else {}
    for name in found:
        with Image.open(output / name) as image:
            image.load()
    told = {line["output"] for line in lines if "output" in line and not line["skipped"]}
    untold = {name for name in found.keys() - known if str(output / name) not in told}
    left = [path.name for path in output.rglob(".*") if path.name != RECORDS]
    return found, untold, left


def main():
    """Prints a line for each run; the status is 1 if anything is lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--option", default="--update", help="--update or --skip_existing")
    args = parser.parse_args()
    rng, wrong = random.Random(0), 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's & may ignore
    with tempfile.TemporaryDirectory() as top:
        folder, output = Path(top, "in"), Path(top, "out")
        folder.mkdir()
        make(folder, args.files, args.pictures)
        before, known = digests(folder), set()
        for number in range(args.kills + 1):
            kill = SIGNALS[number % 3] if number < args.kills else None
            rest = (len(before) - len(known)) // (args.kills - number + 1)
            files = len(known) + rng.randint(0, rest) if kill else None
            status, lines = run(folder, output, args.option, files, kill)
            found, untold, left = check(output, lines, known)
            # What SIGKILL ends between a file and its line is told as skipped by the next run.
            lost = len(untold) > (kill == signal.SIGKILL) * (os.cpu_count() or 1) or (
                left and kill != signal.SIGKILL
            )
            same = digests(folder) == before
            wrong += bool(lost or not same)
            name = kill.name if kill else "to its end"
            print(f"{name}: status {status}, {len(found)} files, {len(lines)} lines, "
                  f"{len(untold)} untold, {len(left)} left behind, inputs as they were: {same}",
                  flush=True)  # fmt: skip
            known = found.keys()
        total = lines[-1]["total"]
        wrong += status != 0 or total["failed"] != 0 or len(found) != len(before)
        memory = []

        def watch(process):
            text = Path(f"/proc/{process.pid}/status").read_text()
            if "VmRSS:" in text:  # not at its end any more
                memory.append(int(text.partition("VmRSS:")[2].split()[0]))

        _, lines = run(folder, Path(top, "once"), None, watch=watch)
        wrong += digests(Path(top, "once")) != digests(output)
        places = (len(memory) // 10, len(memory) // 2, -1)
        megabytes = ", ".join(f"{memory[place] / 1000:.0f}" for place in places)
        print(f"the same files in one run: {digests(Path(top, 'once')) == digests(output)}")
        print(f"memory after a tenth, a half and all of it: {megabytes} MB")
    print("nothing is lost" if not wrong else f"{wrong} runs lost something")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
