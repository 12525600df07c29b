"""The backbones are those of documents 001, 002 and 003 and of keras.applications: counts, sizes, outputs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ssd import mobilenet_v1, mobilenet_v2, vgg16
from ssd.backbones.vgg16 import features as vgg16_features
from ssd.detector import copy_weights
from ssd.facts import multiply_adds, parameters

DOCUMENT_003 = {"use_bias": True, "activation": "relu", "padding": "keras", "scale_stem": False, "dropout": 0.5}
DOCUMENT_001 = {"expand_first": True, "padding": "symmetric", "bn_eps": 1e-5, "bn_momentum": 0.9}


@pytest.mark.parametrize(
    ("alpha", "published", "document"),
    [
        (1.0, 4_253_864, 4_264_808),
        (0.75, 2_601_976, 2_610_936),
        (0.5, 1_342_536, 1_349_256),
        (0.25, 475_544, 479_768),
    ],
)
def test_mobilenet_v1_counts(alpha: float, published: int, document: int) -> None:
    """As keras.applications, and as document 003 writes it: biases before normalisation, a stem that is not scaled."""
    assert mobilenet_v1(alpha=alpha).count_params() == published
    assert mobilenet_v1(alpha=alpha, **DOCUMENT_003).count_params() == document


@pytest.mark.parametrize(
    ("alpha", "published", "document"),
    [
        (1.0, 3_538_984, 3_538_984),
        (0.75, 2_663_064, 2_654_192),
        (0.5, 1_987_224, 1_983_784),
        (0.35, 1_691_208, 1_680_980),
        (1.4, 6_156_712, 5_386_976),
    ],
)
def test_mobilenet_v2_counts(alpha: float, published: int, document: int) -> None:
    """As keras.applications, and as document 003 writes it: channels cut to whole numbers, the last never wider."""
    assert mobilenet_v2(alpha=alpha).count_params() == published
    assert mobilenet_v2(alpha=alpha, divisor=1).count_params() == document


def test_what_is_learnt_and_what_is_multiplied() -> None:
    assert parameters(mobilenet_v1()) == (4_253_864, 4_231_976)
    assert parameters(mobilenet_v1(**DOCUMENT_003)) == (4_264_808, 4_242_920)
    assert parameters(mobilenet_v2()) == (3_538_984, 3_504_872)
    assert multiply_adds(mobilenet_v1()) == 568_740_352
    assert multiply_adds(mobilenet_v2()) == 300_774_272


def test_document_001() -> None:
    """54 convolutions and 53 normalisations, with their printed eps and momentum; the classifier has no bias."""
    model = mobilenet_v2(**DOCUMENT_001)
    assert parameters(model) == (3_539_136, 3_504_960)
    convolutions = [layer for layer in model.layers if "conv2d" in type(layer).__name__.lower()]
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert (len(convolutions), len(norms)) == (54, 53)
    assert not any(layer.use_bias for layer in convolutions)
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1e-5, 0.9)}
    assert parameters(mobilenet_v2(include_top=False, **DOCUMENT_001))[0] == 2_259_136


BLOCK_ENDS = ("expanded_conv_project_BN", "block_2_add", "block_5_add", "block_9_add", "block_12_add", "block_15_add",
              "block_16_project_BN", "out_relu")  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"padding": "same"}, DOCUMENT_001], ids=["keras", "same", "document 001"])
@pytest.mark.parametrize(
    ("side", "sizes"),
    [
        (224, (112, 56, 28, 14, 14, 7, 7, 7)),
        (300, (150, 75, 38, 19, 19, 10, 10, 10)),
        (320, (160, 80, 40, 20, 20, 10, 10, 10)),
    ],
)
def test_mobilenet_v2_maps(side: int, sizes: tuple, options: dict) -> None:
    model = mobilenet_v2((side, side, 3), include_top=False, **options)
    shapes = [tuple(model.get_layer(name).output.shape[1:]) for name in BLOCK_ENDS]
    channels = (16, 24, 32, 64, 96, 160, 320, 1280)
    assert shapes == [(s, s, c) for s, c in zip(sizes, channels, strict=True)]


@pytest.mark.parametrize(
    ("padding", "sizes"),
    [
        ("same", [(75, 120), (38, 60), (19, 30), (10, 15)]),  # document 000
        ("symmetric", [(75, 120), (38, 60), (19, 30), (10, 15)]),
        ("keras", [(75, 120), (37, 60), (18, 30), (9, 15)]),  # keras.applications rounds odd sides down
    ],
)
def test_mobilenet_v1_maps_at_300x480(padding: str, sizes: list) -> None:
    model = mobilenet_v1((300, 480, 3), include_top=False, padding=padding)
    assert [tuple(model.get_layer(f"conv_dw_{i}").output.shape[1:3]) for i in (2, 4, 6, 12)] == sizes


@pytest.mark.parametrize(("rho", "side"), [(1.0, 224), (6 / 7, 192), (5 / 7, 160), (4 / 7, 128)])
def test_the_resolution_multiplier(rho: float, side: int) -> None:
    assert mobilenet_v1(rho=rho).input_shape == (None, side, side, 3)
    assert mobilenet_v2(rho=rho).input_shape == (None, side, side, 3)
    assert mobilenet_v1(rho=rho).count_params() == 4_253_864


def with_random_weights(model: keras.Model) -> keras.Model:
    """Statistics and scales too, so that a layer that stands elsewhere changes the output."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


