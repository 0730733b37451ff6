"""The colours that a picture's samples stand for: ICC profiles, and the conversion to sRGB.

A picture without a profile is taken as sRGB. Colour spaces that PNG and AVIF give by codes or
numbers become profiles, since a JPEG file holds a colour space only as a profile.
"""

import functools
import io
import struct

from learned_jpeg.pictures import libvips

import numpy as np
from PIL import ImageCms

# ITU-T H.273, table 2 (colour primaries): x, y of red, green, blue and white.
_D65 = (0.3127, 0.3290)
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
HDR = {16: "PQ", 18: "HLG"}  # H.273, table 3 (transfer characteristics)
WHITE_NITS = 203  # ITU-R BT.2408: cd/m2 of diffuse white, which is the white of a JPEG file

# ICC.1:2022, D50 in the connection space; the Bradford matrix, annex E.
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_STEPS = np.linspace(0, 1, 1024)
BAND = 512  # rows that are converted at a time


def srgb_curve(x):
    """Signal in [0, 1] to linear light. IEC 61966-2-1."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def pq_curve(x):
    """Signal in [0, 1] to linear light with diffuse white at 1, clipped. SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
    power = x ** (1 / m2)
    nits = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return np.minimum(nits / WHITE_NITS, 1)


def hlg_curve(x):
    """Signal in [0, 1] to linear light with diffuse white, a signal of 3/4, at 1, clipped.

    ITU-R BT.2100, with the system gamma of 1.2 on each channel.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(x <= 0.5, x**2 / 3, (np.exp((x - c) / a) + b) / 12)
    white = (np.exp((0.75 - c) / a) + b) / 12
    return np.minimum((scene / white) ** 1.2, 1)


@functools.cache
def by_codes(primaries, transfer):
    """(profile, note) of H.273's codes; (None, None) for sRGB and for unknown codes."""
    curves = {16: pq_curve, 18: hlg_curve, 8: lambda x: x, 4: _power(2.2), 5: _power(2.8)}
    # Viewers show the curves of television, which describe a camera, as sRGB's.
    plain = transfer in (1, 6, 13, 14, 15)
    if primaries not in PRIMARIES or not plain and transfer not in curves:
        return None, None
    if plain and primaries == 1:
        return None, None
    note = None
    if transfer in HDR:
        note = f"HDR ({HDR[transfer]}): light above {WHITE_NITS} cd/m2 becomes white"
    curve = srgb_curve if plain else curves[transfer]
    return make_profile(PRIMARIES[primaries], curve(_STEPS)), note


def _power(gamma):
    return lambda x: x**gamma


@functools.cache
def by_numbers(gamma, chromaticities):
    """The profile of PNG's gAMA and cHRM, or None where both are sRGB's.

    gamma: the file's exponent, 1/2.2 for most, or None; chromaticities: as in PRIMARIES, or None.
    """
    chromaticities = chromaticities or PRIMARIES[1]
    near = np.abs(np.subtract(chromaticities, PRIMARIES[1])).max() < 0.005
    if near and (gamma is None or abs(gamma - 1 / 2.2) < 0.01):
        return None
    if gamma is None or abs(gamma - 1 / 2.2) < 0.0001 and near:
        curve = srgb_curve(_STEPS)
    else:
        curve = _STEPS ** (1 / gamma)
    return make_profile(chromaticities, curve)


