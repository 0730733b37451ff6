"""LPIPS, the learned perceptual distance (AlexNet backbone, version 0.1), in TensorFlow 2.

R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang: The Unreasonable Effectiveness of Deep
Features as a Perceptual Metric, CVPR 2018, arXiv 1801.03924. The weights are the authors';
`weights/README.md` says where they come from and under which licence.
"""

import atexit
import functools
from pathlib import Path

from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

tf = lazy_import("tensorflow")

WEIGHTS = Path(__file__).parents[2] / "weights" / "lpips_alex_v0.1.npz"
MIN_SIZE = 32  # pixels a side; the last feature map of slightly smaller images is empty

# The authors' input normalisation, for RGB in [-1, 1].
_SHIFT = np.array([-0.030, -0.088, -0.188], np.float32)
_SCALE = np.array([0.458, 0.448, 0.450], np.float32)

# The smallest squared length of a feature vector that is normalized. Below it the direction is
# noise; without it the gradient at a zero vector would be NaN. The authors add 1e-10 to the length.
_EPSILON = 1e-20


@functools.cache
def _weights():
    """Five (kernel, bias) pairs and five linear heads; the first kernel takes RGB in [0, 1].

    The first kernel includes the scaling 2 / _SCALE. It does not include the shift, for the padding
    with zeros comes after the shift.
    """
    with np.load(WEIGHTS, allow_pickle=False) as file:
        layers = [
            (file[f"AlexNet_0/Conv_{i}/kernel"], file[f"AlexNet_0/Conv_{i}/bias"]) for i in range(5)
        ]
        heads = [file[f"NetLinLayer_{i}/Conv_0/kernel"].ravel() for i in range(5)]
    kernel, bias = layers[0]
    layers[0] = kernel * (2 / _SCALE)[:, np.newaxis], bias
    return layers, heads


def _first_convolution(images, kernel):
    """The first convolution of the network, kernel [11, 11, 3, C], stride 4.

    Its gradient is written as that of a convolution over blocks of 4x4 samples, which takes a third
    of the time of TensorFlow's.
    """

    def gradient(upstream):
        height, width = tf.shape(images)[1], tf.shape(images)[2]
        batch, rows, columns, _ = tf.unstack(tf.shape(upstream))
        whole = np.pad(kernel, [(0, 1), (0, 1), (0, 0), (0, 0)]).reshape(
            3, 4, 3, 4, *kernel.shape[2:]
        )
        of_blocks = whole.transpose(0, 2, 1, 3, 4, 5).reshape(3, 3, -1, kernel.shape[-1])
        size = tf.stack([batch, rows + 2, columns + 2, of_blocks.shape[2]])
        blocks = tf.nn.conv2d_transpose(upstream, of_blocks, size, 1, "VALID")
        return tf.nn.depth_to_space(blocks, 4)[:, 2 : 2 + height, 2 : 2 + width]

    @tf.custom_gradient
    def convolution(images):
        edges = [[0, 0], [2, 2], [2, 2], [0, 0]]
        return tf.nn.conv2d(images, kernel, 4, edges), gradient

    return convolution(images)


def features(images):
    """AlexNet's five ReLU outputs for RGB [B, H, W, 3] in [0, 1], of unit length along channels."""
    return [tf.math.l2_normalize(x, axis=-1, epsilon=_EPSILON) for x in _activations(images)]


def _activations(images):
    layers, _ = _weights()
    x = images - (_SHIFT + 1) / 2
    found = []
    for i, (kernel, bias) in enumerate(layers):
        if i in (1, 2):
            x = tf.nn.max_pool2d(x, 3, 2, "VALID")
        if i == 0:
            x = _first_convolution(x, kernel)
        else:
            x = tf.nn.conv2d(x, kernel, 1, "SAME")
        x = tf.nn.relu(tf.nn.bias_add(x, bias))
        found.append(x)
    return found


