"""Average precision as Pascal VOC and as COCO define it, in NumPy.

Both take one array an image. ground_truth[i]: (N, 5) rows [class, xmin, ymin, xmax, ymax]; detections[i]: (M, 6) rows
[class, confidence, xmin, ymin, xmax, ymax], as `ssd.decoder` gives them. Boxes are corners in pixels, classes 1 to
n_classes. A figure that is not defined, because there is no object to be found, is nan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ssd.overlaps import COCO_LIMIT, Bools, Floats, Rows, coco_hits, detection_rows, object_rows, pairs_of, values_of

COCO_IOUS = np.linspace(0.5, 0.95, 10)
COCO_RECALLS = np.linspace(0.0, 1.0, 101)
COCO_AREAS = np.array([[0, 1e5**2], [0, 32**2], [32**2, 96**2], [96**2, 1e5**2]])  # all, small, medium, large
COCO_LIMITS = (1, 10, COCO_LIMIT)  # detections an image and class


class VocScore(NamedTuple):
    """Average precision of each class, (n_classes,), nan where it has no object; and the mean of the others."""

    mean: float
    per_class: Floats


class PerClass(NamedTuple):
    """Some of COCO's figures for each class, (n_classes,); nan where it has no object."""

    AP: Floats
    AP50: Floats
    AP75: Floats
    AR100: Floats


@dataclass(frozen=True)
class CocoScore:
    """The twelve figures of COCO in their order, over the classes that have objects; nan where none has."""

    AP: float  # mean over IoU 0.50, 0.55 .. 0.95
    AP50: float
    AP75: float
    AP_small: float  # objects up to 32 x 32 pixels
    AP_medium: float
    AP_large: float  # from 96 x 96 pixels
    AR1: float  # with one detection an image and class
    AR10: float
    AR100: float
    AR_small: float
    AR_medium: float
    AR_large: float
    per_class: PerClass

    @property
    def stats(self) -> tuple[float, ...]:
        """The twelve figures as pycocotools writes them: -1 where there is none."""
        figures = [value for value in vars(self).values() if isinstance(value, float)]
        return tuple(-1.0 if np.isnan(value) else value for value in figures)


def voc_average_precision(
    ground_truth: Sequence[ArrayLike],
    detections: Sequence[ArrayLike],
    n_classes: int,
    *,
    difficult: Sequence[ArrayLike] | None = None,
    iou_threshold: float = 0.5,
    method: Literal["11point", "area"] = "11point",
    plus_one: bool = False,
) -> VocScore:
    """Pascal VOC's average precision: of 2007 ("11point") or of 2010 and later ("area" under the envelope).

    difficult: bool (N,) an image; such objects need not be found, and finding them counts for nothing. plus_one: boxes
    are one pixel wider than xmax - xmin, as in the VOC devkit. A detection belongs to the object of its class that it
    overlaps most, and is right if that IoU reaches the threshold and no detection of more confidence was there before;
    equal confidences in the order of images, then rows.
    """
    if method not in ("11point", "area"):
        raise ValueError(f"method must be 11point or area, not {method!r}")
    truth, found = _tables(ground_truth, detections, n_classes)
    hard = values_of(difficult, truth, 0.0, "difficult") > 0
    nearest, iou = pairs_of(found, truth, float(plus_one)).most_overlapped(len(found.order))
    hit = np.where(iou >= iou_threshold, nearest, -1)

    order = np.lexsort((found.order, -found.scores, found.classes))
    hit, classes = hit[order], found.classes[order]
    first = np.zeros(len(hit), bool)
    first[np.unique(hit, return_index=True)[1]] = True
    right, counted = (hit >= 0) & first, ~np.append(hard, False)[hit]  # hit -1 looks at the appended False
    wanted = np.bincount(truth.classes[~hard], minlength=n_classes + 1)
    scores = np.full(n_classes, np.nan)
    for c in np.flatnonzero(wanted):
        scores[c - 1] = _voc_area(right[(classes == c) & counted], wanted[c], method)
    return VocScore(_mean(scores), scores)


