"""Precision and recall as the score falls, and the score from which on a class is best shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ssd.evaluation.hits import Judged
from ssd.metrics import COCO_RECALLS, coco_precision
from ssd.overlaps import Floats

SCORE = 0.5  # from which on boxes are shown, where nothing better is known
LOWEST = 0.01  # from which on detections are looked at at all
FEW = 20  # boxes of a class; with fewer the best score is that of these very photos


class Curve(NamedTuple):
    """One class at IoU 0.5: precision and recall of all detections from each score on, (n,), the highest first."""

    scores: Floats
    precision: Floats
    recall: Floats

    @property
    def f1(self) -> Floats:
        """The harmonic mean of both; 0 where both are 0."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)


class Threshold(NamedTuple):
    """A score, and how the detections of a class do from it on."""

    score: float
    precision: float
    recall: float
    f1: float


def curve_of(judged: Judged, class_id: int) -> Curve:
    """The curve of a class, a point at each score that occurs. `ValueError` for a class without objects."""
    wanted = judged.wanted[class_id]
    if not wanted:
        raise ValueError(f"class {class_id} has no object: it has no recall")
    mine = judged.found.classes == class_id
    order = np.argsort(-judged.found.scores[mine], kind="stable")
    scores, right = judged.found.scores[mine][order], judged.right[mine][order]
    last = np.flatnonzero(np.diff(scores, append=-np.inf))  # of equal scores all are shown or none
    hits = np.cumsum(right)[last]
    return Curve(scores[last], hits / (last + 1), hits / wanted)


def best_threshold(curve: Curve) -> Threshold | None:
    """Where F1 is highest, the higher score of equal ones; None where nothing right is found at any score.

    The score stands halfway to the next detection that would be one too many, or to `LOWEST` where none follows: a
    decoder keeps what lies above a score, not what lies on it.
    """
    f1 = curve.f1
    if not len(f1) or not f1.max():
        return None
    at = int(f1.argmax())
    following = curve.scores[at + 1] if at + 1 < len(f1) else min(LOWEST, curve.scores[at])
    return Threshold(
        float((curve.scores[at] + following) / 2), float(curve.precision[at]), float(curve.recall[at]), float(f1[at])
    )


def envelope(judged: Judged, class_id: int) -> Floats:
    """The best precision at a recall of at least 0, 0.01 ... 1, (101,): COCO's, whose mean is AP50."""
    mine = judged.found.classes == class_id
    order = np.argsort(-judged.found.scores[mine], kind="stable")
    right = judged.right[mine][order][:, None]
    return coco_precision(right, np.ones_like(right), int(judged.wanted[class_id]))[0]


__all__ = ["COCO_RECALLS", "FEW", "LOWEST", "SCORE", "Curve", "Threshold", "best_threshold", "curve_of", "envelope"]
