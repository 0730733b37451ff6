"""Progressive files: the levels that libjpeg reads from them, and their size."""

import itertools
from dataclasses import replace

from learned_jpeg.jpeg import huffman, jpeg_file, progressive, scans
from learned_jpeg.jpeg.sampling import Planes, grid
from learned_jpeg.search import tuning
from learned_jpeg.search.quantizer import Trellis, analyse

import mozjpeg_lossless_optimization
import numpy as np
import pytest
import skimage.data
from makers import picture

FLAT = np.full([8, 8, 2], 16)


def gray(blocks):
    """A gray picture's file from levels int16 [rows, columns, 8, 8], and its levels as libjpeg
    reads them."""
    rows, columns = blocks.shape[:2]
    data = jpeg_file.write_jpeg(
        Planes(blocks, None), FLAT, 8 * rows, 8 * columns, "444", "progressive"
    )
    return data, jpeg_file.read_jpeg(data)[0].luma


@pytest.mark.parametrize("quality", [5, 40, 75, 95, 100])
@pytest.mark.parametrize("sampling", ["444", "420"])
def test_a_file_is_no_larger_than_mozjpegs_lossless_transcoder_makes_it(quality, sampling):
    pixels = skimage.data.astronaut()[:, :501]
    qtables = tuning.tuned_qtables(quality, "visual")
    planes = Trellis("visual")(analyse(pixels, qtables, sampling))
    ours, baseline = (
        jpeg_file.write_jpeg(planes, qtables, *pixels.shape[:2], sampling, huffman)
        for huffman in ("progressive", "optimized")
    )
    # At 4:4:4 the order of the DC levels is the same, with one scan less for them.
    assert len(ours) <= len(mozjpeg_lossless_optimization.optimize(baseline)) + 20
    np.testing.assert_array_equal(jpeg_file.decode(ours), jpeg_file.decode(baseline))


def test_more_blocks_without_levels_than_one_run_holds():
    blocks = np.zeros([200, 400, 8, 8], np.int16)
    blocks[0, 0, 7, 7], blocks[-1, -1, 0, 1] = 1, -1
    data, read = gray(blocks)
    np.testing.assert_array_equal(read, blocks)
    assert len(data) < 80_000 / 8 + 400


@pytest.mark.parametrize("seed", range(4))
def test_levels_of_any_size_and_sparsity(seed, monkeypatch):
    """They are read back with the scans that are chosen, and with every al."""
    generator = np.random.default_rng(seed)
    sizes = 2.0 ** generator.uniform(0, 10, [30, 40, 8, 8])
    there = generator.random([30, 40, 8, 8]) < generator.choice(
        [0.001, 0.05, 0.3, 1], [30, 40, 1, 1]
    )
    blocks = np.int16(np.where(there, sizes * generator.choice([-1, 1], sizes.shape), 0))
    for al in range(4):
        plan = [(1, 2, al, False), (3, 63, al, False)]
        plan += [(1, 63, bit, True) for bit in range(al - 1, -1, -1)]
        monkeypatch.setattr(progressive, "_plan", lambda levels, plan=plan: plan)
        np.testing.assert_array_equal(gray(blocks)[1], blocks)
    monkeypatch.undo()
    np.testing.assert_array_equal(gray(blocks)[1], blocks)


def test_all_bands_are_counted_as_their_scans_are():
    pixels = np.asarray(picture(240, 160))
    luma = Trellis("psnr")(analyse(pixels, tuning.tuned_qtables(70, "psnr"), "444")).luma
    levels = progressive.Levels.of(luma.reshape(-1, 64))
    bands = np.array([1, 2, 6, 20, 64])
    for al in range(3):
        counts = np.zeros([5, 5, 256], np.int64)
        parts = np.array([[0, 100], [100, 101], [101, 600]])
        scans.count_bands(parts, levels.starts, levels.positions, levels.values, bands, al, counts)
        bits, symbols = np.zeros([2, 5, 5], np.int64)
        huffman.bits_of_bands(counts, bits, symbols)
        for i, j in itertools.combinations(range(5), 2):
            of_parts = (replace(levels, starts=levels.starts[a : b + 1]) for a, b in parts)
            walks = [of_part.walk(bands[i], bands[j] - 1, al, False) for of_part in of_parts]
            expected, others = progressive.counted(*walks)
            np.testing.assert_array_equal(counts[i, j], expected)
            assert bits[i, j] == huffman.least_lengths(expected)[1] + others
            assert symbols[i, j] == np.count_nonzero(expected)


def test_a_picture_in_colour_has_scans_that_show_it_from_the_start():
    """DC comes first, then AC; each scan has at most one table."""
    luma, chroma = grid(40, 56, "420")
    generator = np.random.default_rng(0)
    planes = [np.int16(generator.integers(-4, 5, [*n, 8, 8])) for n in (luma, [2, *chroma])]
    data = jpeg_file.write_jpeg(Planes(*planes), FLAT, 40, 56, "420", "progressive")
    first = [data.index(b"\xff\xda") + 4]
    first.append(data.index(b"\xff\xda", first[0]) + 4)
    assert [data[at : at + data[at] * 2 + 4] for at in first] == [
        bytes([1, 1, 0x00, 0, 0, 0]),
        bytes([2, 2, 0x10, 3, 0x10, 0, 0, 0]),
    ]
