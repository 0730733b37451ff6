"""The shipped models by name, and the checkpoint folders of a name or a folder."""

import json
import os
from pathlib import Path

from learned_jpeg.models import architectures, checkpoints
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.packages import PROJECT, in_clone
from learned_jpeg.runtime.paths import shown

import tomllib

# The shipped runs, and their description, models.toml. A wheel has a part of a clone's runs.
SHIPPED = PROJECT / ("example_experiments" if in_clone() else "learned_jpeg/data")


def _checkpoints(run):
    """The checkpoint folders of a folder: itself, RUN/train, or RUN/lambda_*/train by lambda."""
    for folder in (run, run / "train"):
        if (folder / "config.json").is_file():
            return [folder]
    found = [path.parent for path in run.glob("lambda_*/train/config.json")]
    return sorted(found, key=_lambda)


def _lambda(folder):
    return checkpoints.read_config(folder)["options"].get("lmbda", 0.0)


def _notes():
    """{name: {good_at, bpp}} of models.toml."""
    return tomllib.loads((SHIPPED / "models.toml").read_text())


def shipped():
    """{name: folder of the run} of the shipped models here."""
    return {name: SHIPPED / name for name in _notes() if _checkpoints(SHIPPED / name)}


def folders(name, architecture=None):
    """The checkpoint folders [Path] of a model, the lowest lambda first.

    name: the name of a shipped model, perhaps with /lambda_* behind it, or a folder: of a
    checkpoint, or a run with train or lambda_*/train. Of a model and a folder with the same name,
    the model counts; ./NAME is the folder. architecture: the name of the architecture whose shipped
    models the error lists, None for all.

    Raises UserError if there is no model.
    """
    run, *rest = Path(name).parts or [""]
    path = Path(name)
    if run in shipped() and not str(name).startswith("."):
        path = SHIPPED.joinpath(run, *rest)
    found = _checkpoints(path)
    if not found:
        kinds = {
            run: checkpoints.read_config(_checkpoints(path)[0])["architecture"]
            for run, path in shipped().items()
        }
        fitting = [run for run, kind in kinds.items() if architecture in (None, kind)]
        raise UserError(
            f"{shown(name)}: no trained model here (no config.json, train or lambda_*/train), and "
            f"none of the shipped ones for --model, which are {', '.join(fitting or kinds)}"
        )
    return found


def load(name):
    """The FileModel of a name or a folder; see `api.load`."""
    if not isinstance(name, str | os.PathLike):
        raise UserError(f"{name!r} is neither a model's name nor a folder")
    if str(name) in architectures.names() and not architectures.load(str(name)).trained:
        return architectures.load(str(name))()
    if not os.path.exists(name):
        found = folders(name)
        if len(found) > 1:
            names = ", ".join(f"{name}/{path.parent.name}" for path in found)
            raise UserError(f"{name}: one model for each lambda; name one, of {names}")
        name = found[0]
    return checkpoints.restore(name)


def describe(name):
    """A shipped model: {name, architecture, lambdas, dial, bpp, bytes, good_at}.

    lambdas: [float], one for each checkpoint; dial: its rate setting, [name, low, high] or None;
    bpp: [lowest, highest], on Kodak.
    """
    found, notes = folders(name), _notes()[name]
    config = checkpoints.read_config(found[0])
    rate_setting = architectures.load(config["architecture"]).rate_setting
    return {
        "name": name,
        "architecture": config["architecture"],
        "lambdas": [_lambda(folder) for folder in found],
        "dial": rate_setting and [rate_setting.name, rate_setting.low, rate_setting.high],
        "bpp": notes["bpp"],
        "bytes": sum(path.stat().st_size for folder in found for path in folder.iterdir()),
        "good_at": notes["good_at"],
    }


def show(architecture, program=None, as_json=False):
    """Lists the shipped models of an architecture's class on stdout; returns the exit status.

    program: how `compress` is called, by default as a script's.
    """
    found = [describe(name) for name in shipped()]
    found = [model for model in found if model["architecture"] == architecture.architecture]
    if as_json:
        print(json.dumps(found))
        return 0
    default = getattr(architecture, "default_model", None)
    for model in found:
        low, high = model["bpp"]
        by = [f"--{model['dial'][0]}"] if model["dial"] else []
        lambdas = model["lambdas"]
        if len(lambdas) > 1:
            by.append(f"lambda {lambdas[0]:g} to {lambdas[-1]:g} ({len(lambdas)} checkpoints)")
        print(
            f"{model['name']}{' (the default)' if model['name'] == default else ''}\n"
            f"    {model['good_at']}\n"
            f"    {low:g} to {high:g} bpp by {', '.join(by)}; {model['bytes'] / 1e6:.2f} MB"
        )
    program = program or f"python3 {architecture.architecture}.py compress"
    print(f"\n{program} photo.png --model NAME")
    return 0
