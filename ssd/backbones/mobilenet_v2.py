"""MobileNetV2 (Sandler et al. 2018, table 2), weight for weight and name for name as keras.applications has it.

Options make it the network of document 001 (Gluon's layout) or of document 003.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import keras
from keras import layers

from ssd.backbones.convolutions import Padding, check_padding, conv_norm, depthwise_norm, scaled_shape

PUBLISHED = "MobileNetV2"  # its name in keras.applications

# expansion, output channels, repeats, stride of the first: the rows of the paper's table 2; None: the expansion asked
STAGES = (
    (1, 16, 1, 1), (None, 24, 2, 2), (None, 32, 3, 2), (None, 64, 4, 2), (None, 96, 3, 1), (None, 160, 3, 2),
    (None, 320, 1, 1),
)  # fmt: skip


def mobilenet_v2(
    input_shape: tuple[int, int, int] = (224, 224, 3),
    alpha: float = 1.0,
    expansion: int = 6,
    n_classes: int = 1000,
    include_top: bool = True,
    divisor: int = 8,
    expand_first: bool = False,
    padding: Padding = "keras",
    bn_eps: float = 1e-3,
    bn_momentum: float = 0.999,
    rho: float = 1.0,
    classifier: Literal["dense", "conv"] | None = None,
) -> keras.Model:
    """The classifier, or without ``include_top`` the feature extractor, with random weights.

    Input: (B, H * rho, W * rho, 3) in [-1, 1]; output: probabilities (B, n_classes), or the last feature map. alpha
    multiplies the channels. classifier: "dense" is keras.applications' softmax; "conv" document 001's, a 1x1
    convolution without bias whose output are logits; by default the one that goes with ``expand_first``.

    ``expand_first=True, padding="symmetric", bn_eps=1e-5, bn_momentum=0.9`` is the network of document 001;
    ``divisor=1`` that of document 003, whose channels are cut to whole numbers instead of rounded to eights.
    """
    if classifier not in ("dense", "conv", None):
        raise ValueError(f"classifier must be dense, conv or None, not {classifier!r}")
    image = keras.Input(scaled_shape(input_shape, rho))
    x = features(
        image, alpha, expansion=expansion, divisor=divisor, expand_first=expand_first, padding=padding, bn_eps=bn_eps,
        bn_momentum=bn_momentum,
    )  # fmt: skip
    if include_top and (classifier or ("conv" if expand_first else "dense")) == "conv":
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Conv2D(n_classes, 1, use_bias=False, name="predictions_conv")(x)
        x = layers.Reshape((n_classes,), name="predictions")(x)
    elif include_top:
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Dense(n_classes, activation="softmax", name="predictions")(x)
    return keras.Model(image, x, name="mobilenet_v2")


def features(
    image: Any,
    alpha: float = 1.0,
    *,
    expansion: int = 6,
    divisor: int = 8,
    expand_first: bool = False,
    padding: Padding = "keras",
    bn_eps: float = 1e-3,
    bn_momentum: float = 0.999,
) -> Any:
    """An image tensor (B, H, W, 3) in [-1, 1] to ``out_relu``, a 32nd of its sides; layers are found by name.

    padding: what stands before a convolution of stride 2. "keras" and "same" sample alike, the one by a layer of its
    own; "symmetric" puts one pixel all round, as Gluon and PyTorch do, which gives the same sizes but on even sides
    samples a pixel earlier: weights move between them at a loss.
    """
    check_padding(padding)
    norm = {"epsilon": bn_eps, "momentum": bn_momentum}
    block_of = partial(_inverted_residual, padding=padding, norm=norm)
    x = _conv_norm_relu(
        _padded(image, padding, "Conv1_pad"), stem_channels(alpha, divisor), 3, 2, ("Conv1", "bn_Conv1", "Conv1_relu"),
        "same" if padding == "same" else "valid", norm,
    )  # fmt: skip
    block = 0
    for given, channels, repeats, stride in STAGES:
        wide = given or expansion
        for i in range(repeats):
            x = block_of(x, wide, round_channels(channels * alpha, divisor), stride if i == 0 else 1, block,
                         expand=block > 0 or expand_first)  # fmt: skip
            block += 1
    last = round_channels(1280 * alpha, divisor) if alpha > 1 and divisor > 1 else 1280
    return _conv_norm_relu(x, last, 1, 1, ("Conv_1", "Conv_1_bn", "out_relu"), "same", norm)


def round_channels(value: float, divisor: int = 8) -> int:
    """To the nearest multiple of ``divisor``, but never more than a tenth below ``value``; 1 cuts to a whole number."""
    if divisor == 1:
        return int(value)
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def stem_channels(alpha: float, divisor: int = 8) -> int:
    """Channels of the first convolution; document 003 rounds these alone to eights, and takes the tenth if it comes."""
    return max(8, (int(32 * alpha) + 4) // 8 * 8) if divisor == 1 else round_channels(32 * alpha, divisor)


def _inverted_residual(
    inputs: Any, expansion: int, channels: int, stride: int, block: int, *, expand: bool, padding: Padding, norm: Any
) -> Any:
    prefix = f"block_{block}_" if block else "expanded_conv_"
    x = inputs
    if expand:
        wide = expansion * inputs.shape[-1]
        x = _conv_norm_relu(x, wide, 1, 1, tuple(prefix + part for part in ("expand", "expand_BN", "expand_relu")),
                            "same", norm)  # fmt: skip
    if stride == 2:
        x = _padded(x, padding, prefix + "pad")
    how = "same" if stride == 1 or padding == "same" else "valid"
    x = depthwise_norm(x, stride, names=(prefix + "depthwise", prefix + "depthwise_BN"), padding=how, **norm)
    x = layers.ReLU(6.0, name=prefix + "depthwise_relu")(x)
    x = conv_norm(x, channels, 1, 1, names=(prefix + "project", prefix + "project_BN"), **norm)
    if stride == 1 and inputs.shape[-1] == channels:
        x = layers.Add(name=prefix + "add")([inputs, x])
    return x


def _conv_norm_relu(x: Any, channels: int, kernel: int, stride: int, names: Any, padding: str, norm: Any) -> Any:
    x = conv_norm(x, channels, kernel, stride, names=names[:2], padding=padding, **norm)
    return layers.ReLU(6.0, name=names[2])(x)


def _padded(x: Any, padding: Padding, name: str) -> Any:
    """What a 3x3 convolution of stride 2 needs so that even sides are halved and odd ones rounded up."""
    if padding == "same":
        return x
    before = [1 if padding == "symmetric" else side % 2 for side in x.shape[1:3]]
    return layers.ZeroPadding2D(tuple((b, 1) for b in before), name=name)(x)
