"""MobileNetV2 (Sandler et al. 2018, table 2), layer for layer and name for name as keras.applications has it."""

from __future__ import annotations

from typing import Any

from keras import layers

# expansion, output channels, repeats, stride of the first: the rows of the paper's table 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def round_channels(value: float, divisor: int = 8) -> int:
    """To the nearest multiple of ``divisor``, but never more than a tenth below ``value``."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def mobilenet_v2(image: Any, alpha: float = 1.0) -> Any:
    """The feature extractor without its classifier: an image tensor in [-1, 1] to ``out_relu``, a 32nd of its sides.

    image: (B, H, W, 3); returns (B, H / 32, W / 32, 1280 * max(1, alpha)). Layers on the way are found by name.
    """
    x = _pad(image, "Conv1_pad")
    x = layers.Conv2D(round_channels(32 * alpha), 3, 2, "valid", use_bias=False, name="Conv1")(x)
    x = _norm_relu(x, "bn_Conv1", "Conv1_relu")
    block = 0
    for expansion, channels, repeats, stride in STAGES:
        for i in range(repeats):
            x = _inverted_residual(x, expansion, round_channels(channels * alpha), stride if i == 0 else 1, block)
            block += 1
    last = round_channels(1280 * alpha) if alpha > 1 else 1280
    x = layers.Conv2D(last, 1, use_bias=False, name="Conv_1")(x)
    return _norm_relu(x, "Conv_1_bn", "out_relu")


def _inverted_residual(inputs: Any, expansion: int, channels: int, stride: int, block: int) -> Any:
    prefix = f"block_{block}_" if block else "expanded_conv_"
    x = inputs
    if block:
        x = layers.Conv2D(expansion * inputs.shape[-1], 1, use_bias=False, name=prefix + "expand")(x)
        x = _norm_relu(x, prefix + "expand_BN", prefix + "expand_relu")
    if stride == 2:
        x = _pad(x, prefix + "pad")
    padding = "same" if stride == 1 else "valid"
    x = layers.DepthwiseConv2D(3, stride, padding, use_bias=False, name=prefix + "depthwise")(x)
    x = _norm_relu(x, prefix + "depthwise_BN", prefix + "depthwise_relu")
    x = layers.Conv2D(channels, 1, use_bias=False, name=prefix + "project")(x)
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=prefix + "project_BN")(x)
    if stride == 1 and inputs.shape[-1] == channels:
        x = layers.Add(name=prefix + "add")([inputs, x])
    return x


def _pad(x: Any, name: str) -> Any:
    """What a 3x3 convolution of stride 2 needs so that even sides are halved and odd ones rounded up."""
    before = [side % 2 for side in x.shape[1:3]]
    return layers.ZeroPadding2D(tuple((b, 1) for b in before), name=name)(x)


def _norm_relu(x: Any, norm: str, relu: str) -> Any:
    x = layers.BatchNormalization(epsilon=1e-3, momentum=0.999, name=norm)(x)
    return layers.ReLU(6.0, name=relu)(x)
