"""How well a detector's anchors cover boxes: the best IoU that each box has with any of them.

A box whose best anchor overlaps it by less than 0.5 is learnt from one anchor alone, and from a distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd.geometry import convert_coordinates, iou

REACHED = 0.5  # IoU; the usual ``pos_iou``
_AT_ONCE = 256  # boxes against all anchors


@dataclass(frozen=True)
class Coverage:
    """Of a set of boxes: how many, which share some anchor overlaps by 0.5 or more, and the mean of the best IoU."""

    boxes: int
    recall: float
    mean_iou: float

    @classmethod
    def of(cls, best: NDArray[np.float64]) -> Coverage:
        """From what `best_ious` gives; nan where there is no box."""
        if not len(best):
            return cls(0, float("nan"), float("nan"))
        return cls(len(best), float((best >= REACHED).mean()), float(best.mean()))

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; a figure that is not defined is null."""
        defined = self.boxes > 0
        return {
            "boxes": self.boxes,
            "recall": self.recall if defined else None,
            "mean_iou": self.mean_iou if defined else None,
        }


def best_ious(boxes: ArrayLike, anchors: ArrayLike) -> NDArray[np.float64]:
    """The best IoU of each box with any anchor: float64 (N,).

    boxes: (N, 4) corners, anchors: (n, 4) centroids, both as shares of the sides: IoU does not mind the stretch.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    priors = convert_coordinates(anchors, 0, "centroids2corners")
    parts = [
        iou(boxes[first : first + _AT_ONCE], priors, "corners").max(axis=1) for first in range(0, len(boxes), _AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)
