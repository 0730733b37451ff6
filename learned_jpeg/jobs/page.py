"""The page of --report: the outcome of each file in a single HTML file, which loads no other.

It shows the part of each picture that lost the most, before and after, without loss.
"""

import base64
import html
import io
import string
from pathlib import Path

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.pictures import decoders, metadata
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import write_whole
from learned_jpeg.runtime.paths import shown

import numpy as np
from PIL import Image

_ASSETS = Path(__file__).resolve().parent / "assets"
# This tag marks a page of this program, which may be overwritten.
_OURS = '<meta name="generator" content="learned-jpeg compress">'
# Pixels of all views, so that a page of thousands still opens; the bounds of a view's side.
_PIXELS, _LEAST, _MOST = 8_000_000, 48, 640
_TILE = 16
_WIDTH = 280  # pixels of a view on the screen, at least


def side(count):
    """The pixels a side of a picture's view, for a number of pictures."""
    return min(max(int((_PIXELS / count) ** 0.5) // _TILE * _TILE, _LEAST), _MOST)


def views(pixels, data, items, most):
    """The part of a picture that lost the most: (before, after), bytes of lossless WebP files.

    pixels: uint8 or uint16 [H, W, 3 or 1]; data: the JPEG file; items: its metadata.Items; most:
    pixels a side.
    """
    decoded = jpeg_file.decode(data)
    top, left = _where(pixels, decoded, most)
    part = np.s_[top : top + most, left : left + most]
    before = pixels[part]
    if before.dtype == np.uint16:
        before = np.rint(before / 257).astype(np.uint8)
    before = np.broadcast_to(before, (*before.shape[:2], 3))
    profile = items.icc if pixels.shape[-1] == 3 else None
    turn = metadata.orientation(items)
    return tuple(_webp(decoders.turned(one, turn), profile) for one in (before, decoded[part]))


def _webp(pixels, profile):
    file = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(file, "WEBP", lossless=True, icc_profile=profile or b"")
    return file.getvalue()


def _where(pixels, decoded, most):
    """(top, left) of the square whose samples differ the most, on a grid of tiles."""
    height, width = pixels.shape[:2]
    scale = 257 if pixels.dtype == np.uint16 else 1
    columns, rows = np.arange(0, width, _TILE), range(0, height, _TILE)
    lost = np.empty([len(rows), len(columns)])
    for index, row in enumerate(rows):
        part = slice(row, row + _TILE)
        difference = pixels[part] / np.float32(scale) - decoded[part, :, : pixels.shape[2]]
        lost[index] = np.add.reduceat(np.square(difference).sum((0, 2)), columns)
    sums = np.pad(lost.cumsum(0).cumsum(1), [(1, 0), (1, 0)])
    down, across = (min(most // _TILE, size) for size in lost.shape)
    found = sums[down:, across:] - sums[:-down, across:] - sums[down:, :-across]
    found += sums[:-down, :-across]
    row, column = np.unravel_index(found.argmax(), found.shape)
    return (
        min(int(row) * _TILE, max(height - most, 0)),
        min(int(column) * _TILE, max(width - most, 0)),
    )


class Page:
    """The page of a run of `compress`. Raises UserError for a path that it may not write.

    path: of the page; count: the number of files; force: whether it may overwrite any file.
    """

    def __init__(self, path, count, force=False):
        self._path, self.side = Path(path), side(count)
        self._cards, self._failures, self._skipped = [], [], 0
        if self._path.suffix.lower() not in (".html", ".htm"):
            raise UserError(f"--report {shown(path)}: the name must end in .html")
        if self._path.exists() and not force:
            with open(self._path, errors="replace") as file:
                if _OURS not in file.read(1000):
                    raise UserError(
                        f"--report {shown(path)}: exists already; --force overwrites it"
                    )

    def add(self, finished):
        """Adds a file; finished: a one_picture.Finished."""
        report = finished.report
        if report.error is not None:
            self._failures.append(report.error)
        elif report.skipped:
            self._skipped += 1
        else:
            self._cards.append((report.input, report.bytes_in, report.bytes_out, _card(finished)))

    def write(self):
        """Writes the page. Raises UserError where it cannot be written."""
        cards = sorted(self._cards)
        before, after = (sum(card[place] for card in cards) for place in (1, 2))
        counts = [f"{len(cards)} files, {before:,} → {after:,} bytes"] * bool(cards)
        counts += [f"{self._skipped} skipped"] * bool(self._skipped)
        counts += [f"{len(self._failures)} failed"] * bool(self._failures)
        text = string.Template((_ASSETS / "report.html").read_text()).substitute(
            generator=_OURS,
            summary="; ".join(counts),
            failures="".join(f"<li>{html.escape(line)}</li>" for line in self._failures),
            cards="\n".join(card[-1] for card in cards),
        )
        try:
            write_whole(self._path, text)
        except OSError as error:
            words = f"--report {shown(self._path)}: cannot be written ({error.strerror})"
            raise UserError(words) from error


def _card(finished):
    report = finished.report
    name, output = html.escape(report.input), html.escape(report.output)
    rate = f"quality {report.quality:.4g}" if report.quality is not None else ""
    if report.quality is None and report.lmbda is not None:
        rate = f"lambda {report.lmbda:g}"
    loss = "lossless" if report.psnr is None else f"{report.psnr:.2f} dB"
    saved = 100 * (report.bytes_out / report.bytes_in - 1)
    figures = [
        f"{report.bytes_in:,} → {report.bytes_out:,} bytes ({saved:+.0f}%)",
        *([rate] if rate and not report.kept else []),
        "kept as it is" if report.kept else loss,
    ]
    said = "".join(f"<p>{html.escape(line)}</p>" for line in report.warnings)
    return (
        f'<article><h2 title="{output}">{name}</h2>{_slider(finished.views, name)}'
        f"<p>{'; '.join(figures)}</p>{said}</article>"
    )


def _slider(views, name):
    if views is None:
        return ""
    width = Image.open(io.BytesIO(views[0])).width
    scale = max(1, -(-_WIDTH // width) if width < _WIDTH else 1)
    before, after = (
        f'<img alt="{which}" loading="lazy" src="data:image/webp;base64,'
        f'{base64.b64encode(data).decode()}">'
        for which, data in zip(("before", "after"), views, strict=True)
    )
    return (
        f'<div class="stage" style="width:{width * scale}px">{before}{after}</div><label>before '
        f'<input type="range" value="50" aria-label="{name}: border between before and after">'
        " after</label>"
    )
