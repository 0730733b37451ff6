#!/usr/bin/env python3
"""The waiting time of the page of `view`: CPU seconds from a choice to its file and its metrics.

    python3 benchmarks/view.py megapixel/*.png

Prints medians over the pictures of the CPU time of the server's process, after a first request;
needs Linux. The page promises an answer within half a second for a picture of a megapixel.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import urllib.request
from pathlib import Path

MODELS = ({"model": "rdo_visual"}, {"model": "rdo_psnr"}, {"model": "ljpeg_PIL", "tune": "visual"})


def seconds(process):
    """The CPU seconds that a process has taken."""
    words = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def ask(process, address, picture, choice):
    """(seconds to the file, seconds to all metrics) of a choice."""
    body = json.dumps({"place": "benchmark", "picture": picture, "choice": choice}).encode()
    origin = {"Origin": address.rsplit("/", 2)[0]}
    start, to_file = seconds(process), None
    with urllib.request.urlopen(urllib.request.Request(f"{address}choice", body, origin)) as told:
        for line in map(json.loads, told):
            if "file" in line:
                to_file = seconds(process) - start
    return to_file, seconds(process) - start


def main():
    """Prints a line for each model and quality."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+")
    pictures = parser.parse_args().pictures
    command = [sys.executable, "-m", "learned_jpeg", "view", *pictures]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().strip()
        numbers = range(1, len(pictures) + 1)
        for model in MODELS:
            for picture in numbers:
                ask(process, address, picture, model)  # warm
            for quality in (30, 50, 75, 90, 95):
                choice = {**model, "dial": quality}
                taken = [ask(process, address, picture, choice) for picture in numbers]
                to_file, to_all = map(statistics.median, zip(*taken, strict=True))
                name = " ".join(model.values())
                print(f"{name} {quality}: {to_file:.2f} s, {to_all:.2f} s with all numbers")
        process.terminate()


if __name__ == "__main__":
    main()
