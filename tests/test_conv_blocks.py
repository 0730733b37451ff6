"""The networks against SciPy, Keras and their definitions."""

import pathlib

import conv_blocks
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
import scipy.signal
import tensorflow as tf


@pytest.fixture(scope="module")
def network():
    """The shipped backbone; tests do not change it."""
    return conv_blocks.vgg16()


def random_image(height, width, seed=0):
    return np.random.default_rng(seed).random([1, height, width, 3], np.float32)


def convolve(x, kernel, bias):
    """A 'same' convolution (a correlation, as networks have it) in float64, with ReLU."""
    out = [
        bias[o]
        + sum(
            scipy.signal.correlate2d(x[..., i], kernel[..., i, o], "same")
            for i in range(x.shape[-1])
        )
        for o in range(len(bias))
    ]
    return np.maximum(np.stack(out, -1), 0)


def pool(x):
    height, width, channels = x.shape
    return x.reshape(height // 2, 2, width // 2, 2, channels).max((1, 3))


def test_vgg16_features_agree_with_a_plain_convolution(network):
    weights = pathlib.Path(conv_blocks.__file__).parent / "weights" / "vgg16_imagenet_block3.npz"
    arrays = np.load(weights)
    image = random_image(16, 16)
    x = (image[0].astype(np.float64) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    for block, convolutions in enumerate((2, 2, 3), start=1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            x = convolve(x, arrays[f"{name}/kernel"], arrays[f"{name}/bias"])
        x = pool(x)
    features = conv_blocks.VGGAttention(network).features(image)
    assert features.shape == (1, 2, 2, 256)
    np.testing.assert_allclose(features[0], x, rtol=1e-3, atol=1e-3)


def test_attention_gives_each_block_a_factor_for_each_frequency(network):
    layer = conv_blocks.VGGAttention(network)
    image = random_image(24, 40)
    attention = layer(image)
    assert attention.shape == (1, 3, 5, 8, 8, 2)
    assert len(set(attention.numpy().ravel())) == 1  # at first it is constant
    kernel = tf.random.stateless_normal(layer.conv.kernel.shape, [1, 2], stddev=1e-3)
    layer.conv.kernel.assign(kernel)
    attention = layer(image)
    # The channels of a block are [vertical frequency, horizontal frequency, luma or chroma].
    logits = layer.features(image)[0, 2, 3].numpy() @ kernel[0, 0].numpy() + 3
    expected = 1 / (1 + np.exp(-logits.reshape(8, 8, 2)))
    np.testing.assert_allclose(attention[0, 2, 3], expected, rtol=1e-4)
    np.testing.assert_allclose(layer(image, features=layer.features(image)), attention)


def test_attention_sees_its_receptive_field_and_no_more(network):
    layer = conv_blocks.VGGAttention(network)
    image = random_image(104, 8 * 13)
    middle = layer.features(image)[0, 6, 6]
    field = layer.receptive_field
    outside = image.copy()
    outside[0, : 48 - field] = outside[0, 56 + field :] = 0
    np.testing.assert_allclose(layer.features(outside)[0, 6, 6], middle, rtol=1e-4, atol=1e-4)
    inside = image.copy()
    inside[0, : 48 - field + 8] = 0
    assert np.abs(layer.features(inside)[0, 6, 6] - middle).max() > 1e-3


def test_a_frozen_backbone_is_not_in_the_weights_and_a_trained_one_is(network):
    frozen = conv_blocks.VGGAttention(network)
    trained = conv_blocks.VGGAttention(conv_blocks.vgg16(), train_backbone=True)
    image = random_image(16, 16)
    np.testing.assert_allclose(frozen.features(image), trained.features(image))
    frozen(image), trained(image)
    assert sum(w.shape.num_elements() for w in frozen.weights) == 256 * 128 + 128
    assert len(trained.trainable_weights) == 2 + 2 * 7


def test_vgg19_takes_a_weights_file_of_keras(tmp_path):
    reference = tf.keras.applications.VGG19(include_top=False, weights=None)
    path = str(tmp_path / "vgg19.h5")
    reference.save_weights(path)
    image = random_image(16, 24)
    expected = tf.keras.Model(reference.input, reference.get_layer("block3_pool").output)(
        tf.keras.applications.vgg19.preprocess_input(255 * image)
    )
    layer = conv_blocks.VGGAttention(conv_blocks.vgg19(path))
    np.testing.assert_allclose(layer.features(image), expected, rtol=1e-4, atol=1e-4)


def test_missing_weights_say_what_to_fetch(tmp_path):
    with pytest.raises(UserError, match="vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"):
        conv_blocks.vgg19(str(tmp_path / "missing.h5"))
    with pytest.raises(UserError, match="missing.npz"):
        conv_blocks.vgg16(str(tmp_path / "missing.npz"))


@pytest.mark.parametrize("spoil", ["text", "names", "shapes"])
def test_weights_of_another_kind_are_named(tmp_path, spoil):
    path = tmp_path / "other.npz"
    if spoil == "text":
        path.write_text("no weights")
    elif spoil == "names":
        np.savez(path, conv=np.zeros([3, 3, 3, 64]))
    else:
        kernel, bias = np.zeros([3, 3, 3, 32]), np.zeros(32)
        np.savez(path, **{"block1_conv1/kernel": kernel, "block1_conv1/bias": bias})
    with pytest.raises(UserError, match="other.npz: no weights of VGG16.*--backbone_weights"):
        conv_blocks.vgg16(path)


def test_vgg19_offline_says_what_to_fetch(monkeypatch):
    def offline(*args, **kwargs):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(tf.keras.applications, "VGG19", offline)
    with pytest.raises(UserError, match="URL fetch failure.*--backbone_weights"):
        conv_blocks.vgg19()


def test_res_conv_layer_has_the_published_shape_and_starts_at_zero():
    layer = conv_blocks.ResConvLayer()
    image = random_image(20, 28)
    output = layer(image)
    assert output.shape == image.shape
    assert not output.numpy().any()
    kernels = [tuple(w.shape) for w in layer.trainable_weights if len(w.shape) == 4]
    sizes = [(7, 3, 64), (3, 64, 64), (3, 64, 64), (3, 64, 64), (3, 64, 64), (3, 64, 64)]
    sizes += [(3, 64, 128), (3, 128, 128), (7, 128, 3)]
    assert sorted(kernels) == sorted((size, size, i, o) for size, i, o in sizes)


def test_res_conv_layer_sees_its_receptive_field_and_no_more():
    layer = conv_blocks.ResConvLayer([2, 2, 2, 2, 2, 2, 1])
    image = tf.Variable(random_image(41, 41))
    layer(image)
    layer.out.kernel.assign(tf.random.stateless_normal(layer.out.kernel.shape, [1, 2]))
    with tf.GradientTape() as tape:
        middle = layer(image)[0, 20, 20, 0]
    seen = np.abs(tape.gradient(middle, image)).sum((0, 2, 3)).nonzero()[0]
    assert (seen.min(), seen.max()) == (20 - layer.receptive_field, 20 + layer.receptive_field)
