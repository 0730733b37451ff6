"""The two networks: ResConvLayer edits pixels, VGGAttention edits DCT coefficients."""

from pathlib import Path

import learned_jpeg.runtime.tensorflow_settings  # noqa: F401
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.runtime.errors import UserError

import numpy as np
import tensorflow as tf

_SHIPPED_VGG16 = Path(__file__).parent / "weights" / "vgg16_imagenet_block3.npz"
_VGG19_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
# The normalization of torchvision's VGG16: RGB in [0, 1], minus the mean, over the deviation.
_IMAGENET_MEAN = (0.485, 0.456, 0.406)
_IMAGENET_STD = (0.229, 0.224, 0.225)


class ResConvLayer(tf.keras.layers.Layer):
    """The image-editing CNN of Talebi et al. 2020 (arXiv 2002.00113), at full resolution.

    7x7 convolution, two residual units, 3x3 convolution and batch normalization, a skip from
    the first convolution, two 3x3 convolutions and a 7x7 one. Leaky ReLU with slope 0.2.

    images [B, H, W, 3] -> [B, H, W, filters[-1]]. The last convolution starts at zero: a network
    whose output is added to its input starts as the identity.
    """

    receptive_field = 3 + 4 + 1 + 1 + 1 + 3  # pixels to each side

    def __init__(self, filters=(64, 64, 64, 64, 128, 128, 3), **kwargs):
        super().__init__(**kwargs)
        head, unit1, unit2, body, tail1, tail2, out = filters

        def conv(channels, size, **options):
            return tf.keras.layers.Conv2D(channels, size, padding="same", **options)

        self.head = conv(head, 7)
        self.units = [[conv(channels, 3), conv(channels, 3)] for channels in (unit1, unit2)]
        self.body = conv(body, 3)
        # Synchronized: a batch that is split over replicas trains like a whole batch.
        self.norm = tf.keras.layers.BatchNormalization(synchronized=True)
        self.tail = [conv(tail1, 3), conv(tail2, 3)]
        self.out = conv(out, 7, kernel_initializer="zeros")

    def call(self, images, training=False, bfloat16=False):
        """The network's output for images [B, H, W, 3].

        bfloat16: whether the convolutions are computed with 8 bits of mantissa; the weights and the
        result are float32 in any case.
        """

        def conv(layer, x):
            if not bfloat16:
                return layer(x)
            kernel, bias = (tf.cast(weight, tf.bfloat16) for weight in (layer.kernel, layer.bias))
            return tf.nn.bias_add(tf.nn.conv2d(tf.cast(x, tf.bfloat16), kernel, 1, "SAME"), bias)

        x = first = tf.nn.leaky_relu(conv(self.head, images), 0.2)
        for inner, outer in self.units:
            x += conv(outer, tf.nn.leaky_relu(conv(inner, x), 0.2))
        x = first + tf.cast(self.norm(conv(self.body, x), training=training), first.dtype)
        for layer in self.tail:
            x = tf.nn.leaky_relu(conv(layer, x), 0.2)
        return tf.cast(conv(self.out, x), tf.float32)


def vgg16(weights=None):
    """VGG16 to its third pooling layer, from an .npz of its convolutions (float32, HWIO).

    weights: the path of the file, None for the shipped weights. Raises UserError if they cannot be
    read.
    """
    path = weights or _SHIPPED_VGG16
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        kernels = [
            (f"block{block}_conv{conv}", channels)
            for block, (convs, channels) in enumerate([(2, 64), (2, 128), (3, 256)], start=1)
            for conv in range(1, convs + 1)
        ]
        network = tf.keras.Sequential(name="vgg16")
        network.add(tf.keras.Input([None, None, 3]))
        mean, deviation = np.array(_IMAGENET_MEAN), np.array(_IMAGENET_STD)
        network.add(tf.keras.layers.Rescaling(list(1 / deviation), list(-mean / deviation)))
        for number, (name, channels) in enumerate(kernels):
            if number and name.endswith("conv1"):
                network.add(tf.keras.layers.MaxPool2D())
            layer = tf.keras.layers.Conv2D(
                channels, 3, padding="same", activation="relu", name=name
            )
            network.add(layer)
            layer.set_weights([arrays[f"{name}/kernel"], arrays[f"{name}/bias"]])
        network.add(tf.keras.layers.MaxPool2D())
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path}: no weights of VGG16 to block 3 ({error}); --backbone_weights takes an "
            f".npz like weights/{_SHIPPED_VGG16.name}"
        ) from error
    return network


def vgg19(weights=None):
    """Keras's VGG19 to block3_pool, the published backbone; arguments and errors as in `vgg16`."""
    try:
        whole = tf.keras.applications.VGG19(include_top=False, weights=weights or "imagenet")
    except Exception as error:  # the download raises Exception, HDF5 many kinds of errors
        raise UserError(
            f"no weights for --backbone vgg19 ({str(error).splitlines()[0]}). Fetch {_VGG19_FILE} "
            "from the release v0.1 of github.com/fchollet/deep-learning-models, then name it with "
            "--backbone_weights FILE or put it into ~/.keras/models; or take --backbone vgg16"
        ) from error
    images = tf.keras.Input([None, None, 3])
    caffe = tf.keras.layers.Lambda(
        lambda x: tf.keras.applications.vgg19.preprocess_input(255.0 * x)
    )
    features = tf.keras.Model(whole.input, whole.get_layer("block3_pool").output)
    return tf.keras.Model(images, features(caffe(images)), name="vgg19")


class VGGAttention(tf.keras.layers.Layer):
    """A factor in (0, 1) for each DCT coefficient, from ImageNet features (arXiv 2009.12927).

    VGG up to its third max-pooling has 256 channels at stride 8, a vector for each 8x8 block. A 1x1
    convolution computes 128 = 8 * 8 * 2 channels of it, and a sigmoid the factors.

    images [B, H, W, 3] in [0, 1], H and W multiples of 8 -> [B, H/8, W/8, 8, 8, 2].

    network: the backbone, `vgg16()` or `vgg19()`; train_backbone: whether it is trained too.
    """

    # Pixels to each side of a block that its features depend on: two 3x3 convolutions at stride 1,
    # two at stride 2 and three at stride 4, and the poolings, rounded up to whole blocks.
    receptive_field = 24

    def __init__(self, network, train_backbone=False, **kwargs):
        super().__init__(**kwargs)
        if train_backbone:
            self.backbone = network
        else:
            network.trainable = False
            # Keras does not find a network in a closure: checkpoints contain no frozen weights.
            self._frozen = lambda images: network(images, training=False)
        self.train_backbone = train_backbone
        # VGG's features are large: with random weights every factor would start at 0 or 1, where
        # a sigmoid has no gradient. So all factors start at sigmoid(3), 0.95.
        self.conv = tf.keras.layers.Conv2D(
            BLOCK * BLOCK * 2,
            1,
            kernel_initializer="zeros",
            bias_initializer=tf.keras.initializers.Constant(3.0),
        )

    def features(self, images):
        """The backbone's features [B, H/8, W/8, 256] of images as those of `call`."""
        return self.backbone(images) if self.train_backbone else self._frozen(images)

    def call(self, images, features=None):
        """The factors for images. features: those of `features` for these images, or None."""
        features = self.features(images) if features is None else features
        logits = self.conv(features)
        shape = tf.concat([tf.shape(logits)[:3], [BLOCK, BLOCK, 2]], axis=0)
        return tf.sigmoid(tf.reshape(logits, shape))