def copied(ours: keras.Model, published: keras.Model) -> keras.Model:
    copy_weights(ours, {layer.name: layer.get_weights() for layer in published.layers}, "keras.applications")
    return ours


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (1, height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("padding", ["same", "keras"])
@pytest.mark.parametrize("alpha", [1.0, 0.25])
def test_mobilenet_v1_is_keras_applications(alpha: float, padding: str) -> None:
    """On sides that stay even, "same" is what keras.applications pads."""
    published = with_random_weights(keras.applications.MobileNet(alpha=alpha, weights=None, classes=10))
    ours = copied(mobilenet_v1(alpha=alpha, padding=padding, n_classes=10), published)
    assert np.array_equal(ours(picture(224, 224)).numpy(), published(picture(224, 224)).numpy())


def test_mobilenet_v1_is_keras_applications_on_odd_sides_too() -> None:
    published = keras.applications.MobileNet((300, 480, 3), weights=None, include_top=False)
    ours = copied(mobilenet_v1((300, 480, 3), include_top=False, padding="keras"), with_random_weights(published))
    assert np.array_equal(ours(picture(300, 480)).numpy(), published(picture(300, 480)).numpy())


@pytest.mark.parametrize("padding", ["same", "keras"])
@pytest.mark.parametrize(("alpha", "side"), [(1.0, 224), (0.35, 224), (1.4, 96), (0.5, 300)])
def test_mobilenet_v2_is_keras_applications(alpha: float, side: int, padding: str) -> None:
    shape, options = (side, side, 3), {"include_top": side == 224}
    top = {"classes": 10} if side == 224 else {}
    published = with_random_weights(keras.applications.MobileNetV2(shape, alpha, weights=None, **options, **top))
    ours = copied(mobilenet_v2(shape, alpha, padding=padding, n_classes=10, **options), published)
    assert np.array_equal(ours(picture(side, side)).numpy(), published(picture(side, side)).numpy())
    assert ours.count_params() == published.count_params()


def test_symmetric_padding_samples_a_pixel_earlier() -> None:
    """Even sides: the output of "same" on the picture moved by a pixel; the sizes alone do not tell the two apart."""
    one = with_random_weights(mobilenet_v1((64, 64, 3), include_top=False))
    two = copied(mobilenet_v1((64, 64, 3), include_top=False, padding="symmetric"), one)
    stems = [keras.Model(m.input, m.get_layer("conv1_relu").output) for m in (one, two)]
    image = picture(64, 64)
    moved = np.pad(image, ((0, 0), (1, 0), (1, 0), (0, 0)))[:, :-1, :-1]
    inside = np.s_[:, :-1, :-1]  # the last cells have lost the pixels that moved out
    assert np.allclose(stems[0](moved).numpy()[inside], stems[1](image).numpy()[inside], atol=1e-5)
    assert not np.allclose(stems[0](image).numpy(), stems[1](image).numpy(), atol=1e-2)


def test_the_real_files_load(weights) -> None:
    for build, family in ((mobilenet_v1, "MobileNet"), (mobilenet_v2, "MobileNetV2")):
        file = next(weights.glob(f"mobilenet_{family[-2:].lower() if family.endswith('V2') else 'v1'}_*.h5"))
        published = getattr(keras.applications, family)((224, 224, 3), weights=str(file), include_top=False)
        ours = copied(build(include_top=False), published)
        assert np.array_equal(ours(picture(224, 224)).numpy(), published(picture(224, 224)).numpy())


def test_vgg16_carries_the_names_of_keras_applications() -> None:
    published = keras.applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3))
    ours = copied(vgg16((64, 64, 3)), published)
    before = [keras.Model(m.input, m.get_layer("block5_conv3").output) for m in (ours, published)]
    one, two = (model(picture(64, 64)).numpy() for model in before)
    assert np.array_equal(one, two)
    assert {layer.name for layer in published.layers if layer.weights} <= {layer.name for layer in ours.layers}


@pytest.mark.parametrize("build", [mobilenet_v1, mobilenet_v2])
def test_a_padding_that_is_not(build) -> None:
    with pytest.raises(ValueError, match="keras, same, symmetric, not 'smae'"):
        build(padding="smae")


def test_other_wrong_arguments_of_the_backbones() -> None:
    with pytest.raises(ValueError, match="dense, conv or None"):
        mobilenet_v2(classifier="convolution")
    with pytest.raises(ValueError, match="one width"):
        vgg16_features(keras.Input((64, 64, 3)), 0.5)


def test_vgg16_maps() -> None:
    model = vgg16()
    names = ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3", "block5_conv3", "fc6", "fc7")
    sizes = [model.get_layer(name).output.shape[1] for name in names]
    assert sizes == [300, 150, 75, 38, 19, 19, 19]
    assert model.get_layer("fc6").dilation_rate == (6, 6)