def lpips(x, y):
    """LPIPS between images, differentiable in both arguments.

    Args:
      x, y: float tensors [B, H, W, 3], RGB in [0, 1], at least 32 pixels a side.

    Returns:
      float32 [B]; 0 for equal images, about 0.7 for unrelated ones.

    Raises:
      ValueError: an image is smaller than 32 pixels a side, where the size is known while tracing.

    The network runs for x and for y by itself, so that a gradient in one argument costs one run.
    """
    x, y = (tf.convert_to_tensor(images, tf.float32) for images in (x, y))
    for images in (x, y):
        if any(side is not None and side < MIN_SIZE for side in images.shape[1:3]):
            raise ValueError(
                f"LPIPS needs images of {MIN_SIZE} pixels a side or more, "
                f"not {images.shape[2]}x{images.shape[1]}"
            )
    return distance(features(x), features(y))


def distance(x, y):
    """LPIPS [B] of two lists of `features`."""
    _, heads = _weights()
    distances = [
        tf.reduce_mean(tf.linalg.matvec(tf.math.squared_difference(a, b), head), axis=[1, 2])
        for a, b, head in zip(x, y, heads, strict=True)
    ]
    return tf.add_n(distances)


def _gradient_of(original, activations, head):
    """A feature map's part of LPIPS [1], and its gradient in the activations, in few passes."""
    length = tf.reduce_sum(tf.square(activations), -1, keepdims=True)
    inverse = tf.math.rsqrt(tf.maximum(length, _EPSILON))
    unit = activations * inverse
    error = unit - original
    weighed = error * head
    value = tf.reduce_mean(tf.reduce_sum(error * weighed, -1), [1, 2])
    along = tf.reduce_sum(unit * weighed, -1, keepdims=True)
    factor = 2 / tf.cast(tf.size(length), tf.float32)
    return value, (weighed - unit * along) * (inverse * factor)


@functools.cache
def _graphs():
    """TensorFlow functions of images [1, H, W, 3] in [0, 255], each traced once for any size.

    "uint8", "float32": two functions of images of this type: image -> features, and (features of
    the original, image) -> LPIPS [1]. "gradient": (features of the original, float32 image) ->
    (LPIPS [1], its gradient in the image).
    """
    whole, real = (tf.TensorSpec([1, None, None, 3], kind) for kind in (tf.uint8, tf.float32))
    maps = [tf.TensorSpec([1, None, None, head.size], tf.float32) for head in _weights()[1]]

    def of(images):
        return features(tf.cast(images, tf.float32) / 255)

    def compare(original, images):
        return distance(original, of(images))

    def value_and_gradient(original, images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            maps = _activations(images / 255)
        parts = [_gradient_of(*each) for each in zip(original, maps, _weights()[1], strict=True)]
        gradient = tape.gradient(maps, images, [gradient for _, gradient in parts])
        return tf.add_n([value for value, _ in parts]), gradient

    # AutoGraph is off: it writes files that stay if a process is killed.
    graph = functools.partial(tf.function, autograph=False)
    return {
        "uint8": (graph(of, [whole]), graph(compare, [maps, whole])),
        "float32": (graph(of, [real]), graph(compare, [maps, real])),
        "gradient": graph(value_and_gradient, [maps, real]),
    }


# Functions that are deleted after TensorFlow itself print errors.
atexit.register(_graphs.cache_clear)


class Lpips:
    """LPIPS against one original, whose features are computed once.

    original: RGB [H, W, 3], uint8 or float32 in [0, 255].
    """

    MIN_SIZE = MIN_SIZE

    def __init__(self, original):
        self._kind = "uint8" if original.dtype == np.uint8 else "float32"
        self._features = _graphs()[self._kind][0](tf.constant(original[np.newaxis]))

    def compare(self, decoded):
        """LPIPS of an image of the same size and type, a float."""
        return float(_graphs()[self._kind][1](self._features, tf.constant(decoded[np.newaxis]))[0])

    def gradient(self, decoded):
        """LPIPS of a float32 image, and its gradient in the samples, float32 [H, W, 3]."""
        value, gradient = _graphs()["gradient"](self._features, tf.constant(decoded[np.newaxis]))
        return float(value[0]), gradient[0].numpy()
