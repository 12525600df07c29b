"""The graph that is exported: a detector with softmax and anchors inside it, in plain operations, for one picture."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from ssd.layers import L2Normalization
from ssd.run import Run

OUTPUTS = ("scores", "boxes")


def exported(run: Run) -> keras.Model:
    """A run's model that needs no anchors beside it.

    Input ``image``: (1, H, W, 3) float32, RGB in 0..255. Outputs: ``scores`` (1, n_boxes, n_classes + 1) after softmax,
    class 0 is background; ``boxes`` (1, n_boxes, 4) corners xmin, ymin, xmax, ymax, shares of the picture's sides, not
    cut at its border, as non-maximum suppression wants them. Suppression stands outside: few runtimes agree on it.
    """
    image = keras.Input(run.model.input_shape[1:], batch_size=1, name="image")
    predicted = _plain(run.model)(image)
    scores = layers.Softmax(name="scores")(predicted["logits"])
    places, sides = ops.split(predicted["offsets"], 2, axis=-1)
    centre = places * _table(run, run.anchors[:, 2:] * run.config.variances[:2]) + _table(run, run.anchors[:, :2])
    growth, halves = ops.exp(sides * _table(run, run.config.variances[2:])), _table(run, run.anchors[:, 2:] / 2)
    # Joined, then added: a product that goes straight into a sum is what OpenCV takes for a normalisation in a .pb.
    reach = ops.concatenate([growth * -halves, growth * halves], axis=-1)
    boxes = ops.concatenate([centre, centre], axis=-1) + reach
    return keras.Model(image, {"scores": scores, "boxes": boxes}, name=run.config.name)


def _table(run: Run, values: Any) -> np.ndarray:
    """A constant (n_boxes, 2): OpenCV broadcasts no other shape to that of the predictions."""
    return np.broadcast_to(values, (len(run.anchors), 2)).astype(np.float32)


def _plain(model: keras.Model) -> keras.Model:
    """The same model with the same weights, without what OpenCV lacks (flips, comparisons) or gets wrong in a .pb."""

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, L2Normalization):
            length = ops.sqrt(ops.sum(args[0] * args[0], axis=-1, keepdims=True)) + 1e-10
            for_each_channel = ops.conv(length, np.ones((1, 1, 1, args[0].shape[-1]), np.float32))  # divided as equals
            return args[0] / for_each_channel * np.asarray(layer.gamma)[None, None, None]
        if type(layer).__name__ == "Flip":  # red, green, blue to blue, green, red
            red, green, blue = ops.split(args[0], 3, axis=-1)
            return ops.concatenate([blue, green, red], axis=-1)
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)) and _sees_one_cell(layer, args[0]):
            return _on_one_cell(layer, args[0])
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _sees_one_cell(layer: Any, x: Any) -> bool:
    return tuple(x.shape[1:3]) == (1, 1) and layer.padding == "same" and all(k % 2 for k in layer.kernel_size)


def _on_one_cell(layer: Any, x: Any) -> Any:
    """A convolution of a single cell is that of its kernel's middle: all else falls on the padding."""
    row, column = (k // 2 for k in layer.kernel_size)
    middle = np.asarray(layer.kernel)[row : row + 1, column : column + 1]
    convolve = ops.depthwise_conv if isinstance(layer, layers.DepthwiseConv2D) else ops.conv
    x = convolve(x, middle, padding="valid")
    return layer.activation(x + np.asarray(layer.bias) if layer.use_bias else x)
