"""JPEG files as inputs: rewritten without loss for --lossless, or where that file is smaller."""

from pathlib import Path

from learned_jpeg.jobs.targets import sampling
from learned_jpeg.metrics import measures
from learned_jpeg.pictures import lossless, reading
from learned_jpeg.runtime.errors import UserError

# A result of at least this part of its input's bytes is compared with a rewriting without loss,
# which makes files of cameras and of libjpeg 5% to 15% smaller.
_COMPARED = 0.75


def transcoded(path, data, options, report):
    """The file of `--lossless`; data: the input's bytes, or None. Fills in the report."""
    with reading.naming(path):
        data = Path(path).read_bytes() if data is None else data
        found, report.warnings = lossless.transcode(data, options.strip)
    report.width, report.height = reading.size(path, data)
    report.bytes_in, report.from_jpeg = len(data), True
    return _without_loss(found, data, report)


def not_larger(data, source, options, report):
    """The smaller of a result (bytes) of a JPEG file and of that file rewritten without loss.

    Where only a larger result fulfils the options, the larger result, with a warning.
    """
    jpeg = source.jpeg
    if len(data) < _COMPARED * len(jpeg):
        return data
    if not (source.converted or options.target and not options.skip_larger):
        try:
            found, notes = lossless.transcode(jpeg, options.strip)
        except UserError:  # damaged, of which a warning tells already
            found, notes = None if options.strip else jpeg, report.warnings
        if found is not None and len(found) <= len(data):
            report.warnings, report.details = notes, []  # all metadata stays
            return _without_loss(found, jpeg, report)
    if len(data) >= len(jpeg):
        report.warnings.append(
            f"the result is not smaller than this JPEG file ({len(jpeg):,} -> {len(data):,} bytes) "
            "and no better; --skip_larger rewrites such files without loss instead"
        )
    return data


def _without_loss(found, jpeg, report):
    report.lossless, report.kept, report.psnr = True, found == jpeg, None
    report.dial = report.quality = report.lmbda = None
    report.table_scale = report.ssimulacra2 = None
    report.sampling = sampling(found)
    report.bytes_out = len(found)
    report.bpp = measures.bpp(len(found), report.height, report.width)
    return found
