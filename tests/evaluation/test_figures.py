from learned_jpeg.evaluation import coders, stored
from learned_jpeg.evaluation.figures import Results
from learned_jpeg.evaluation.points import PointToMeasure, TestImage
from learned_jpeg.models import checkpoints

import numpy as np
import pytest
from PIL import Image

CODER = coders.EncoderCoder("pillow_444", "standard")


@pytest.fixture
def images(tmp_path, photograph):
    found = []
    for index in range(3):
        path = tmp_path / f"{index}.png"
        Image.fromarray(photograph[: 16 + 8 * index, :24]).save(path)
        found.append(TestImage(path.name, path, checkpoints.sha256(path)))
    return found


@pytest.fixture
def result(tmp_path, images):
    return Results(
        PointToMeasure("quality_40", tmp_path / "quality_40", {"code": "1"}, (CODER,), 40), images
    )


def test_a_new_point_lacks_everything(result):
    assert all(column.all() for column in result.missing.values())
    assert not result.is_complete()
    assert "bpp" not in result.to_measure(0)


def test_what_is_added_is_there_for_the_next_one_before_and_after_it_is_closed(result, images):
    for index in range(3):
        result.add_file(index, CODER.encode(np.asarray(Image.open(images[index].path)), 40))
        result.add_figures(index, dict.fromkeys(result.wanted, 1.5))
    assert result.is_complete()
    assert Results(result.point, images).is_complete()
    result.close()
    assert not stored.journal(result.point.pickle).exists()
    after = Results(result.point, images)
    assert after.is_complete() and not after.reasons
    np.testing.assert_array_equal(after.figures["height"], [16, 24, 32])
    sizes = [result.point.jpeg(image).stat().st_size for image in images]
    np.testing.assert_array_equal(after.figures["n_bytes"], sizes)


def test_figures_can_be_spread_over_more_images(result, images):
    result.figures["psnr"][:] = [1, 2, 3]
    spread = result.spread(5, [1, 2, 4])
    np.testing.assert_array_equal(spread.figures["psnr"], [np.nan, 1, 2, np.nan, 3])
    assert len(result.figures["psnr"]) == 3
