"""Objects and detections of a whole data set as two tables, every pair of one class in one image, and COCO's match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

COCO_LIMIT = 100  # detections of an image and class


class Rows(NamedTuple):
    """Boxes of all images by class, then image, then score, best first; equal ones in the order given."""

    classes: Ints
    images: Ints
    scores: Floats  # 0 for objects
    boxes: Floats  # (n, 4) corners
    order: Ints  # where each stood when the images' arrays are joined
    rank: Ints  # place among those of its class and image, from 0

    def best(self, limit: int) -> Rows:
        """At most so many of each class and image."""
        near = self.rank < limit
        return Rows(*(column[near] for column in self))

    def area(self) -> Floats:
        """Width times height, (n,)."""
        return (self.boxes[:, 2] - self.boxes[:, 0]) * (self.boxes[:, 3] - self.boxes[:, 1])

    def group(self, images: int) -> Ints:
        """A number for class and image, ascending."""
        return self.classes * images + self.images


class Pairs(NamedTuple):
    """Indices into both tables, by detection, then object, and the IoU of each pair."""

    found: Ints
    truth: Ints
    iou: Floats

    def among(self, chosen: Bools) -> Pairs:
        """Just these pairs."""
        return Pairs(*(column[chosen] for column in self))

    def most_overlapped(self, n_found: int) -> tuple[Ints, Floats]:
        """The object that each detection overlaps most, the first of equal ones, and that IoU; -1 and 0 without one."""
        order = np.lexsort((self.truth, -self.iou, self.found))
        who, first = np.unique(self.found[order], return_index=True)
        nearest, iou = np.full(n_found, -1), np.zeros(n_found)
        nearest[who], iou[who] = self.truth[order[first]], self.iou[order[first]]
        return nearest, iou


def object_rows(arrays: Sequence[ArrayLike], n_classes: int) -> Rows:
    """The table of objects from one (N, 5) array [class, corners] an image."""
    table, images = _joined(arrays, 5, "ground_truth")
    return _sorted(table[:, 0], images, np.zeros(len(table)), table[:, 1:], n_classes)


def detection_rows(arrays: Sequence[ArrayLike], n_classes: int) -> Rows:
    """The table of detections from one (M, 6) array [class, confidence, corners] an image."""
    table, images = _joined(arrays, 6, "detections")
    return _sorted(table[:, 0], images, table[:, 1], table[:, 2:], n_classes)


def values_of(arrays: Sequence[ArrayLike] | None, truth: Rows, default: float, name: str) -> Floats:
    """A value for each row of the table of objects, from one (N,) array an image."""
    if arrays is None:
        return np.full(len(truth.order), default)
    values = np.concatenate([np.zeros(0), *(np.asarray(a, np.float64).reshape(-1) for a in arrays)])
    if len(values) != len(truth.order):
        raise ValueError(f"{name} has {len(values)} values for {len(truth.order)} objects")
    return values[truth.order]


def pairs_of(found: Rows, truth: Rows, width: float = 0.0, crowd: Bools | None = None) -> Pairs:
    """Every detection beside every object of its class and image.

    width: added to each side (1 for the VOC devkit). crowd: (objects,); there the IoU is the share of the detection
    that lies within.
    """
    images = 1 + max(found.images.max(initial=0), truth.images.max(initial=0))
    theirs, ours = truth.group(images), found.group(images)
    first = np.searchsorted(theirs, ours, "left")
    count = np.searchsorted(theirs, ours, "right") - first
    f = np.repeat(np.arange(len(count)), count)
    t = np.arange(len(f)) + np.repeat(first - np.cumsum(count) + count, count)

    a, b = found.boxes[f], truth.boxes[t]
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]) + width, 0.0)
    shared = sides[:, 0] * sides[:, 1]
    own = np.prod(a[:, 2:] - a[:, :2] + width, axis=1)
    union = own + np.prod(b[:, 2:] - b[:, :2] + width, axis=1) - shared
    if crowd is not None:
        union = np.where(crowd[t], own, union)
    return Pairs(f, t, np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _joined(arrays: Sequence[ArrayLike], columns: int, name: str) -> tuple[Floats, Ints]:
    """All rows, and the image of each."""
    tables = [
        np.asarray(a, np.float64).reshape(-1, columns) if np.size(a) == 0 else np.asarray(a, np.float64) for a in arrays
    ]
    for i, table in enumerate(tables):
        if table.ndim != 2 or table.shape[1] != columns:
            raise ValueError(f"{name}[{i}] must have the shape (n, {columns}), not {table.shape}")
    images = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return np.concatenate([np.zeros((0, columns)), *tables]), images


def _sorted(ids: Floats, images: Ints, scores: Floats, boxes: Floats, n_classes: int) -> Rows:
    if ((ids != np.floor(ids)) | (ids < 1) | (ids > n_classes)).any():
        raise ValueError(f"classes must be whole numbers from 1 to {n_classes}")
    classes = ids.astype(np.int64)
    order = np.lexsort((-scores, images, classes))
    group = (classes * (images.max(initial=0) + 1) + images)[order]
    rank = np.arange(len(order)) - np.searchsorted(group, group)
    return Rows(classes[order], images[order], scores[order], boxes[order], order, rank)


def coco_hits(found: Rows, pairs: Pairs, ious: ArrayLike, ignore: Bools, crowds: Bools) -> Ints:
    """The object that each detection found, -1 for none: (found, IoUs, areas).

    In each image and class the best detection chooses first: of the objects still free the one it overlaps most, the
    last of equal ones, and an ignored one only where no other is left. All images and classes take turns together:
    first the best detection of each that overlaps anything, then the second. ious: ascending. ignore: (objects, areas).
    crowds: (objects,), may be found by many.
    """
    ious = np.asarray(ious, np.float64)
    near = np.flatnonzero(pairs.iou >= ious[0])
    near = near[np.lexsort((pairs.truth[near], pairs.iou[near], pairs.found[near]))]
    group = found.group(found.images.max(initial=0) + 1)[np.unique(pairs.found[near])]
    turn = (np.arange(len(group)) - np.searchsorted(group, group))[np.unique(pairs.found[near], return_inverse=True)[1]]
    near = near[np.argsort(turn, kind="stable")]

    shape = len(found.order), len(ious), ignore.shape[1]
    hits = np.full(shape, -1, np.int32)
    free = np.ones((len(ignore), *shape[1:]), bool)
    for now in np.split(near, np.cumsum(np.bincount(turn))[:-1]) if len(near) else ():
        f, t = pairs.found[now], pairs.truth[now]
        ahead = np.where(ignore[t], 0, len(now))[:, None]
        place = np.arange(len(now))[:, None, None] + ahead  # the later, the better
        able = (free[t] | crowds[t, None, None]) & (pairs.iou[now][:, None] >= ious)[:, :, None]
        who, start = np.unique(f, return_index=True)
        best = np.maximum.reduceat(np.where(able, place, -1), start, axis=0)
        i, k, a = np.nonzero(best >= 0)
        chosen = t[best[i, k, a] % len(now)]
        hits[who[i], k, a] = chosen
        free[chosen, k, a] = False
    return hits
