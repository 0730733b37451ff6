"""`python -m learned_jpeg`: the command `learned-jpeg`."""

from learned_jpeg.cli.main import run

run()
