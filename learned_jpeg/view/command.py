"""The command `view`."""

import sys
import webbrowser

from learned_jpeg.pictures import reading
from learned_jpeg.runtime import machine, paths
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.view.choices import Choices
from learned_jpeg.view.making import Making
from learned_jpeg.view.pictures import Pictures
from learned_jpeg.view.server import Server


def serve(architecture, args, program, parse):
    """Runs the command `view`: serves the page until Ctrl-C.

    args: pictures, model, port, open, max_megapixels; program, parse: see Choices.
    """
    machine.limit()
    with reading.limit(args.max_megapixels):
        found = [path for argument in args.pictures for path in paths.expand(argument)[1]]
        for path in found:
            paths.check(path, paths.STDIO)
        choices = Choices(architecture, program, parse, getattr(args, "model", None) or ())
        try:
            server = Server(Making(Pictures(dict.fromkeys(found)), choices), args.port)
        except OSError as error:
            raise UserError(f"--port {args.port}: {error.strerror}; try another port") from error
        print(f"{server.address}\nOpen this address in a browser on this machine; Ctrl-C ends it.")
        sys.stdout.flush()
        if args.open:
            webbrowser.open(server.address)
        server.serve_forever()
