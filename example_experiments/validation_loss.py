"""The validation loss of each training, as a table and a plot, from its TensorBoard summaries.

    python3 example_experiments/validation_loss.py [DIR]

puts the losses of DIR/RUN/lambda_VALUE/train into validation_loss.csv beside this script, in the
place of those of the same run and lambda, and draws all that is there as validation_loss.png;
without DIR it only draws. A curve is a training's loss over its last one, which shows how it
settled whatever its size; the dots are where the learning rate has begun to fall.
"""

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import learned_jpeg.runtime.tensorflow_settings  # noqa: E402, F401
from learned_jpeg.cli.command import run  # noqa: E402
from learned_jpeg.models.checkpoints import read_config  # noqa: E402
from learned_jpeg.runtime.errors import UserError  # noqa: E402

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from tensorboard.backend.event_processing.event_accumulator import (  # noqa: E402
    TENSORS,
    EventAccumulator,
)


def read(train):
    """{step: (validation loss, learning rate)} of a training's folder."""
    events = EventAccumulator(str(train), size_guidance={TENSORS: 0})
    events.Reload()
    values = defaultdict(dict)
    for tag in ("valid/loss", "learning_rate"):
        for event in events.Tensors(tag) if tag in events.Tags()["tensors"] else ():
            values[event.step][tag] = float(tf.make_ndarray(event.tensor_proto))
    both = {step: found for step, found in values.items() if len(found) == 2}
    return {step: tuple(found.values()) for step, found in sorted(both.items())}


def _stored():
    """{run: {lambda: {step: (loss, learning rate)}}} of validation_loss.csv."""
    curves = defaultdict(lambda: defaultdict(dict))
    with (FOLDER / "validation_loss.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            found = float(row["loss"]), float(row["learning_rate"])
            curves[row["run"]][float(row["lambda"])][int(row["step"])] = found
    return curves


def main(argv=None):
    """Runs the script; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, metavar="DIR")
    folder = parser.parse_args(argv).folder
    curves, found = _stored(), 0
    for train in sorted(folder.glob("[!_]*/lambda_*/train")) if folder else ():
        if losses := read(train):
            curves[train.parent.parent.name][read_config(train)["options"]["lmbda"]] = losses
            found += 1
    if folder and not found:
        raise UserError(f"{folder}: no RUN/lambda_VALUE/train with a validation loss")
    curves = dict(sorted(curves.items()))

    with (FOLDER / "validation_loss.csv").open("w") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["run", "lambda", "step", "loss", "learning_rate"])
        for name, run_curves in curves.items():
            for lmbda, losses in sorted(run_curves.items()):
                for step, (loss, rate) in losses.items():
                    table.writerow([name, f"{lmbda:g}", step, f"{loss:.6g}", f"{rate:.1g}"])

    figure = Figure(figsize=(9, 2.4 * -(-len(curves) // 2)), layout="constrained")
    panels = figure.subplots(-(-len(curves) // 2), 2, squeeze=False).ravel()
    for panel in panels[len(curves) :]:
        panel.set_axis_off()
    for panel, (name, run_curves) in zip(panels, curves.items(), strict=False):
        for number, (lmbda, losses) in enumerate(sorted(run_curves.items())):
            steps = np.array(list(losses))
            loss, rates = np.array(list(losses.values())).T
            colour, settling = f"C{number}", rates < rates[0]
            panel.plot(steps, loss / loss[-1], color=colour, label=f"{lmbda:g}", lw=1)
            panel.plot(steps[settling], (loss / loss[-1])[settling], "o", color=colour, ms=2)
        panel.set_ylim(0.94, 1.15)
        panel.set_title(name, fontsize=9, loc="left")
        panel.set_xlabel("step", fontsize=8)
        panel.set_ylabel("validation loss / last", fontsize=8)
        panel.legend(title="lambda", fontsize=6, title_fontsize=7, ncols=2)
    figure.savefig(FOLDER / "validation_loss.png", dpi=150)
    print(f"{FOLDER / 'validation_loss.png'} and .csv")
    return 0


if __name__ == "__main__":
    run(main)
