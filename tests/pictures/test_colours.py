"""Profiles and the conversion to sRGB, compared with the definitions of the spaces."""

import io

from learned_jpeg.pictures import colours

import numpy as np
import pytest
from makers import srgb_profile
from PIL import Image, ImageCms


def test_a_made_profile_of_srgb_is_srgb_to_littlecms():
    profile = colours.make_profile(
        colours.PRIMARIES[1], colours.srgb_curve(np.linspace(0, 1, 1024))
    )
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, [40, 40, 3], np.uint8))
    other = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    result = ImageCms.profileToProfile(image, other, ImageCms.createProfile("sRGB"))
    assert np.abs(np.subtract(result, image, dtype=int)).max() <= 1
    assert colours.space(profile) == "RGB"
    assert colours.is_srgb(profile) and colours.is_srgb(srgb_profile())


def test_p3_is_not_srgb():
    profile, note = colours.by_codes(12, 13)
    assert note is None
    assert not colours.is_srgb(profile)


@pytest.mark.parametrize("codes", [(1, 13), (1, 1), (2, 2), (200, 13), (12, 99)])
def test_codes_of_srgb_or_of_nothing_known_need_no_profile(codes):
    assert colours.by_codes(*codes) == (None, None)


@pytest.mark.parametrize(
    "curve, white", [(colours.pq_curve, 0.580689), (colours.hlg_curve, 0.75)]
)  # of BT.2408, table 1: diffuse white at 58% PQ and 75% HLG
def test_diffuse_white_is_white(curve, white):
    assert curve(np.array(white)) == pytest.approx(1, abs=2e-3)
    assert curve(np.array(0.0)) == pytest.approx(0, abs=1e-6)
    assert curve(np.array(1.0)) == 1


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_depth_and_gray_stay(kind):
    profile = colours.by_numbers(1.0, None)
    gray = np.full([3, 2, 1], np.iinfo(kind).max // 2, kind)
    result = colours.to_srgb(gray, profile)
    assert (result.shape, result.dtype) == (gray.shape, kind)
    assert result[0, 0, 0] / np.iinfo(kind).max == pytest.approx(0.735, abs=0.005)  # of light 0.5
    inks = np.zeros([3, 2, 4], kind)
    assert (colours.to_srgb(inks, None) == np.iinfo(kind).max).all()


@pytest.mark.parametrize("profile", [b"", b"x" * 200, srgb_profile()[:-9], srgb_profile()[:128]])
def test_a_broken_profile_is_a_value_error(profile):
    with pytest.raises(ValueError):
        colours.space(profile)


def test_a_profile_of_other_channels_is_a_value_error():
    with pytest.raises(ValueError):
        colours.to_srgb(np.zeros([4, 4, 4], np.uint8), srgb_profile())


@pytest.mark.parametrize(
    "points", [((0, 0),) * 4, ((0.3, 0.3),) * 4, ((1, 0), (1, 0), (0, 1), (0.3, 0.3))]
)
def test_primaries_that_are_none_are_a_value_error(points):
    with pytest.raises(ValueError, match="triangle|light"):
        colours.make_profile(points, np.linspace(0, 1, 8))