def coco_average_precision(
    ground_truth: Sequence[ArrayLike],
    detections: Sequence[ArrayLike],
    n_classes: int,
    *,
    crowd: Sequence[ArrayLike] | None = None,
    areas: Sequence[ArrayLike] | None = None,
) -> CocoScore:
    """COCO's twelve figures for boxes, equal to those of pycocotools.

    crowd: bool (N,) an image, marks boxes around many objects: they need not be found, any number of detections may
    lie in one, and their IoU is the share of the detection that lies in it. areas: (N,) an image, the objects' sizes
    in square pixels where these are not width times height. Equal confidences in the order of images, then rows.
    """
    truth, found = _tables(ground_truth, detections, n_classes)
    found = found.best(COCO_LIMITS[-1])
    crowds = values_of(crowd, truth, 0.0, "crowd") > 0
    size = truth.area() if areas is None else values_of(areas, truth, 0.0, "areas")
    ignore = _outside(size) | crowds[:, None]
    hits = coco_hits(found, pairs_of(found, truth, crowd=crowds), COCO_IOUS, ignore, crowds)
    right = hits >= 0
    ignored = np.append(ignore, np.zeros((1, len(COCO_AREAS)), bool), axis=0)[hits, np.arange(len(COCO_AREAS))]
    counted = ~ignored & (right | ~_outside(found.area())[:, None])
    right &= ~ignored

    shape = n_classes, len(COCO_AREAS)
    precision = np.full((*shape, len(COCO_IOUS), len(COCO_RECALLS)), np.nan)
    recall = np.full((*shape, len(COCO_LIMITS), len(COCO_IOUS)), np.nan)
    edges = np.searchsorted(found.classes, np.arange(1, n_classes + 2))
    for c in range(n_classes):
        rows = edges[c] + np.argsort(-found.scores[edges[c] : edges[c + 1]], kind="stable")
        wanted = np.count_nonzero(~ignore[truth.classes == c + 1], axis=0)
        for a in np.flatnonzero(wanted):
            precision[c, a] = coco_precision(right[rows, :, a], counted[rows, :, a], wanted[a])
            for m, limit in enumerate(COCO_LIMITS):
                recall[c, a, m] = np.count_nonzero(right[rows[found.rank[rows] < limit], :, a], axis=0) / wanted[a]
    return _coco_score(precision, recall)


def _tables(ground_truth: Sequence[ArrayLike], detections: Sequence[ArrayLike], n_classes: int) -> tuple[Rows, Rows]:
    if len(ground_truth) != len(detections):
        raise ValueError(f"ground truth of {len(ground_truth)} images, detections of {len(detections)}")
    return object_rows(ground_truth, n_classes), detection_rows(detections, n_classes)


def _voc_area(right: Bools, wanted: int, method: str) -> float:
    hits = np.cumsum(right)
    recall, precision = hits / wanted, hits / np.arange(1, len(hits) + 1)
    if method == "11point":
        # These very numbers: the fourth is a little above 0.3, which a recall of 3 in 10 does not reach.
        return sum(precision[recall >= t].max(initial=0.0) for t in np.arange(0.0, 1.1, 0.1)) / 11
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def _outside(sizes: Floats) -> Bools:
    """Is a box too small or too large for each of COCO's areas? (n, areas)."""
    return (sizes[:, None] < COCO_AREAS[:, 0]) | (sizes[:, None] > COCO_AREAS[:, 1])


def coco_precision(right: Bools, counted: Bools, wanted: int) -> Floats:
    """The envelope of precision at COCO's recalls, for each IoU: (IoUs, recalls) from (found, IoUs), best first."""
    seen = np.cumsum(counted, axis=0)
    result = np.zeros((right.shape[1], len(COCO_RECALLS)))
    for t in range(right.shape[1]):
        at = np.flatnonzero(right[:, t])  # between hits precision only falls
        hits = np.arange(1, len(at) + 1)
        envelope = np.maximum.accumulate((hits / (seen[at, t] + np.spacing(1)))[::-1])[::-1]
        result[t] = np.append(envelope, 0.0)[np.searchsorted(hits / wanted, COCO_RECALLS)]
    return result


def _coco_score(precision: Floats, recall: Floats) -> CocoScore:
    """The figures from precision (classes, areas, IoUs, recalls) and recall (classes, areas, limits, IoUs)."""
    whole, at100 = precision[:, 0], recall[:, :, -1]
    return CocoScore(
        *map(_mean, (whole, whole[:, 0], whole[:, 5], precision[:, 1], precision[:, 2], precision[:, 3])),
        *map(_mean, (recall[:, 0, 0], recall[:, 0, 1], at100[:, 0], at100[:, 1], at100[:, 2], at100[:, 3])),
        PerClass(whole.mean(axis=(1, 2)), whole[:, 0].mean(axis=1), whole[:, 5].mean(axis=1), at100[:, 0].mean(axis=1)),
    )


def _mean(values: Floats) -> float:
    """The mean of what is not nan; nan where nothing is left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
