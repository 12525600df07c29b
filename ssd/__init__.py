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
    "Config": "presets",
    "PRESETS": "presets",
    "preset": "presets",
    "build_detector": "detector",
    "Recipe": "stages",
    "Run": "run",
    "train_folder": "trainer",
    "evaluate_folder": "evaluation",
    "predict_photos": "prediction",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ssd' has no attribute {name!r}")
    return getattr(import_module(f"ssd.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
