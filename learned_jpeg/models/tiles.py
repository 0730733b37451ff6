"""The first half of the encoder as a TensorFlow graph, tile by tile, for models that edit."""

import threading

from learned_jpeg.jpeg import transform
from learned_jpeg.jpeg.sampling import Planes, grid
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search.quantizer import Analysis

import numpy as np

tf = lazy_import("tensorflow")

# One tile uses all cores; several at a time would only need more memory.
_one_tile = threading.Lock()


def analyse(pipeline, pixels, rate_setting, coding, table_scale):
    """The Analysis of a picture by a `jpeg_pipeline.DifferentiableJPEG`, tile by tile.

    Arguments are those of `FileModel.analyse_picture`. Tiles overlap by the receptive field of the
    network, so the result is that of the whole picture. Memory grows only by the picture and its
    coefficients.
    """
    height, width, channels = pixels.shape
    sampling, samples = coding.sampling, None
    if coding.quantizer == "trellis" and sampling == "420" and channels == 3:
        samples = np.empty([2, height, width], np.float32)
    luma, chroma = ([*size, BLOCK, BLOCK] for size in grid(height, width, sampling))
    planes = Planes(np.empty(luma, np.float32), np.empty([2, *chroma], np.float32))
    steps = Planes(BLOCK, BLOCK if sampling == "444" else 2 * BLOCK)  # pixels a block
    margin = -(-pipeline.receptive_field // steps.chroma) * steps.chroma
    analyse_tile = _tile_function(pipeline, sampling)
    for top in range(0, height, pipeline.tile):
        for left in range(0, width, pipeline.tile):
            above, before = min(margin, top), min(margin, left)
            tile = pixels[
                top - above : top + pipeline.tile + margin,
                left - before : left + pipeline.tile + margin,
            ]
            tile = tf.constant(np.broadcast_to(transform.to_samples(tile), [*tile.shape[:2], 3]))
            with _one_tile:
                *coded, qtables, chroma = analyse_tile(tile, rate_setting or 0.0, table_scale)
            if samples is not None:
                inner = samples[:, top : top + pipeline.tile, left : left + pipeline.tile]
                inner[:] = chroma[
                    :, above : above + inner.shape[1], before : before + inner.shape[2]
                ]
            for plane, part, step in zip(planes, coded, steps, strict=True):
                inner = plane[
                    ...,
                    top // step : (top + pipeline.tile) // step,
                    left // step : (left + pipeline.tile) // step,
                    :,
                    :,
                ]
                rows, columns = above // step, before // step
                inner[:] = part[
                    ..., rows : rows + inner.shape[-4], columns : columns + inner.shape[-3], :, :
                ]
    if channels == 1:
        planes = Planes(planes.luma, None)
    return Analysis(planes, qtables.numpy(), sampling, height, width, samples)


def _tile_function(pipeline, sampling):
    """The first half of a pipeline as a graph, traced once for each sampling.

    It is a function of (RGB [H, W, 3] in [0, 255], rate setting, scale of the tables). Returns the
    coefficients over their tables of luma and of chroma, the tables uint8 [8, 8, 2], and the edited
    Cb and Cr around 0, [2, H, W] padded to whole blocks.
    """
    if sampling in pipeline.graphs:
        return pipeline.graphs[sampling]

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 3]),
            tf.TensorSpec([]),
            tf.TensorSpec([]),
        ],
        autograph=False,
    )
    def analyse_tile(tile, rate_setting, table_scale):
        images = tile[None] / 255.0
        rate_setting = rate_setting if pipeline.rate_setting else None
        edit, qtables, ycbcr = pipeline.analyse(
            images, rate_setting, table_scale=table_scale, sampling=sampling
        )
        chroma = tf.transpose(ycbcr[0, ..., 1:], [2, 0, 1])
        return edit.y.luma[0], edit.y.chroma[0], tf.cast(qtables[0], tf.uint8), chroma

    pipeline.graphs[sampling] = analyse_tile
    return analyse_tile
