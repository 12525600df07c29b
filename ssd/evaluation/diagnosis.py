"""What goes wrong on a set, and where: the best score of each class, what is taken for what, the worst photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ssd.evaluation.confusion import confusion
from ssd.evaluation.error_costs import KINDS, Errors, Kind, costs_of, errors_of, photo_costs
from ssd.evaluation.hits import Judged, judge
from ssd.evaluation.thresholds import FEW, SCORE, Threshold, best_threshold, curve_of, envelope
from ssd.overlaps import Ints
from ssd.pipeline import Example
from ssdprep.record import Box

WORST = 12  # photos that are named
_WEIGHED = 200  # photos whose cost is counted, those with most mistakes


@dataclass(frozen=True)
class ClassDiagnosis:
    """One class at IoU 0.5; nothing is known of one that has no box."""

    best: Threshold | None  # the score at which F1 is highest on this very set
    shown_from: float  # the score from which on its mistakes are counted: that of ``best``, 0.5 where boxes are few
    precision: tuple[float, ...]  # the best at a recall of at least 0, 0.01 ... 1; () without a box

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "best_threshold": self.best._asdict() if self.best else None,
            "shown_from": self.shown_from,
            "precision_at_recall": [round(value, 4) for value in self.precision],
        }


class Mistake(NamedTuple):
    """One thing that is wrong on a photo: a detection, or a labelled object that was not found (then without score)."""

    kind: Kind
    name: str  # of the class that was found; of the label, where nothing was
    score: float | None
    box: Box  # in pixels of the upright photo


class PhotoErrors(NamedTuple):
    """One photo: the AP50 that all would gain if nothing were wrong on it, and what is, the most certain first."""

    example: int  # its place in the set
    image: str
    cost: float
    mistakes: tuple[Mistake, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        mistakes = [{**m._asdict(), "kind": m.kind.value, "box": list(m.box)} for m in self.mistakes]
        return {"image": self.image, "costs_AP50": self.cost, "mistakes": mistakes}


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What goes wrong on a set."""

    judged: Judged  # every detection
    shown: Judged  # those from `ClassDiagnosis.shown_from` on
    classes: tuple[ClassDiagnosis, ...]
    costs: dict[Kind, float]  # in AP50, of all detections; see `ssd.evaluation.error_costs`
    made: Errors  # the errors among ``shown``
    confusion: Ints  # of ``shown``, (n_classes + 2, n_classes + 1); see `ssd.evaluation.confusion`
    worst: tuple[PhotoErrors, ...]  # the costliest first

    def taken_for(self) -> list[tuple[int, int, int]]:
        """Class of the label, class that was found on it, how often; the most frequent first."""
        wrong = self.made.kinds == KINDS.index(Kind.CLASS)
        pairs = np.stack([self.shown.truth.classes[self.made.target[wrong]], self.shown.found.classes[wrong]], axis=1)
        kinds, counts = np.unique(pairs, axis=0, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return [(*kinds[i].tolist(), int(counts[i])) for i in order]

    def to_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """JSON types; the confusion matrix by class names, background and what was found already last."""
        counts, columns = self.made.counts, [*range(1, len(names) + 1), 0]
        matrix = self.confusion[np.ix_([*columns, len(names) + 1], columns)].tolist()
        return {
            "errors": {kind.value: {"costs_AP50": _or_none(self.costs[kind]), "times": counts[kind]} for kind in KINDS},
            "confusion": {
                "labels": [*names, "background", "found already"],
                "found": [*names, "not found"],
                "counts": matrix,
            },
            "worst": [photo.to_dict() for photo in self.worst],
        }


def truth_of(example: Example) -> np.ndarray:
    """An example's labels as `ssd.metrics` takes them: float64 (N, 5) class id, corners in pixels."""
    height, width = example.size
    return np.concatenate(
        [example.ids[:, None], example.boxes.astype(np.float64) * [width, height, width, height]], axis=1
    )


def diagnose(examples: Sequence[Example], found: Sequence[np.ndarray], names: Sequence[str]) -> Diagnosis:
    """What goes wrong where. found: (M, 6) for each photo as `Run.detect` yields it."""
    judged = judge([truth_of(example) for example in examples], found, len(names))
    classes = tuple(_class(judged, i) for i in range(1, len(names) + 1))
    shown = judged.above([each.shown_from for each in classes])
    made = errors_of(shown)
    worst = _worst(judged, shown, made, examples, names)
    return Diagnosis(judged, shown, classes, costs_of(judged, errors_of(judged)), made, confusion(shown), worst)


def _class(judged: Judged, class_id: int) -> ClassDiagnosis:
    boxes = int(judged.wanted[class_id])
    if not boxes:
        return ClassDiagnosis(None, SCORE, ())
    best = best_threshold(curve_of(judged, class_id))
    shown_from = best.score if best and boxes >= FEW else SCORE
    return ClassDiagnosis(best, shown_from, tuple(envelope(judged, class_id).tolist()))


def _worst(
    judged: Judged, shown: Judged, made: Errors, examples: Sequence[Example], names: Sequence[str]
) -> tuple[PhotoErrors, ...]:
    """The photos that cost most, of those with most mistakes."""
    where = np.concatenate([shown.found.images[~shown.right], shown.truth.images[~shown.is_found]])
    many = np.bincount(where, minlength=len(examples))
    weighed = np.argsort(-many, kind="stable")[: min(_WEIGHED, np.count_nonzero(many))]
    costs = photo_costs(judged, weighed)
    order = np.argsort(-costs, kind="stable")[:WORST]
    return tuple(
        PhotoErrors(image, examples[image].source, cost, _mistakes(shown, made, image, names))
        for image, cost in zip(weighed[order].tolist(), costs[order].tolist(), strict=True)
        if cost > 0
    )


def _mistakes(shown: Judged, made: Errors, image: int, names: Sequence[str]) -> tuple[Mistake, ...]:
    found, truth = shown.found, shown.truth
    wrong = np.flatnonzero((found.images == image) & ~shown.right).tolist()
    missed = np.flatnonzero((truth.images == image) & made.missed).tolist()

    def name(class_id: int) -> str:
        return names[class_id - 1]

    return (
        *(
            Mistake(KINDS[made.kinds[i]], name(found.classes[i]), float(found.scores[i]), Box(*found.boxes[i].tolist()))
            for i in wrong
        ),
        *(Mistake(Kind.MISSED, name(truth.classes[i]), None, Box(*truth.boxes[i].tolist())) for i in missed),
    )


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
