import math
import pickle
import re
import time
from pathlib import Path

from learned_jpeg.evaluation import stored
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest

FINGERPRINT = {"encoder": "one", "dial": "quality 5"}


def record(**figures):
    base = {"image_sha256": "a", "jpeg_sha256": "b", "height": 3, "width": 4, "n_bytes": 500}
    return base | {name: 1.5 for name in stored.METRICS} | figures


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "quality_05.pickle"


def test_what_is_saved_is_loaded(path):
    records = {"b.png": record(psnr=math.inf), "a.png": record(n_bytes=7)}
    stored.save(path, FINGERPRINT, records)
    assert stored.load(path) == (FINGERPRINT, records)


def test_what_is_not_measured_differs_from_what_cannot_be(path):
    unmeasured = record(ms_ssim=math.nan)
    del unmeasured["lpips"]
    stored.save(path, FINGERPRINT, {"a.png": unmeasured, "b.png": record()})
    found = stored.load(path)[1]
    assert "lpips" not in found["a.png"]
    assert math.isnan(found["a.png"]["ms_ssim"])
    assert found["b.png"] == record()


def test_a_metric_that_came_later_is_one_that_is_not_measured(path):
    stored.save(path, FINGERPRINT, {"a.png": record()})
    content = pickle.loads(path.read_bytes())
    del content["butteraugli"]
    path.write_bytes(pickle.dumps(content))
    expected = record()
    del expected["butteraugli"]
    assert stored.load(path) == (FINGERPRINT, {"a.png": expected})


def test_a_pickle_is_what_the_module_says(path):
    stored.save(path, FINGERPRINT, {"a.png": record(), "b.png": record(psnr=30.0)})
    content = pickle.loads(path.read_bytes())
    assert content["fingerprint"] == FINGERPRINT
    assert content["images"] == ["a.png", "b.png"]
    np.testing.assert_array_equal(content["psnr"], [1.5, 30])
    assert "unmeasured" not in content


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_malicious_pickle_is_refused_and_runs_nothing(path, tmp_path):
    stored.save(path, FINGERPRINT, {"a.png": record()})
    evidence = tmp_path / "it ran"
    content = pickle.loads(path.read_bytes())
    for attack in (
        Payload(evidence),
        content | {"psnr": Payload(evidence)},
        content | {"psnr": np.array([Payload(evidence)] * 2, object)},
        {Payload(evidence): content},
    ):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            path.write_bytes(pickle.dumps(attack, protocol))
            with pytest.raises(UserError, match="quality_05.pickle"):
                stored.load(path)
            assert not evidence.exists()
    pickle.loads(path.read_bytes())
    assert evidence.exists()  # so the attack was one


@pytest.mark.parametrize(
    "content",
    [{"a": (1, 2)}, {"a": {1}}, b"bytes", None, 1j, {"a": np.array(["text"])}, len],
    ids=repr,
)
def test_a_pickle_with_anything_but_plain_data_is_refused(tmp_path, content):
    path = tmp_path / "x.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=re.escape(str(path))):
        stored.load_plain(path)


def test_plain_data_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "x.pickle"
    arrays = [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(5, dtype=">i2"),
        np.float32([[1.5]]),
        np.array([True, False]),
        np.zeros((0, 3), np.uint8),
    ]
    content = {"numbers": [1, -2.5, True, float("inf")], "text": "é", "nested": [{"1": []}]}
    path.write_bytes(pickle.dumps(content | {"arrays": arrays}, protocol=4))
    read = stored.load_plain(path)
    for array, found in zip(arrays, read.pop("arrays"), strict=True):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
    assert read == content


def test_a_pickle_that_shares_and_nests_its_lists_is_read_in_no_time(tmp_path):
    content = [0]
    for _ in range(60):
        content = [content, content]  # 2^60 numbers, if written out
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(content))
    start = time.monotonic()
    stored.load_plain(tmp_path / "x.pickle")
    with pytest.raises(stored.UnreadableError):
        stored.load(tmp_path / "x.pickle")
    assert time.monotonic() - start < 1


