"""What a model consists of, counted from the model itself: layers, parameters, multiply-adds, groups of layers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

import keras
from keras import layers

from ssd.backbones.mobilenet_v1 import mobilenet_v1
from ssd.backbones.mobilenet_v2 import mobilenet_v2
from ssd.config import Config
from ssd.detector import anchors_of, build_detector, map_sizes
from ssd.keras_port import with_anchors
from ssd.presets import PRESETS, preset
from ssdprep.record import Finding, Report


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


@dataclass(frozen=True)
class PresetFacts:
    """What a preset amounts to with a number of classes."""

    name: str
    image_size: tuple[int, int]  # height, width
    maps: tuple[tuple[int, int], ...]  # rows, columns
    boxes: int
    parameters: int
    trainable: int
    multiply_adds: int
    n_classes: int
    source: str


@dataclass(frozen=True)
class Summary(Report):
    """The presets, or one of them with its layers: what this command answers."""

    presets: tuple[PresetFacts, ...]
    layers: tuple[LayerRow, ...] = ()
    groups: tuple[GroupRow, ...] = ()
    printed: str = ""  # the layers as the document prints them that the network comes from
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        document: dict[str, Any] = {"presets": [asdict(facts) for facts in self.presets]}
        for name in ("layers", "groups"):
            if rows := getattr(self, name):
                document[name] = [row._asdict() for row in rows]
        return document


def facts_of(config: Config, n_classes: int = 20) -> PresetFacts:
    """A preset's numbers, counted from the model that it stands for."""
    return _counted(build_detector(config, n_classes), config, n_classes)


def _counted(model: keras.Model, config: Config, n_classes: int) -> PresetFacts:
    return PresetFacts(
        config.name,
        config.image_size,
        tuple(map_sizes(model, config)),
        len(anchors_of(model, config)),
        *parameters(model),
        multiply_adds(model),
        n_classes,
        config.source,
    )


# The networks of the documents that are no detectors, by name: how each is built, and what it is.
CLASSIFIERS = {
    "document_001": (
        partial(mobilenet_v2, expand_first=True, padding="symmetric", bn_eps=1e-5, bn_momentum=0.9),
        "document 001, MobileNetV2 as Gluon has it",
    ),
    "document_003_v1": (
        partial(mobilenet_v1, use_bias=True, activation="relu", padding="keras", scale_stem=False, dropout=0.5),
        "document 003, MobileNet with its biases",
    ),
    "document_003_v2": (partial(mobilenet_v2, divisor=1), "document 003, MobileNetV2"),
}


def summary_of(name: str | None, n_classes: int | None = None) -> Summary:
    """All presets; or one, or a classifier of the documents, with all of its layers in its document's form."""
    if name is None:
        return Summary(tuple(facts_of(config, n_classes or 20) for config in PRESETS.values()))
    if name in CLASSIFIERS:
        build, source = CLASSIFIERS[name]
        model = build(n_classes=n_classes or 1000)
        counts = *parameters(model), multiply_adds(model), n_classes or 1000
        return _layer_by_layer(model, PresetFacts(name, model.input_shape[1:3], (), 0, *counts, source))
    config = preset(name)
    detector = build_detector(config, n_classes or 20)
    return _layer_by_layer(with_anchors(detector, config), _counted(detector, config, n_classes or 20))


def _layer_by_layer(model: keras.Model, facts: PresetFacts) -> Summary:
    from ssd.forms import form_of

    printed = "\n".join(form_of(facts.name)(model))
    return Summary((facts,), tuple(layer_rows(model)), tuple(group_rows(model)), printed)
