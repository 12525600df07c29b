"""MobileNet (Howard et al. 2017, table 1), weight for weight and name for name as keras.applications has it.

Options make it the network of document 000 or of document 003.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from ssd.backbones.convolutions import Padding, check_padding, conv_norm, depthwise_norm, scaled_shape

PUBLISHED = "MobileNet"  # its name in keras.applications

# output channels and stride of each depthwise separable block: the rows of the paper's table 1
BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))


def mobilenet_v1(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    alpha: float = 1.0,
    rho: float = 1.0,
    dropout: float = 1e-3,
    n_classes: int = 1000,
    include_top: bool = True,
    use_bias: bool = False,
    activation: str = "relu6",
    padding: Padding = "same",
    scale_stem: bool = True,
) -> keras.Model:
    """The classifier, or without ``include_top`` the feature extractor, with random weights.

    Input: (B, H * rho, W * rho, 3) in [-1, 1]; output: probabilities (B, n_classes), or the last feature map. alpha
    multiplies the channels, rho the sides. ``use_bias=True, activation="relu", padding="keras", scale_stem=False`` is
    the network of document 003: biases before normalisation, and a stem that keeps its 32 channels.
    """
    image = keras.Input(scaled_shape(input_shape, rho))
    x = features(image, alpha, use_bias=use_bias, activation=activation, padding=padding, scale_stem=scale_stem)
    if include_top:
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Dropout(dropout, name="dropout")(x)
        x = layers.Conv2D(n_classes, 1, padding="same", name="conv_preds")(x)
        x = layers.Reshape((n_classes,), name="reshape_2")(x)
        x = layers.Activation("softmax", name="predictions")(x)
    return keras.Model(image, x, name="mobilenet_v1")


def features(
    image: Any,
    alpha: float = 1.0,
    *,
    use_bias: bool = False,
    activation: str = "relu6",
    padding: Padding = "same",
    scale_stem: bool = True,
) -> Any:
    """An image tensor (B, H, W, 3) in [-1, 1] to ``conv_pw_13_relu``; the layers on the way are found by name.

    padding: what stands before a convolution of stride 2. "same": sides are halved, rounding up, as document 000's
    table has it. "keras": a row below and a column to the right, as keras.applications does, which rounds odd sides
    down. "symmetric": one pixel all round, as Caffe and PyTorch do: the sizes of "same", sampled a pixel earlier where
    sides are even. On even sides "same" and "keras" are the same.
    """
    check_padding(padding)
    x = _padded(image, 2, padding, "conv1_pad") if padding == "symmetric" else image
    how = "valid" if padding == "symmetric" else "same"
    stem = int(32 * alpha) if scale_stem else 32
    x = conv_norm(x, stem, 3, 2, names=("conv1", "conv1_bn"), padding=how, bias=use_bias)
    x = layers.Activation(activation, name="conv1_relu")(x)
    for number, (channels, stride) in enumerate(BLOCKS, start=1):
        dw, pw = f"conv_dw_{number}", f"conv_pw_{number}"
        x = _padded(x, stride, padding, f"conv_pad_{number}")
        how = "same" if stride == 1 or padding == "same" else "valid"
        x = depthwise_norm(x, stride, names=(dw, f"{dw}_bn"), padding=how, bias=use_bias)
        x = layers.Activation(activation, name=f"{dw}_relu")(x)
        x = conv_norm(x, int(channels * alpha), 1, 1, names=(pw, f"{pw}_bn"), bias=use_bias)
        x = layers.Activation(activation, name=f"{pw}_relu")(x)
    return x


def _padded(x: Any, stride: int, padding: Padding, name: str) -> Any:
    if stride == 1 or padding == "same":
        return x
    return layers.ZeroPadding2D(1 if padding == "symmetric" else ((0, 1), (0, 1)), name=name)(x)