def test_what_a_pickle_asks_for_is_named_in_one_line(tmp_path):
    (tmp_path / "x.pickle").write_bytes(b"c\x1b[2Jos\nsys\\u000atem\n.")
    with pytest.raises(UserError, match=r"holds \\x1b\[2Jos") as error:
        stored.load_plain(tmp_path / "x.pickle")
    assert str(error.value).isprintable()
    name = b"o\n\x1b" * 200
    (tmp_path / "x.pickle").write_bytes(b"\x80\x04X\x58\x02\0\0" + name + b"\x8c\1a\x93.")
    with pytest.raises(UserError, match="holds o") as error:
        stored.load_plain(tmp_path / "x.pickle")
    assert str(error.value).isprintable() and len(str(error.value)) < 700


def test_a_note_that_would_fill_the_memory_is_refused(tmp_path):
    """LONG_BINPUT of 2^30: pickle would allocate a memo of that length."""
    (tmp_path / "x.pickle").write_bytes(b"\x80\x04}r\0\0\0@.")
    start = time.monotonic()
    with pytest.raises(stored.UnreadableError, match="memo index of 1073741824"):
        stored.load_plain(tmp_path / "x.pickle")
    assert time.monotonic() - start < 1


def test_a_damaged_pickle_is_unreadable(path):
    stored.save(path, FINGERPRINT, {"a.png": record()})
    whole = path.read_bytes()
    for content in (b"", whole[:300], whole[:-1], b"text\n", pickle.dumps({"fingerprint": 3})):
        path.write_bytes(content)
        with pytest.raises(stored.UnreadableError):
            stored.load(path)


def append_two(path):
    base = {name: record()[name] for name in ("image_sha256", "jpeg_sha256", "height", "width")}
    base |= {"n_bytes": 500, "bpp": 1.5}
    for image in ("a.png", "b.png"):
        stored.append(path, FINGERPRINT, image, base)
    rest = {name: 1.5 for name in stored.METRICS if name != "bpp"}
    stored.append(path, FINGERPRINT, "a.png", rest)
    return base


def test_a_journal_becomes_a_pickle(path):
    base = append_two(path)
    fingerprint, records = stored.load_journal(path)
    assert fingerprint == FINGERPRINT
    assert stored.merge({}, records) == {"a.png": record(), "b.png": base}
    stored.fold(path, FINGERPRINT)
    assert stored.load(path)[1] == {"a.png": record(), "b.png": base}
    assert not stored.journal(path).exists()


def test_the_line_that_a_kill_cut_off_is_lost_and_no_other(path):
    append_two(path)
    journal = stored.journal(path)
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-20])
    cut = stored.load_journal(path)[1]
    assert len(cut) == 2
    stored.append(path, FINGERPRINT, "c.png", {"psnr": 2.0})
    assert stored.load_journal(path)[1] == [*cut, {"c.png": {"psnr": 2.0}}]


def test_a_new_file_takes_the_place_of_what_was_known_of_the_image(path):
    stored.save(path, FINGERPRINT, {"a.png": record(), "other.png": record()})
    base = append_two(path)
    stored.append(path, FINGERPRINT, "a.png", base)
    stored.append(path, FINGERPRINT, "stray.png", {"psnr": 2.0})  # of no file
    stored.fold(path, FINGERPRINT)
    expected = {"a.png": base, "b.png": base, "other.png": record()}
    assert stored.load(path)[1] == expected


def test_a_pickle_of_another_fingerprint_is_replaced(path):
    stored.save(path, {"encoder": "two"}, {"other.png": record()})
    append_two(path)
    stored.fold(path, {"encoder": "two"})  # whose journal it is not
    assert stored.load(path)[0] == {"encoder": "two"}
    stored.fold(path, FINGERPRINT)
    assert set(stored.load(path)[1]) == {"a.png", "b.png"}


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\nno json", b"\n[1]", b'\n{"a": 1}', b"\xff\xfe", b"\n" + b"[" * 100_000],
)
def test_a_journal_of_another_kind_is_none(path, content):
    stored.save(path, FINGERPRINT, {})
    stored.journal(path).write_bytes(content)
    assert stored.load_journal(path) is None
    stored.fold(path, FINGERPRINT)


def test_a_line_of_another_kind_is_passed_over(path):
    base = append_two(path)
    with stored.journal(path).open("ab") as stream:
        stream.write(b'\n{"a.png": {"psnr": "x"}}\n{"a.png": {"new": 1.0}}\n{"a.png": 3}')
    assert stored.merge({}, stored.load_journal(path)[1]) == {
        "a.png": record(),
        "b.png": base,
    }
