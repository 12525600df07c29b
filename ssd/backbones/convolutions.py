"""What the MobileNets share: convolution, normalisation and activation, under the layers' published names."""

from __future__ import annotations

from typing import Any, Literal, get_args

from keras import layers

Padding = Literal["keras", "same", "symmetric"]


def conv_norm(
    x: Any,
    channels: int,
    kernel: int,
    stride: int,
    *,
    names: tuple[str, str],
    padding: str = "same",
    bias: bool = False,
    epsilon: float = 1e-3,
    momentum: float = 0.99,
) -> Any:
    """A convolution and its batch normalisation; ``names`` are theirs."""
    x = layers.Conv2D(channels, kernel, stride, padding, use_bias=bias, name=names[0])(x)
    return layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name=names[1])(x)


def depthwise_norm(
    x: Any,
    stride: int,
    *,
    names: tuple[str, str],
    padding: str = "same",
    bias: bool = False,
    epsilon: float = 1e-3,
    momentum: float = 0.99,
) -> Any:
    """A 3x3 depthwise convolution and its batch normalisation; ``names`` are theirs."""
    x = layers.DepthwiseConv2D(3, stride, padding, use_bias=bias, name=names[0])(x)
    return layers.BatchNormalization(epsilon=epsilon, momentum=momentum, name=names[1])(x)


def check_padding(padding: Padding) -> None:
    """`ValueError` for a padding that there is not."""
    if padding not in get_args(Padding):
        raise ValueError(f"padding must be {', '.join(get_args(Padding))}, not {padding!r}")


def scaled_shape(input_shape: tuple[int, int, int], rho: float) -> tuple[int, int, int]:
    """The input under the resolution multiplier: sides times ``rho``, rounded down."""
    height, width, channels = input_shape
    return int(height * rho), int(width * rho), channels
