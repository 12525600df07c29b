"""Detectors in the form of the well-known Keras port: all they say in one tensor, their anchors included.

Documents 000 and 004 have it. `ssd.SSDLoss` trains such a model, `ssd.SSDInputEncoder` makes its targets,
`ssd.decode_detections` reads what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import keras
from keras import layers

from ssd.anchors import Clip, four_variances, linspace_scales
from ssd.config import Config
from ssd.detector import backbone_layers, build_detector, load_imagenet, load_weights
from ssd.layers import AnchorBoxes
from ssd.presets import MOBILENET_V2_SSD_224, MOBILENET_V2_SSD_224_REPORT, REPORT_RATIOS

GEOMETRIES = {"report": MOBILENET_V2_SSD_224_REPORT, "wide": MOBILENET_V2_SSD_224}


def with_anchors(detector: keras.Model, config: Config, *, normalize_coords: bool = True) -> keras.Model:
    """A detector whose output is (B, n_boxes, C + 12): softmax, offsets, anchors (centroids), variances.

    It shares its weights with ``detector``, which `ssd.detector.build_detector` made from ``config``.
    """
    height, width = config.image_size
    anchors = []
    for k, ratios in enumerate(config.aspect_ratios):
        number = config.names.first + k
        boxes = AnchorBoxes(
            height,
            width,
            config.scales[k],
            config.scales[k + 1],
            ratios,
            config.two_boxes[k],
            this_steps=config.steps[k] if config.steps else None,
            clip_boxes=config.clip,
            variances=config.variances,
            normalize_coords=normalize_coords,
            name=f"anchors{number}",
        )(detector.get_layer(config.names.boxes.format(number)).output)
        anchors.append(layers.Reshape((-1, 8), name=f"anchors{number}_reshape")(boxes))
    said = detector.output
    parts = [
        layers.Activation("softmax", name="classes_softmax")(said["logits"]),
        said["offsets"],
        layers.Concatenate(axis=1, name="concatenate_anchors")(anchors),
    ]
    whole = layers.Concatenate(axis=2, name="concatenate_output")(parts)
    return keras.Model(detector.input, whole, name=config.name)


def build_model(
    image_size: tuple[int, ...],
    n_classes: int,
    l2_reg: float = 0.0,
    min_scale: float = 0.2,
    max_scale: float = 0.9,
    aspect_ratios: Sequence[float] = REPORT_RATIOS,
    *,
    scales: Sequence[float] | None = None,
    two_boxes_for_ar1: bool = True,
    steps: Sequence[float] | None = None,
    clip_boxes: Clip | None = None,
    variances: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
    normalize_coords: bool = True,
    geometry: Literal["report", "wide"] = "report",
    weights: Path | str | None = None,
    freeze_backbone: bool = False,
) -> keras.Model:
    """Document 004's detector on MobileNetV2, in the port's form: output (B, n_boxes, n_classes + 13).

    image_size: (height, width) or (height, width, 3) in pixels. n_classes: without background. l2_reg: weight
    decay of all new layers. Scales run evenly from min_scale to max_scale, which is the extra one, as the report's code
    has it, or are given: one for each of the six maps and one more, as shares of the shorter side. aspect_ratios: of
    every map. steps, clip_boxes: see `ssd.anchors`; by default boxes are clipped as the geometry has it, "pixels" in
    the report's code, not at all in "wide". normalize_coords: anchors as shares of the image's sides instead of pixels.

    geometry: "report" has the maps of the report's code, 3,836,924 parameters with 2 classes, and needs sides of 193
    pixels or more (`ValueError`); "wide" takes features from before the bottlenecks, as the papers on MobileNetV2 do.
    weights: "imagenet", a file, or None for random ones. freeze_backbone: only the new layers learn. Pictures go in as
    they are, 0..255, RGB.
    """
    if geometry not in GEOMETRIES:
        raise ValueError(f"geometry must be {' or '.join(GEOMETRIES)}, not {geometry!r}")
    if len(image_size) not in (2, 3) or tuple(image_size[2:]) not in ((), (3,)):
        raise ValueError(f"image_size must be (height, width) or (height, width, 3), not {image_size}")
    if n_classes < 1:
        raise ValueError(f"n_classes counts the classes without background: 1 or more, not {n_classes}")
    if not aspect_ratios:
        raise ValueError("aspect ratios are missing")
    base = GEOMETRIES[geometry]
    if geometry == "report" and min(image_size[:2]) < 193:
        raise ValueError(f"the report's maps need sides of 193 pixels or more, not {image_size}: geometry='wide'")
    maps = len(base.aspect_ratios)
    if steps is not None and len(steps) != maps:
        raise ValueError(f"{maps} maps need {maps} steps, not {len(steps)}")
    config = replace(
        base,
        image_size=(int(image_size[0]), int(image_size[1])),
        scales=_scales(scales, min_scale, max_scale, maps),
        aspect_ratios=(tuple(float(ratio) for ratio in aspect_ratios),) * maps,
        two_boxes_for_ar1=two_boxes_for_ar1,
        steps=None if steps is None else tuple(steps),
        clip=base.clip if clip_boxes is None else clip_boxes,
        variances=four_variances(variances),
        l2_reg=l2_reg,
    )
    detector = build_detector(config, n_classes)
    if weights == "imagenet":
        load_imagenet(detector, config)
    elif weights is not None:
        load_weights(detector, Path(weights))
    for name in backbone_layers(detector) if freeze_backbone else ():
        detector.get_layer(name).trainable = False
    return with_anchors(detector, config, normalize_coords=normalize_coords)


def predictor_sizes(model: keras.Model) -> list[tuple[int, int]]:
    """(rows, columns) of the maps of a model in the port's form: what `ssd.SSDInputEncoder` asks for."""
    return [layer.output.shape[1:3] for layer in model.layers if isinstance(layer, AnchorBoxes)]


def _scales(given: Sequence[float] | None, smallest: float, largest: float, maps: int) -> tuple[float, ...]:
    if given is None:
        return linspace_scales(smallest, largest, maps)
    if len(given) != maps + 1:
        raise ValueError(f"{maps} maps need {maps + 1} scales, not {len(given)}")
    return tuple(given)
