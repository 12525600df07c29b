"""VGG-16 (Simonyan and Zisserman 2015) as SSD uses it (Liu et al. 2016): its two dense layers are convolutions.

The convolutions carry the names of keras.applications, whose weights fit. They expect Caffe's pictures: BGR, the mean
taken away.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

PUBLISHED = "VGG16"  # its name in keras.applications

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions of each block


def vgg16(input_shape: tuple[int, int, int] = (300, 300, 3)) -> keras.Model:
    """The feature extractor with random weights.

    Input: (B, H, W, 3), BGR less the mean; output: ``fc7``, (B, H / 16, W / 16, 1024), sizes rounded up.
    """
    image = keras.Input(input_shape)
    return keras.Model(image, features(image), name="vgg16")


def features(image: Any, alpha: float = 1.0) -> Any:
    """An image tensor (B, H, W, 3) to ``fc7``, a 16th of its sides; it has one width, so alpha is 1.

    Pools round sizes up ("same" is Caffe's ceil mode): 300, 150, 75, 38, 19. The fifth keeps the size; ``fc6`` looks
    wider instead, with dilation 6.
    """
    if alpha != 1:
        raise ValueError(f"VGG-16 has one width: alpha must be 1, not {alpha}")
    x = image
    for block, (channels, convolutions) in enumerate(BLOCKS, start=1):
        for number in range(1, convolutions + 1):
            x = _conv(x, channels, 3, f"block{block}_conv{number}")
        pool, stride = (2, 2) if block < 5 else (3, 1)
        x = layers.MaxPooling2D(pool, stride, "same", name=f"block{block}_pool")(x)
    x = _conv(x, 1024, 3, "fc6", dilation=6)
    return _conv(x, 1024, 1, "fc7")


def _conv(x: Any, channels: int, kernel: int, name: str, dilation: int = 1) -> Any:
    return layers.Conv2D(
        channels, kernel, padding="same", dilation_rate=dilation, activation="relu", kernel_initializer="he_normal",
        name=name,
    )(x)  # fmt: skip
