"""What a model consists of, counted from the model itself: layers, parameters, multiply-adds, groups of layers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
from keras import layers


class LayerRow(NamedTuple):
    """One line of a model's table, as the documents print it."""

    name: str
    kind: str  # the class
    shape: tuple[int, ...]  # of the output, without the batch
    parameters: int
    multiply_adds: int  # for one image
    inbound: tuple[str, ...]  # names of the layers that it takes its input from


class GroupRow(NamedTuple):
    """Layers that belong together, as document 002 prints them."""

    name: str
    shape: tuple[int, ...]  # of the last one's output
    parameters: int
    multiply_adds: int


def layer_rows(model: keras.Model) -> list[LayerRow]:
    """A row for each layer, in the order of the graph."""
    return [
        LayerRow(
            layer.name,
            type(layer).__name__,
            tuple(layer.output.shape[1:]),
            layer.count_params() if layer.weights else 0,
            layer_multiply_adds(layer),
            tuple(tensor._keras_history[0].name for tensor in layer._inbound_nodes[0].input_tensors),
        )
        for layer in model.layers
    ]


def multiply_adds(model: keras.Model) -> int:
    """Products that convolutions and dense layers add up for one image: the M-Adds of the MobileNet papers.

    Biases, normalisation and activations are not counted.
    """
    return sum(map(layer_multiply_adds, model.layers))


def layer_multiply_adds(layer: Any) -> int:
    """The same of one layer; 0 where it is no convolution and not dense."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size)
    if isinstance(layer, layers.Conv2D):
        channels = layer.input.shape[-1] // layer.groups
        return math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size) * channels
    if isinstance(layer, layers.Dense):
        return math.prod(layer.output.shape[1:]) * layer.input.shape[-1]
    return 0


def parameters(model: keras.Model) -> tuple[int, int]:
    """How many numbers the model holds, and how many of them are learnt."""
    return model.count_params(), sum(math.prod(weight.shape) for weight in model.trainable_weights)


# A group's layers share the beginning of their names; what the patterns do not know stands alone.
GROUPS = (
    (r"(block\d+|extra_\d+|expanded_conv)_.*", r"\1"),
    (r"(block_\d+)_.*", r"\1"),
    (r"conv_(?:dw|pw|pad)_(\d+)(_.*)?", r"block_\1"),
    (r"(classes|box(?:es)?)_?(\d+)(_.*)?", r"\1_\2"),
    (r"fc\d", "fc"),
    (r"(conv1|Conv1|bn_Conv1)(_.*)?", "stem"),
    (r"(Conv_1|out)(_.*)?", "last"),
)


def group_rows(model: keras.Model) -> list[GroupRow]:
    """A row for each group of layers that has parameters, in the order of the graph."""
    found: dict[str, list[LayerRow]] = {}
    for row in layer_rows(model):
        found.setdefault(_group_of(row.name), []).append(row)
    return [
        GroupRow(name, _last_shape(rows), sum(r.parameters for r in rows), sum(r.multiply_adds for r in rows))
        for name, rows in found.items()
        if any(row.parameters for row in rows)
    ]


def _group_of(name: str) -> str:
    for pattern, group in GROUPS:
        if re.fullmatch(pattern, name):
            return re.sub(pattern, group, name)
    return name


def _last_shape(rows: Iterable[LayerRow]) -> tuple[int, ...]:
    """The output of the last layer with parameters."""
    return [row.shape for row in rows if row.parameters][-1]
