"""How well a detector finds what is there: its detections on a set of examples, scored as COCO and VOC do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ssd.metrics import coco_average_precision, voc_average_precision
from ssd.pipeline import Example
from ssd.run import Run
from ssdprep.record import Track, untracked


@dataclass(frozen=True)
class ClassScore:
    """One class: its boxes in the set, and how well they are found. nan where it has none."""

    name: str
    boxes: int
    AP50: float
    AP: float
    voc07: float


@dataclass(frozen=True)
class Evaluation:
    """The figures of one evaluation. AP50 and AP are COCO's, voc07 is VOC 2007's 11-point mean at IoU 0.5."""

    images: int
    AP50: float
    AP: float
    voc07: float
    per_class: tuple[ClassScore, ...]
    findings: tuple[()] = ()
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON types; a figure that is not defined is null."""
        return {
            "images": self.images,
            **{key: _number(getattr(self, key)) for key in ("AP50", "AP", "voc07")},
            "per_class": {
                c.name: {"boxes": c.boxes, "AP50": _number(c.AP50), "AP": _number(c.AP), "voc07": _number(c.voc07)}
                for c in self.per_class
            },
        }


def evaluate(run: Run, examples: Sequence[Example], *, track: Track = untracked) -> tuple[Evaluation, list[np.ndarray]]:
    """Score a run on labelled photos; the detections, (M, 6) for each photo, come back beside the figures."""
    detections = list(run.detect(examples, track=track))
    return score(examples, detections, run.labels.names), detections