def make_profile(chromaticities, curve):
    """An ICC profile (version 2, matrix and curve) of an RGB space.

    chromaticities: x, y of red, green, blue and white; curve: linear light [n] of n signals from
    0 to 1. Raises ValueError for chromaticities that span no triangle.
    """
    points = np.array([[x, y, 1 - x - y] for x, y in chromaticities])
    if not points[3, 1]:
        raise ValueError("a white without light")
    white = points[3] / points[3, 1]
    try:
        strengths = np.linalg.solve(points[:3].T, white)
    except np.linalg.LinAlgError as error:
        raise ValueError("primaries that span no triangle") from error
    adapt = np.linalg.solve(_BRADFORD, np.diag(_BRADFORD @ _D50 / (_BRADFORD @ white)) @ _BRADFORD)
    columns = adapt @ (points[:3].T * strengths)
    if not np.isfinite(columns).all() or np.abs(columns).max() > 100:
        raise ValueError("primaries that span no triangle")

    def fixed(values):
        return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)

    text = b"RGB of the picture's primaries\0"
    samples = np.round(np.clip(curve, 0, 1) * 65535).astype(">u2").tobytes()
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0No copyright\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(_D50),
        b"rXYZ": b"XYZ \0\0\0\0" + fixed(columns[:, 0]),
        b"gXYZ": b"XYZ \0\0\0\0" + fixed(columns[:, 1]),
        b"bXYZ": b"XYZ \0\0\0\0" + fixed(columns[:, 2]),
        b"rTRC": b"curv\0\0\0\0" + struct.pack(">I", len(curve)) + samples,
    }
    body, entries = b"", {}
    start = 128 + 4 + 12 * (len(tags) + 2)
    for name, data in tags.items():
        entries[name] = start + len(body), len(data)
        body += data + bytes(-len(data) % 4)
    entries[b"gTRC"] = entries[b"bTRC"] = entries[b"rTRC"]
    table = struct.pack(">I", len(entries))
    table += b"".join(name + struct.pack(">II", *entry) for name, entry in entries.items())
    header = bytearray(128)
    struct.pack_into(
        ">I4xI4s4s4s", header, 0, start + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    struct.pack_into(">6H4s", header, 24, 2000, 1, 1, 0, 0, 0, b"acsp")
    header[68:80] = fixed(_D50)
    return bytes(header) + table + body


def space(profile):
    """The colour space that a profile is for: "GRAY", "RGB", "CMYK", ...

    Raises ValueError for a broken profile.
    """
    # ICC.1:2022, 7.2: the profile's own size, its colour space and its signature.
    size = int.from_bytes(profile[:4], "big")
    if len(profile) < 128 or profile[36:40] != b"acsp" or size > len(profile):
        raise ValueError("broken")
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except (OSError, ImageCms.PyCMSError) as error:
        raise ValueError(str(error)) from error
    return profile[16:20].decode("latin-1").strip()


def to_srgb(samples, profile):
    """Samples of a profile's space to sRGB of the same depth.

    samples: uint8 or uint16 [H, W, 1, 3 or 4]; 4 channels are CMYK, whose profile may be None.
    Returns [H, W, 1] for gray and [H, W, 3] otherwise. Raises ValueError where it fails.
    """
    deep, channels = samples.dtype == np.uint16, samples.shape[-1]
    spaces = {1: ("GRAY", "RGB"), 3: ("RGB",), 4: ("CMYK",)}[channels]
    if profile is not None and space(profile) not in spaces:
        raise ValueError(f"it is for {space(profile)!r}")
    if channels == 1 and (profile is None or space(profile) == "RGB"):
        samples = np.repeat(samples, 3, axis=-1)
    kinds = {1: ("b-w", "grey16"), 3: ("srgb", "rgb16"), 4: ("cmyk", "cmyk")}
    with libvips.alone() as vips:
        image = vips.Image.new_from_array(
            np.ascontiguousarray(samples), interpretation=kinds[samples.shape[-1]][deep]
        )
        source = {"input_profile": "cmyk"}  # libvips's own
        if profile is not None:
            image = image.copy()
            image.set_type(vips.GValue.blob_type, "icc-profile-data", profile)
            source = {"embedded": True}
        depth = 16 if deep else 8
        result = image.icc_transform("srgb", depth=depth, intent="perceptual", **source).numpy()
    return result[..., :1] if channels == 1 else result


def from_ycbcr(samples, luma, reference):
    """YCbCr of a TIFF, uint8 or uint16 [H, W, 3], to RGB: TIFF 6.0, sections 20 and 21.

    luma: the parts of red, green and blue in Y; reference: the codes of black and white of each
    channel. Raises ValueError for numbers that give no colours.
    """
    top = np.iinfo(samples.dtype).max
    black, white = np.array(reference, np.float32).reshape(3, 2).T
    red, green, blue = np.array(luma, float)
    matrix = np.array([[1, 0, 2 - 2 * red], [1, 0, 0], [1, 2 - 2 * blue, 0]])
    with np.errstate(all="ignore"):
        matrix[1, 1:] = -blue / green * matrix[2, 1], -red / green * matrix[0, 2]
        matrix = (matrix * [top, top // 2, top // 2] / (white - black)).T.astype(np.float32)
    if not np.isfinite(matrix).all():
        raise ValueError("its YCbCr numbers give no colours")
    result = np.empty_like(samples)
    for start in range(0, len(samples), BAND):
        part = slice(start, start + BAND)
        result[part] = np.clip(np.rint((samples[part] - black) @ matrix), 0, top)
    return result


def is_srgb(profile):
    """Whether a profile of an RGB space gives sRGB's colours, to a level in 8 bits."""
    grid = np.mgrid[0:256:51, 0:256:51, 0:256:51].reshape(3, 6, 36).astype(np.uint8)
    grid = np.moveaxis(grid, 0, -1)
    return int(np.abs(to_srgb(grid, profile).astype(int) - grid).max()) <= 1
