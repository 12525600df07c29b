"""What stands on a backbone: the stages that look wider, and the heads that predict boxes from each map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers, regularizers

from ssd.config import Config, Extra, Scaling
from ssd.layers import Flip, L2Normalization

CAFFE_MEAN = (123.0, 117.0, 104.0)  # of ImageNet's red, green and blue


def scaled(image: Any, scaling: Scaling) -> Any:
    """Pictures in 0..255, as the backbone was trained on them."""
    if scaling == "caffe":
        x = layers.Rescaling(1.0, offset=[-mean for mean in CAFFE_MEAN], name="input_mean")(image)
        return Flip(name="to_bgr")(x)
    if scaling == "unit_in_two":
        x = layers.Rescaling(1.0, offset=-127.5, name="input_mean_norm")(image)
        return layers.Rescaling(1 / 127.5, name="input_scaler")(x)
    return layers.Rescaling(1 / 127.5, offset=-1.0, name="to_unit_range")(image)


def maps_of(features: Any, config: Config) -> list[Any]:
    """The maps that predict boxes: tensors (B, rows, columns, channels), the sources of a backbone first."""
    maps = [features.get_layer(name).output for name in config.sources]
    last = maps[-1] if maps else None
    for i, name in enumerate(config.sources):
        if name in config.l2_normalized:
            maps[i] = L2Normalization(20, name=f"extra_norm_{name}")(maps[i])
    for i, extra in enumerate(config.extras, start=1):
        start = features.get_layer(extra.after).output if extra.after else last
        last = _stage(start, extra, f"extra_{i}", config)
        maps.append(last)
    return maps


def predictions(maps: Sequence[Any], config: Config, n_classes: int) -> dict[str, Any]:
    """``logits`` (B, n_boxes, n_classes + 1) and ``offsets`` (B, n_boxes, 4) of the boxes of all maps."""
    names, n = config.names, n_classes + 1
    logits, offsets = [], []
    for i, (feature, boxes) in enumerate(zip(maps, config.boxes_per_cell, strict=True), start=names.first):
        classes = _head(feature, boxes * n, names.classes.format(i), names.classes_flat.format(i), config)
        places = _head(feature, boxes * 4, names.boxes.format(i), names.boxes_flat.format(i), config)
        logits.append(layers.Reshape((-1, n), name=names.classes_flat.format(i))(classes))
        offsets.append(layers.Reshape((-1, 4), name=names.boxes_flat.format(i))(places))
    return {"logits": _joined(logits, names.logits), "offsets": _joined(offsets, names.offsets)}


def _stage(x: Any, extra: Extra, name: str, config: Config) -> Any:
    """1x1 to the bottleneck, then the convolution that looks wide."""
    if extra.reduce:
        x = _activated(_conv(x, extra.reduce, 1, f"{name}_reduce", config), f"{name}_reduce", config)
    padding = extra.padding
    if padding == "symmetric":
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid"
    if config.separable:
        x = _depthwise(x, extra.kernel, extra.stride, padding, f"{name}_depthwise", config)
        x = _conv(x, extra.channels, 1, f"{name}_conv", config)
    else:
        x = _conv(x, extra.channels, extra.kernel, f"{name}_conv", config, extra.stride, padding)
    return _activated(x, name, config)


def _head(x: Any, channels: int, name: str, prefix: str, config: Config) -> Any:
    """``channels`` numbers for each cell."""
    if config.separable:
        x = _depthwise(x, config.head_kernel, 1, "same", f"{prefix}_depthwise", config)
    return layers.Conv2D(
        channels,
        1 if config.separable else config.head_kernel,
        padding="same",
        kernel_initializer=config.head_initializer,
        kernel_regularizer=_decay(config),
        name=name,
    )(x)


def _conv(x: Any, channels: int, kernel: int, name: str, config: Config, stride: int = 1, padding: str = "same") -> Any:
    return layers.Conv2D(
        channels,
        kernel,
        stride,
        padding,
        use_bias=not config.batch_norm,
        kernel_initializer="he_normal",
        kernel_regularizer=_decay(config),
        name=name,
    )(x)


def _depthwise(x: Any, kernel: int, stride: int, padding: str, name: str, config: Config) -> Any:
    x = layers.DepthwiseConv2D(
        kernel,
        stride,
        padding,
        use_bias=not config.batch_norm,
        depthwise_initializer="he_normal",
        depthwise_regularizer=_decay(config),
        name=name,
    )(x)
    return _activated(x, name, config)


def _activated(x: Any, name: str, config: Config) -> Any:
    if config.batch_norm:
        backbone = dict(config.backbone_options)  # what stands on it is normalised as it is
        epsilon, momentum = backbone.get("bn_eps", 1e-3), backbone.get("bn_momentum", 0.99)
        x = layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name=f"{name}_bn")(x)
    return layers.ReLU(6.0 if config.activation == "relu6" else None, name=f"{name}_relu")(x)


def _decay(config: Config) -> Any:
    return regularizers.L2(config.l2_reg) if config.l2_reg else None


def _joined(parts: Sequence[Any], name: str) -> Any:
    return layers.Concatenate(axis=1, name=name)(parts) if len(parts) > 1 else parts[0]
