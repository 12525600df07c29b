"""Backbone and heads: a plain Keras model, made of standard layers only, so that it loads and exports anywhere."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from ssd.anchors import anchor_boxes
from ssd.presets import Config
from ssdprep.record import SsdprepError


def build_detector(config: Config, n_classes: int) -> keras.Model:
    """A detector with random weights.

    Input: (B, H, W, 3), RGB in 0..255, any number type. Outputs: ``logits`` (B, n_boxes, n_classes + 1), class 0 is
    background, no softmax; ``offsets`` (B, n_boxes, 4) from the anchors, in units of their variances. The boxes
    stand in the order layer, row, column, box in cell: that of `anchors_of`.
    """
    image = keras.Input((*config.image_size, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1.0, name="to_unit_range")(image)
    backbone = getattr(import_module(f"ssd.backbones.{config.backbone}"), config.backbone)
    features = keras.Model(image, backbone(x, config.alpha))
    maps = [features.get_layer(name).output for name in config.sources]
    for i, channels in enumerate(config.extras, start=1):
        maps.append(_extra(maps[-1], channels, f"extra_{i}", separable=config.separable))
    logits, offsets = [], []
    for i, (feature, boxes) in enumerate(zip(maps, config.boxes_per_cell, strict=True), start=1):
        logits.append(_head(feature, boxes, n_classes + 1, f"classes_{i}", separable=config.separable))
        offsets.append(_head(feature, boxes, 4, f"boxes_{i}", separable=config.separable))
    outputs = {
        "logits": layers.Concatenate(axis=1, name="logits")(logits),
        "offsets": layers.Concatenate(axis=1, name="offsets")(offsets),
    }
    return keras.Model(image, outputs, name=config.name)


def anchors_of(model: keras.Model, config: Config) -> np.ndarray:
    """The anchors of all outputs: float64 (n_boxes, 4), centroids, normalised to the image's sides."""
    shapes = [model.get_layer(f"boxes_{i}_conv").output.shape[1:3] for i in range(1, len(config.aspect_ratios) + 1)]
    return anchor_boxes(
        config.image_size,
        shapes,
        config.scales,
        config.aspect_ratios,
        two_boxes_for_ar1=config.two_boxes_for_ar1,
    )


def backbone_layers(model: keras.Model) -> set[str]:
    """Names of the layers that are the feature extractor's, not the extra stages' or the heads'."""
    return {layer.name for layer in model.layers if not layer.name.startswith(("extra_", "classes_", "boxes_"))}


def load_weights(model: keras.Model, path: Path) -> tuple[str, ...]:
    """Copy weights by layer name from a Keras file: a backbone of keras.applications (.h5) or a detector (.keras).

    Layers whose shapes differ (heads for other classes) keep what they have. Returns the names of the layers copied;
    `SsdprepError` where the file cannot be read or nothing in it fits.
    """
    source = path / "model.keras" if path.is_dir() else path
    if not source.is_file():
        raise SsdprepError(f"{source} does not exist", "give --weights a .h5 or .keras file, a run folder, or none")
    try:
        stored = _stored_keras(source) if source.suffix == ".keras" else _stored_h5(source)
    except (OSError, ValueError, KeyError) as error:
        raise SsdprepError(f"{source} is no Keras weights file: {error}", "give a .h5 or .keras file") from error
    return copy_weights(model, stored, str(source))


def load_imagenet(model: keras.Model, config: Config) -> tuple[str, ...]:
    """Download the ImageNet weights of keras.applications and copy them by layer name."""
    try:
        with redirect_stdout(sys.stderr):  # where Keras tells of the download; stdout is for the answer
            published = keras.applications.MobileNetV2(
                input_shape=(224, 224, 3), alpha=config.alpha, include_top=False, weights="imagenet"
            )
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
                "weights must be of the same backbone and width multiplier; see --preset",
            )
    if not copied:
        raise SsdprepError(
            f"no layer of {source} fits {model.name}",
            "weights must be of the same backbone and width multiplier, or of a detector of the same preset",
        )
    return tuple(copied)


def _extra(x: Any, channels: tuple[int, int], name: str, *, separable: bool) -> Any:
    """1x1 to the bottleneck, then 3x3 with stride 2: halves the map, rounding up."""
    bottleneck, out = channels
    x = layers.Conv2D(bottleneck, 1, kernel_initializer="he_normal", name=f"{name}_reduce")(x)
    x = layers.ReLU(6.0, name=f"{name}_reduce_relu")(x)
    if separable:
        x = layers.DepthwiseConv2D(3, 2, "same", depthwise_initializer="he_normal", name=f"{name}_depthwise")(x)
        x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
        x = layers.Conv2D(out, 1, kernel_initializer="he_normal", name=f"{name}_conv")(x)
    else:
        x = layers.Conv2D(out, 3, 2, "same", kernel_initializer="he_normal", name=f"{name}_conv")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x)


def _head(x: Any, boxes: int, values: int, name: str, *, separable: bool) -> Any:
    """``values`` numbers for each box of each cell: (B, cells * boxes, values)."""
    if separable:
        x = layers.DepthwiseConv2D(3, 1, "same", depthwise_initializer="he_normal", name=f"{name}_depthwise")(x)
        x = layers.ReLU(6.0, name=f"{name}_depthwise_relu")(x)
    kernel = 1 if separable else 3
    x = layers.Conv2D(boxes * values, kernel, padding="same", kernel_initializer="glorot_normal", name=f"{name}_conv")(
        x
    )
    return layers.Reshape((-1, values), name=name)(x)


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
