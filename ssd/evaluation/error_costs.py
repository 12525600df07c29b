"""What kind of error costs how much: each kind cured alone, and AP50 counted again.

The six kinds, their IoUs and the cures are those of Bolya, Foley, Hays and Hoffman (2020), "TIDE: A General Toolbox for
Identifying Object Detection Errors"; AP50 is COCO's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from ssd.evaluation.hits import IOU, Judged
from ssd.metrics import coco_precision
from ssd.overlaps import Bools, Floats, Ints

GROUND = 0.1  # IoU up to which a detection lies on no object at all


class Kind(StrEnum):
    """What is wrong with a detection, or with an object that none found; `MEANING` says it."""

    CLASS = "class"
    PLACE = "place"
    BOTH = "both"
    DUPLICATE = "duplicate"
    BACKGROUND = "background"
    MISSED = "missed"


MEANING = {
    Kind.CLASS: "on an object of another class",
    Kind.PLACE: "near an object of its class, but off it: IoU 0.1 to 0.5",
    Kind.BOTH: "near an object of another class, and off it",
    Kind.DUPLICATE: "on an object that a more certain detection has found",
    Kind.BACKGROUND: "on nothing that is labelled",
    Kind.MISSED: "an object that nothing was found near",
}
KINDS = tuple(Kind)


class Errors(NamedTuple):
    """What is wrong with each detection and object of a `Judged`."""

    kinds: Ints  # (found,) places in `KINDS`; -1: the detection is right
    missed: Bools  # (truth,); no object that a wrong class or a wrong place accounts for
    target: Ints  # (found,) the object that a detection of wrong class or place was meant for; -1

    @property
    def counts(self) -> dict[Kind, int]:
        """How often each kind of error was made."""
        counts = {kind: int(np.count_nonzero(self.kinds == place)) for place, kind in enumerate(KINDS)}
        return {**counts, Kind.MISSED: int(np.count_nonzero(self.missed))}


class _Claims(NamedTuple):
    """Detections as AP sees them: class, score and whether right, (n,); objects of each class, (n_classes + 1,)."""

    classes: Ints
    scores: Floats
    right: Bools
    wanted: Ints


def errors_of(judged: Judged) -> Errors:
    """Name every error of a set."""
    pairs, n = judged.pairs, len(judged.found.order)
    same = judged.found.classes[pairs.found] == judged.truth.classes[pairs.truth]
    own, own_iou = pairs.among(same).most_overlapped(n)
    other, other_iou = pairs.among(~same).most_overlapped(n)
    _, taken_iou = pairs.among(same & judged.is_found[pairs.truth]).most_overlapped(n)
    conditions = {
        -1: judged.right,
        KINDS.index(Kind.PLACE): (own_iou >= GROUND) & (own_iou < IOU),
        KINDS.index(Kind.CLASS): other_iou >= IOU,
        KINDS.index(Kind.DUPLICATE): taken_iou >= IOU,
        KINDS.index(Kind.BACKGROUND): np.maximum(own_iou, other_iou) <= GROUND,
    }
    kinds = np.select([*conditions.values()], [*conditions], KINDS.index(Kind.BOTH))
    by_kind = [kinds == KINDS.index(kind) for kind in (Kind.PLACE, Kind.CLASS)]
    target = np.select(by_kind, [own, other], -1)
    return Errors(kinds, ~judged.is_found & ~np.isin(np.arange(len(judged.truth.order)), target), target)


def costs_of(judged: Judged, errors: Errors) -> dict[Kind, float]:
    """The AP50 that would be gained if all errors of one kind were cured, and no other; nan where there is no object.

    They do not add up: an error that is cured uncovers the next.
    """
    claims = _claims(judged)
    lost = np.bincount(judged.truth.classes[errors.missed], minlength=judged.n_classes + 1)
    cured = {kind: _without(claims, errors.kinds == place) for place, kind in enumerate(KINDS)}
    for kind in (Kind.CLASS, Kind.PLACE):
        cured[kind] = _put_right(judged, claims, np.where(errors.kinds == KINDS.index(kind), errors.target, -1))
    cured[Kind.MISSED] = claims._replace(wanted=claims.wanted - lost)
    base = _ap50(claims, judged.wanted)
    return {kind: _ap50(cured[kind], judged.wanted) - base for kind in KINDS}


def photo_costs(judged: Judged, images: Ints) -> Floats:
    """The AP50 that would be gained if nothing were wrong on one photo, for each of some photos, (n,).

    Its wrong detections are taken away, its objects that were not found leave the count.
    """
    claims = _claims(judged)
    before = np.array([_class_ap50(claims, c) for c in range(judged.n_classes + 1)])
    gains = np.zeros(len(images))
    for place, image in enumerate(images.tolist()):
        wrong = (judged.found.images == image) & ~judged.right
        lost = judged.truth.classes[(judged.truth.images == image) & ~judged.is_found]
        cured = _without(claims, wrong)._replace(
            wanted=claims.wanted - np.bincount(lost, minlength=judged.n_classes + 1)
        )
        for c in np.union1d(judged.found.classes[wrong], lost).tolist():
            if judged.wanted[c]:
                gains[place] += _class_ap50(cured, c) - before[c]
    return gains / max(1, np.count_nonzero(judged.wanted))


def _claims(judged: Judged) -> _Claims:
    return _Claims(judged.found.classes, judged.found.scores, judged.right, judged.wanted)


def _put_right(judged: Judged, claims: _Claims, target: Ints) -> _Claims:
    """Detections (target >= 0) on their objects: the most certain one finds an object that is free, the rest go."""
    candidates = np.flatnonzero((target >= 0) & ~np.append(judged.is_found, False)[target])
    candidates = candidates[np.argsort(-claims.scores[candidates], kind="stable")]
    first = candidates[np.unique(target[candidates], return_index=True)[1]]
    classes, right = claims.classes.copy(), claims.right.copy()
    classes[first], right[first] = judged.truth.classes[target[first]], True
    gone = target >= 0
    gone[first] = False
    return _without(claims._replace(classes=classes, right=right), gone)


def _without(claims: _Claims, gone: Bools) -> _Claims:
    return _Claims(claims.classes[~gone], claims.scores[~gone], claims.right[~gone], claims.wanted)


def _ap50(claims: _Claims, of: Ints) -> float:
    """The mean over the classes that had objects to begin with."""
    classes = np.flatnonzero(of)
    return float(np.mean([_class_ap50(claims, c) for c in classes.tolist()])) if len(classes) else float("nan")


def _class_ap50(claims: _Claims, c: int) -> float:
    """COCO's AP50 of one class; 1 where nothing is left to be found."""
    if not claims.wanted[c]:
        return 1.0
    mine = claims.classes == c
    right = claims.right[mine][np.argsort(-claims.scores[mine], kind="stable")][:, None]
    return float(coco_precision(right, np.ones_like(right), int(claims.wanted[c])).mean())
