"""What whoever loads an exported file must know: it stands in the file itself, as JSON."""

from __future__ import annotations

import json
from typing import Any

from ssd.decoder import CANDIDATES, NMS_IOU
from ssd.evaluation.thresholds import LOWEST
from ssd.prediction.limits import Limits
from ssd.run import MAX_DETECTIONS, Run
from ssdprep import __version__
from ssdprep.palette import palette

ENTRY = "ssdprep"  # under which name each format holds it; begins the JSON too, so that it can be found in any file

_RAW = {
    "scores": "(1, boxes, labels + 1) after softmax; column 0 is background",
    "boxes": "(1, boxes, 4) xmin, ymin, xmax, ymax as shares of the photo's sides, not cut at its border",
}
_SUPPRESSED = {
    "detections": f"(1, {MAX_DETECTIONS}, 6) number of the label from 1, score, xmin, ymin, xmax, ymax as shares of "
    "the photo's sides, not cut at its border; best first, suppressed; rows of label 0 fill up",
}


def about(
    run: Run, name: str, format: str, limits: Limits, *, nms: bool, type: str, channels_first: bool
) -> dict[str, Any]:
    """The description of an export; JSON types. type: of the input's numbers."""
    height, width = run.config.image_size
    return {
        ENTRY: __version__,
        "name": name,
        "format": format,
        "preset": run.config.name,
        "labels": list(run.labels.names),
        "colours": {label: list(colour) for label, colour in palette(run.labels.names).items()},
        "height": height,
        "width": width,
        "input": {
            "name": "image",
            "shape": [1, 3, height, width] if channels_first else [1, height, width, 3],
            "type": type,
            "values": "RGB, 0 to 255; scaling is inside the model",
            "resize": "upright photo, stretched to the input by a triangle filter with antialiasing",
        },
        "outputs": _SUPPRESSED if nms else _RAW,
        "thresholds": {label: limits.of(label) for label in run.labels.names},
        "lowest_score": LOWEST,
        "nms_iou": NMS_IOU,
        "candidates_per_class": CANDIDATES,
        "most": MAX_DETECTIONS,
    }


def inside(about: dict[str, Any]) -> str:
    """The description as a file holds it: plain ASCII, so that it can be read out of its bytes."""
    return json.dumps(about)
