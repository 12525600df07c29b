"""Which detection found which object, as COCO decides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ssd.overlaps import COCO_LIMIT, Bools, Ints, Pairs, Rows, coco_hits, detection_rows, object_rows, pairs_of

IOU = 0.5  # from which on an object counts as found, where one IoU is meant


class Judged(NamedTuple):
    """All detections and objects of a set, by image, whatever their class, and which found which at IoU 0.5.

    Rows of both tables stand by image, then score, best first; ``pairs`` holds those of different classes too.
    """

    found: Rows
    truth: Rows
    pairs: Pairs
    hit: Ints  # (found,) the object of its own class that it found; -1: none
    n_classes: int

    @property
    def right(self) -> Bools:
        """Which detections found something, (found,)."""
        return self.hit >= 0

    @property
    def is_found(self) -> Bools:
        """Which objects were found, (truth,)."""
        return np.isin(np.arange(len(self.truth.order)), self.hit)

    @property
    def wanted(self) -> Ints:
        """Objects of each class, (n_classes + 1,); the first is background, and 0."""
        return np.bincount(self.truth.classes, minlength=self.n_classes + 1)

    def above(self, scores: ArrayLike) -> Judged:
        """The same, as if nothing had been found but what lies above a score, as `ssd.decoder.detect` keeps it.

        scores: of each class, (n_classes,).
        """
        kept = self.found.scores > np.asarray(scores, np.float64)[self.found.classes - 1]
        pairs = self.pairs.among(kept[self.pairs.found])
        pairs = pairs._replace(found=(np.cumsum(kept) - 1)[pairs.found])
        return self._replace(found=Rows(*(c[kept] for c in self.found)), pairs=pairs, hit=self.hit[kept])

    def hit_among(self, pairs: Bools) -> Ints:
        """As `hit`, where just these pairs (a mask) count, whatever their classes."""
        return _hits(self.found, self.truth, self.pairs.among(pairs))


def judge(ground_truth: Sequence[ArrayLike], detections: Sequence[ArrayLike], n_classes: int) -> Judged:
    """Match detections (M, 6) with objects (N, 5), an array an image, as `ssd.metrics` takes them."""
    if len(ground_truth) != len(detections):
        raise ValueError(f"ground truth of {len(ground_truth)} images, detections of {len(detections)}")
    found = _by_image(detection_rows(detections, n_classes).best(COCO_LIMIT))
    truth = _by_image(object_rows(ground_truth, n_classes))
    pairs = pairs_of(_of_one_class(found), _of_one_class(truth))
    same = found.classes[pairs.found] == truth.classes[pairs.truth]
    unmatched = Judged(found, truth, pairs, np.full(len(found.order), -1), n_classes)
    return unmatched._replace(hit=unmatched.hit_among(same))


def _hits(found: Rows, truth: Rows, pairs: Pairs) -> Ints:
    nothing = np.zeros((len(truth.order), 1), bool)
    return coco_hits(_of_one_class(found), pairs, [IOU], nothing, nothing[:, 0])[:, 0, 0]


def _by_image(rows: Rows) -> Rows:
    place = np.lexsort((rows.order, -rows.scores, rows.images))
    images = rows.images[place]
    rank = np.arange(len(place)) - np.searchsorted(images, images)
    return Rows(*(column[place] for column in rows[:-1]), rank)


def _of_one_class(rows: Rows) -> Rows:
    return rows._replace(classes=np.ones_like(rows.classes))
