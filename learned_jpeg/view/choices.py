"""The choices of the page, and the command line that each choice stands for.

A choice is {"model", "dial", "sampling", "tune", "refine", "target"}: the name of a model, a value
of its rate setting, the values of the options of `compress` with these names, and [kind, value] of
a target. The model decides about a value that is missing or None. A choice becomes arguments of
`compress`, which are read as `compress` reads them: the page shows the file of the command that it
shows.
"""

import functools
import shlex
from argparse import Namespace
from dataclasses import replace

from learned_jpeg.evaluation.series import SHOWN
from learned_jpeg.jobs import compress
from learned_jpeg.jobs.targets import KINDS
from learned_jpeg.models import architectures, checkpoints, shipped
from learned_jpeg.models.encoding import SAMPLINGS
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.runtime import packages
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.search.tuning import TUNES

# The metrics without TensorFlow, whose import would take longer than all else.
METRICS = tuple(metric for metric in SHOWN if metric.name != "lpips")

_TARGETS = {"bpp": "bits per pixel", "size": "bytes"}
_TARGETS |= {metric.name: metric.label for metric in SHOWN if metric.name in KINDS}


class Choices:
    """The choices of a command.

    architecture: the command's class; program: the command line of its `compress`; parse: function
    (arguments of `compress`) -> options, raises UserError; named: the models of --model; the page
    begins with the first.
    """

    def __init__(self, architecture, program, parse, named=()):
        self._architecture, self._program, self._parse = architecture, program, parse
        self.models = self._find(named)
        if not self.models:
            raise UserError("there is no model yet: train a model, and give its folder by --model")

    def _find(self, named):
        """{name: (RateSetting or None, whether a target can choose among several lambdas)}."""
        own = self._architecture
        if not own.trained:
            return {own.architecture: (own.rate_setting, False)}
        default = getattr(own, "default_model", None)
        names = [name for name in shipped.shipped() if self._is_own(name)]
        names = [*named, *sorted(names, key=lambda name: name != default)]
        found = {}
        for name in names:
            folders = compress.own_folders(name, own)
            found[name] = own.rate_setting, len(folders) > 1
            if len(folders) > 1 and name in shipped.shipped():
                found |= {f"{name}/{f.parent.name}": (own.rate_setting, False) for f in folders}
        for name in architectures.names():
            if compress.is_untrained_of(name, own):
                found[name] = own.rate_setting, False
        return found

    def _is_own(self, name):
        kind = checkpoints.read_config(shipped.folders(name)[0])["architecture"]
        return kind == self._architecture.architecture

    def offered(self):
        """All that can be chosen, for JSON."""
        rate_setting = self._architecture.rate_setting
        return {
            "models": [
                {
                    "name": name,
                    "target": bool(rate_setting or several),
                    "dial": rate_setting is not None,
                }
                for name, (rate_setting, several) in self.models.items()
            ],
            "dial": rate_setting
            and [rate_setting.name, rate_setting.low, rate_setting.high, rate_setting.default],
            "samplings": SAMPLINGS,
            "tunes": tuple(TUNES),
            "refine": packages.is_there("tensorflow"),
            "targets": [
                {"kind": kind, "label": _TARGETS[kind], "least": KINDS[kind].at_least}
                for kind in KINDS
            ],
            "encoders": [
                {"name": one.name, "label": one.label}
                for one in ENCODERS.values()
                if one.available() and not one.slow
            ],
            "metrics": [
                {key: getattr(one, key) for key in ("name", "label", "unit", "lower", "decimals")}
                for one in METRICS
            ],
        }

    def arguments(self, name, output, choice):
        """The arguments of `compress` for a choice. Raises UserError for a model not offered."""
        model = choice.get("model")
        if model not in self.models:
            raise UserError(f"the model {model!r} is not on this page")
        names = [f"./{one}" if one.startswith(("-", "@")) else one for one in (name, output)]
        words = []
        own = self._architecture
        if own.trained and model != getattr(own, "default_model", None):
            words += ["--model", model]
        target = choice.get("target")
        if target:
            kind, value = target
            if kind not in KINDS:
                raise UserError(f"{kind!r} is no kind of target")
            words += [f"--target_{kind}", value]
        elif own.rate_setting and choice.get("dial") is not None:
            words += [f"--{own.rate_setting.name}", choice["dial"]]
        for option in ("sampling", "tune", "refine"):
            if choice.get(option):
                words += [f"--{option}", choice[option]]
        return [*names, *(_word(word) for word in words)]

    def command(self, arguments):
        """The command line, for a shell in the picture's folder."""
        return f"{self._program} {shlex.join(arguments)}"

    def read(self, arguments):
        """(Settings, Options) of arguments of `compress`. Raises UserError."""
        args = self._parse(arguments)
        options = compress.make_options(args)
        kind = options.target and options.target.kind
        settings = self._settings(getattr(args, "model", None), kind)
        rate_setting = getattr(args, "dial", None)
        return [replace(setting, rate_setting=rate_setting) for setting in settings], options

    @functools.lru_cache(maxsize=8)  # noqa: B019, the class has a single object
    def _settings(self, model, kind):
        """The Settings of a model, which is loaded once."""
        args = Namespace(model=model, dial=None)
        return compress.make_settings(self._architecture, args, kind and f"--target_{kind}")


def _word(value):
    """A word of a command line; whole numbers without a decimal point."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
