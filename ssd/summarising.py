"""What the command `summary` does: the numbers of every preset, or one network layer by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import keras

from ssd.backbones.mobilenet_v1 import mobilenet_v1
from ssd.backbones.mobilenet_v2 import mobilenet_v2
from ssd.config import Config
from ssd.detector import anchors_of, build_detector, map_sizes
from ssd.facts import GroupRow, LayerRow, group_rows, layer_rows, multiply_adds, parameters
from ssd.forms import form_of
from ssd.keras_port import with_anchors
from ssd.presets import PRESETS, preset
from ssdprep.record import Finding, Report


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
    printed = "\n".join(form_of(facts.name)(model))
    return Summary((facts,), tuple(layer_rows(model)), tuple(group_rows(model)), printed)
