"""ssd: single-shot detectors and their mathematics.

The names below are loaded when they are first used; those that work on tensors bring TensorFlow with them.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "convert_coordinates": "geometry",
    "intersection_area": "geometry",
    "iou": "geometry",
    "match_bipartite_greedy": "matching",
    "match_multi": "matching",
    "SSDInputEncoder": "encoder",
    "SSDLoss": "loss",
    "decode_detections": "decoder",
    "decode_detections_fast": "decoder",
    "voc_average_precision": "metrics",
    "coco_average_precision": "metrics",
    "AnchorBoxes": "layers",
    "L2Normalization": "layers",
    "Config": "config",
    "PRESETS": "presets",
    "preset": "presets",
    "build_detector": "detector",
    "build_model": "keras_port",
    "with_anchors": "keras_port",
    "mobilenet_v1": "backbones.mobilenet_v1",
    "mobilenet_v2": "backbones.mobilenet_v2",
    "vgg16": "backbones.vgg16",
    "image_batch_generator": "generators",
    "data_generator": "generators",
    "Recipe": "training.stages",
    "Run": "run",
    "train_folder": "trainer",
    "evaluate_folder": "evaluation.measuring",
    "predict_photos": "prediction.predicting",
    "fit_folder": "anchor_fitting",
    "check_folder": "checkup.checking",
}
__all__ = [*_HOME, "presets"]


def __getattr__(name: str) -> Any:
    if name == "presets":
        return import_module("ssd.presets")
    if name not in _HOME:
        raise AttributeError(f"module 'ssd' has no attribute {name!r}")
    return getattr(import_module(f"ssd.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
