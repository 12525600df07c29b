"""Backbone and heads: a plain Keras model without anchors or suppression in it, so that it exports anywhere."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

import keras
import numpy as np

from ssd.anchors import anchor_boxes
from ssd.config import Config
from ssd.converters import from_ssd_keras, is_ssd_keras, read_ssd_pytorch
from ssd.heads import maps_of, predictions, scaled
from ssd.presets import PRESETS
from ssdprep.record import SsdprepError


def build_detector(config: Config, n_classes: int) -> keras.Model:
    """A detector with random weights.

    Input: (B, H, W, 3), RGB in 0..255, any number type. Outputs: ``logits`` (B, n_boxes, n_classes + 1), class 0 is
    background, no softmax; ``offsets`` (B, n_boxes, 4) from the anchors, in units of their variances. The boxes
    stand in the order layer, row, column, box in cell: that of `anchors_of`.
    """
    image = keras.Input((*config.image_size, 3), name=config.names.image)
    maps = maps_of(_backbone(image, config), config)
    return keras.Model(image, predictions(maps, config, n_classes), name=config.name)


def _backbone(image: keras.KerasTensor, config: Config) -> keras.Model:
    """The feature extractor alone, of pixels in 0..255."""
    module = import_module(f"ssd.backbones.{config.backbone}")
    features = module.features(scaled(image, config.scaling), config.alpha, **dict(config.backbone_options))
    return keras.Model(image, features)


def map_sizes(model: keras.Model, config: Config) -> list[tuple[int, int]]:
    """(rows, columns) of the maps that a detector predicts from."""
    numbers = range(config.names.first, config.names.first + len(config.aspect_ratios))
    return [model.get_layer(config.names.boxes.format(i)).output.shape[1:3] for i in numbers]


def anchors_of(model: keras.Model, config: Config) -> np.ndarray:
    """The anchors of all outputs: float64 (n_boxes, 4), centroids, normalised to the image's sides."""
    return anchor_boxes(
        config.image_size,
        map_sizes(model, config),
        config.scales,
        config.aspect_ratios,
        two_boxes_for_ar1=config.two_boxes,
        steps=config.steps,
        clip=config.clip,
    )


def backbone_layers(model: keras.Model) -> set[str]:
    """Names of the layers that are the feature extractor's, not the extra stages' or the heads'."""
    return {layer.name for layer in model.layers if not layer.name.startswith(("extra_", "classes", "box"))}


def load_weights(model: keras.Model, path: Path) -> tuple[str, ...]:
    """Copy weights by layer name from a file.

    That is a backbone of keras.applications (.h5), a detector (.keras, a run folder), or an SSD300 of the public ports
    (.h5 of ssd_keras, .pth of ssd.pytorch). Layers whose shapes differ (heads for other classes) keep what they have.
    Returns the names of the layers copied; `SsdprepError` where the file cannot be read or nothing in it fits.
    """
    source = path / "model.keras" if path.is_dir() else path
    if not source.is_file():
        raise SsdprepError(f"{source} does not exist", "give --weights a .h5 or .keras file, a run folder, or none")
    if source.suffix in (".pth", ".pt"):
        return copy_weights(model, read_ssd_pytorch(source), str(source))
    try:
        stored = _stored_keras(source) if source.suffix == ".keras" else _stored_h5(source)
    except (OSError, ValueError, KeyError) as error:
        raise SsdprepError(f"{source} is no Keras weights file: {error}", "give a .h5 or .keras file") from error
    return copy_weights(model, from_ssd_keras(stored) if is_ssd_keras(stored) else stored, str(source))


def load_imagenet(model: keras.Model, config: Config) -> tuple[str, ...]:
    """Download the ImageNet weights of keras.applications and copy them by layer name."""
    try:
        with redirect_stdout(sys.stderr):  # where Keras tells of the download; stdout is for the answer
            published = _published(config)
    except Exception as error:
        raise SsdprepError(
            f"the ImageNet weights cannot be downloaded: {error}",
            "download them elsewhere and pass --weights FILE.h5, or train from random weights with --weights none",
        ) from error
    return copy_weights(model, {layer.name: layer.get_weights() for layer in published.layers}, "imagenet")


def copy_weights(model: keras.Model, stored: dict[str, list[np.ndarray]], source: str) -> tuple[str, ...]:
    """Set the weights of every layer whose name and shapes are in ``stored``; the names of those layers.

    Heads and extras may differ (other classes) and then keep what they have; a backbone of other shapes is an error.
    """
    copied, backbone = [], backbone_layers(model)
    for layer in model.layers:
        values = stored.get(layer.name, [])
        given, wanted = [v.shape for v in values], [tuple(w.shape) for w in layer.weights]
        if values and given == wanted:
            layer.set_weights([np.asarray(v, np.float32) for v in values])
            copied.append(layer.name)
        elif values and layer.name in backbone:
            raise SsdprepError(
                f"{source} is no backbone for {model.name}: {layer.name} has the shapes {given}, not {wanted}",
                _remedy_for(stored),
            )
    if not copied:
        raise SsdprepError(
            f"no layer of {source} fits {model.name}",
            _remedy_for(stored),
        )
    return tuple(copied)


def _remedy_for(stored: dict[str, list[np.ndarray]]) -> str:
    """Names the presets whose backbone has these weights."""
    shapes = {name: [v.shape for v in values] for name, values in stored.items() if values}
    fitting = [name for name, config in PRESETS.items() if _has_backbone(shapes, config)]
    if fitting:
        return f"a preset that they fit: --preset {' or '.join(fitting)}"
    return "weights must be of the same backbone and width multiplier, or of a detector of the same preset"


def _has_backbone(shapes: dict[str, list[tuple[int, ...]]], config: Config) -> bool:
    """Whether all layers of the preset's backbone that have weights have them with these shapes."""
    image = keras.Input((*config.image_size, 3))
    wanted = {layer.name: [tuple(w.shape) for w in layer.weights] for layer in _backbone(image, config).layers}
    return all(shapes.get(name) == each for name, each in wanted.items() if each)


def _published(config: Config) -> keras.Model:
    name = import_module(f"ssd.backbones.{config.backbone}").PUBLISHED
    width = {} if config.backbone == "vgg16" else {"alpha": config.alpha}
    build = getattr(keras.applications, name)
    return build(input_shape=(224, 224, 3), include_top=False, weights="imagenet", **width)


def _stored_keras(path: Path) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in keras.models.load_model(path, compile=False).layers}


def _stored_h5(path: Path) -> dict[str, list[np.ndarray]]:
    """The legacy Keras layout: one group a layer, its weights in the order of the attribute ``weight_names``."""
    import h5py

    with h5py.File(path) as file:
        root = file.get("model_weights", file)
        return {
            name: [np.asarray(root[name][weight]) for weight in root[name].attrs["weight_names"]]
            for name in root
            if "weight_names" in root[name].attrs
        }
