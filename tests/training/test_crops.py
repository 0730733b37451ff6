"""The data of a training: its images, its crops, and their order."""

from learned_jpeg.pictures import reading
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.training import crops

import numpy as np
import pytest
from makers import picture, saved
from PIL import Image


def source_of(photos, size=32, seed=0):
    paths, pixels = crops.find_images(str(photos / "*"), size, "--train_glob")
    return crops.CropSource(paths, pixels, size, seed)


def first_crops(source, count, first=0):
    return np.stack(list(source.dataset(2, first).take(count).as_numpy_iterator()))


def test_crops_are_cut_from_the_images_at_random_places(photos):
    source = source_of(photos)
    images = [reading.read(path) for path in source.paths]
    found = set()
    for crop in first_crops(source, 60):
        places = [
            (number, *place)
            for number, image in enumerate(images)
            for place in np.argwhere((image[:-31, :-31] == crop[0, 0]).all(-1))
            if (image[place[0] : place[0] + 32, place[1] : place[1] + 32] == crop).all()
        ]
        assert places
        found.add(places[0])
    assert {number for number, _, _ in found} == set(range(len(images)))
    assert len({(top % 8, left % 8) for _, top, left in found}) > 20


def test_a_random_crop_can_be_anywhere():
    image = np.arange(4 * 5 * 3).reshape(4, 5, 3)
    generator = np.random.default_rng(0)
    found = {crops.random_crop(image, 3, generator).tobytes() for _ in range(100)}
    expected = {image[y : y + 3, x : x + 3].tobytes() for y in range(2) for x in range(3)}
    assert found == expected


def test_batches_mix_images(photos):
    source = source_of(photos)
    colours = [crop.mean((0, 1)).round().tobytes() for crop in first_crops(source, 16)]
    assert len(set(colours)) > 8


@pytest.mark.parametrize("first", [1, 47, 48, 200])
def test_the_stream_can_be_sought(photos, first):
    source = source_of(photos)
    whole = first_crops(source, first + 4)
    np.testing.assert_array_equal(first_crops(source_of(photos), 4, first), whole[first:])


def test_the_seed_decides_the_stream(photos):
    assert not np.array_equal(
        first_crops(source_of(photos, seed=1), 4), first_crops(source_of(photos, seed=2), 4)
    )


def test_every_epoch_has_every_image_in_another_order(photos):
    source = source_of(photos)
    images = [reading.read(path) for path in source.paths]

    def number(crop):
        """The number of the image that a crop is from."""
        (found,) = (
            number
            for number, image in enumerate(images)
            if any(
                (image[y : y + 32, x : x + 32] == crop).all()
                for y, x in np.argwhere((image[:-31, :-31] == crop[0, 0]).all(-1))
            )
        )
        return found

    count = len(images)
    orders = [
        tuple(number(source.crops(epoch * count + place)[0]) for place in range(count))
        for epoch in range(3)
    ]
    assert all(sorted(order) == list(range(count)) for order in orders)
    assert len(set(orders)) > 1


def test_bad_and_small_images_are_left_out_with_a_warning(photos, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("RGB", (31, 100)).save(tmp_path / "small.png")
    (tmp_path / "good.png").write_bytes((photos / "astronaut.png").read_bytes())
    paths, _ = crops.find_images(str(tmp_path / "*.png"), 32, "--train_glob")
    assert paths == [tmp_path / "good.png"]
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 3
    for name in ("text.png", "empty.png", "small.png"):
        assert any(line.startswith("warning: left out:") and name in line for line in warnings)


def test_a_damaged_image_is_named_once_and_used(tmp_path, capsys):
    data = saved(picture(64, 64), "JPEG", quality=95)
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    source = crops.CropSource([tmp_path / "half.jpg"], 64 * 64, 32, 0)
    for position in range(3):
        assert source.crops(position).shape[1:] == (32, 32, 3)
    assert capsys.readouterr().err.count("half.jpg: damaged: ") == 1


def test_a_truncated_image_is_named_once_and_replaced(photos, tmp_path, capsys):
    whole = (photos / "astronaut.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(whole[: len(whole) // 3])
    (tmp_path / "good.png").write_bytes(whole)
    assert len(first_crops(source_of(tmp_path), 40)) == 40
    assert capsys.readouterr().err.count("broken.png") == 1


def test_the_validation_takes_the_centres(photos, tmp_path, capsys):
    paths, _ = crops.find_images(str(photos / "*.png"), 32, "--valid_glob")
    batches = crops.validation_batches(paths, 32, 3)
    assert [len(batch) for batch in batches] == [3, 1]
    image = reading.read(photos / "camera.png")
    assert (batches[0][1] == image[74:106, 74:106]).all()
    broken = tmp_path / "broken.png"
    broken.write_bytes((photos / "camera.png").read_bytes()[:3000])
    assert [len(batch) for batch in crops.validation_batches([*paths, broken], 32, 8)] == [4]
    assert "broken.png" in capsys.readouterr().err
    with pytest.raises(UserError, match="--valid_glob"):
        crops.validation_batches([broken], 32, 8)


def test_images_can_be_reduced_first(photos, capsys):
    """A photograph reduced by 2 has the means of four pixels, which the filter sharpens."""
    whole, half = (crops.read(photos / "camera.png", downscale) for downscale in (1, 2))
    means = whole.reshape(90, 2, 90, 2, 3).mean((1, 3))
    assert half.shape == means.shape
    assert np.abs(half - means).mean() < 3
    paths, pixels = crops.find_images(str(photos / "*"), 81, "--train_glob", 2)
    assert [path.name for path in paths] == ["camera.png", "coffee.jpg", "rocket.png"]
    assert pixels == 100 * 100
    assert "wide.png: 75x75 is smaller" in capsys.readouterr().err
    source = crops.CropSource(paths[:1], pixels, 81, 0, 2)
    crop = source.crops(0)[0]
    places = np.argwhere((half[:10, :10] == crop[0, 0]).all(-1))
    assert any((half[y : y + 81, x : x + 81] == crop).all() for y, x in places)
