"""`python -m learned_jpeg`: the command `learned-jpeg`."""

from learned_jpeg.cli.main import run

if __name__ == "__main__":
    run()
