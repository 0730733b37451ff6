"""JPEG files as inputs: written anew without loss, where that is asked for or the better file."""

from pathlib import Path

from learned_jpeg.jobs.targets import sampling
from learned_jpeg.metrics import measures
from learned_jpeg.pictures import lossless, reading
from learned_jpeg.runtime.errors import UserError

# How many of its input's bytes a result has at least that is compared with one without loss.
# Files of cameras and of libjpeg become 5% to 15% smaller without loss.
_COMPARED = 0.75


def transcoded(path, data, options, report):
    """The file of `--lossless`; data: the input's bytes where they are known. Fills the report."""
    with reading.naming(path):
        data = Path(path).read_bytes() if data is None else data
        found, report.warnings = lossless.transcode(data, options.strip)
    report.width, report.height = reading.size(path, data)
    report.bytes_in, report.from_jpeg = len(data), True
    return _without_loss(found, data, report)


def not_larger(data, source, options, report):
    """Of a result (bytes) of a JPEG file and of that file without loss the smaller one.

    Where only a larger result does what is asked for, that one, with a warning.
    """
    jpeg = source.jpeg
    if len(data) < _COMPARED * len(jpeg):
        return data
    if not (source.converted or options.target and not options.skip_larger):
        try:
            found, notes = lossless.transcode(jpeg, options.strip)
        except UserError:  # damaged, which is said already
            found, notes = None if options.strip else jpeg, report.warnings
        if found is not None and len(found) <= len(data):
            report.warnings, report.details = notes, []  # nothing else is left out
            return _without_loss(found, jpeg, report)
    if len(data) >= len(jpeg):
        report.warnings.append(
            f"it is a JPEG file, and the result is not smaller ({len(jpeg):,} -> {len(data):,} "
            "bytes) and not better; --skip_larger keeps such files without loss"
        )
    return data


def _without_loss(found, jpeg, report):
    report.lossless, report.kept, report.psnr = True, found == jpeg, None
    report.dial = report.lmbda = report.table_scale = report.ssimulacra2 = None
    report.sampling = sampling(found)
    report.bytes_out = len(found)
    report.bpp = measures.bpp(len(found), report.height, report.width)
    return found
