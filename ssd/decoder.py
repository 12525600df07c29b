"""Predictions to detections: boxes from offsets, then greedy non-maximum suppression (NMS), in NumPy.

A detection is a row [class, confidence, xmin, ymin, xmax, ymax]. Rows come best first; equal confidences in the order
class, then anchor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd.geometry import Border, Coords, border_width

Floats = NDArray[np.float64]
BLOCK = 256  # candidates that suppression looks at together


def decode_boxes(offsets: ArrayLike, anchors: ArrayLike, variances: ArrayLike, coords: Coords = "centroids") -> Floats:
    """Corners (..., 4) from offsets (..., 4) to anchors (..., 4), float64; undoes the encoder.

    Offsets, anchors and variances are all in the format ``coords``. `ssd.boxes_tf.decode_boxes` does it on tensors.
    """
    scaled = np.asarray(offsets, np.float64) * np.asarray(variances, np.float64)
    anchors = np.asarray(anchors, np.float64)
    if coords == "centroids":
        centre = scaled[..., :2] * anchors[..., 2:] + anchors[..., :2]
        half = np.exp(scaled[..., 2:]) * anchors[..., 2:] / 2
        return np.concatenate([centre - half, centre + half], axis=-1)
    if coords == "minmax":
        scaled, anchors = scaled[..., [0, 2, 1, 3]], anchors[..., [0, 2, 1, 3]]
    elif coords != "corners":
        raise ValueError(f"coords must be corners, minmax or centroids, not {coords!r}")
    sides = anchors[..., 2:] - anchors[..., :2]
    return scaled * np.concatenate([sides, sides], axis=-1) + anchors


def detect(
    class_probs: ArrayLike,
    offsets: ArrayLike,
    anchors: ArrayLike,
    *,
    variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
    score: float = 0.01,
    nms_iou: float = 0.45,
    top_k: int | None = 200,
    candidates_per_class: int | None = 400,
) -> Floats:
    """The detections on one image: float64 (M, 6), corners in the unit of the anchors, best first.

    class_probs: (n, C), class 0 is background; offsets: (n, 4); anchors: (n, 4) centroids. Of each class the
    ``candidates_per_class`` best anchors above ``score`` go into NMS, which drops a box that overlaps a better one of
    its class by more than ``nms_iou``; the ``top_k`` best of all classes are kept. None: no limit.
    """
    probs = np.asarray(class_probs)
    classes, boxes = _candidates(probs, score, candidates_per_class)
    scores = probs[boxes, classes].astype(np.float64)
    corners = decode_boxes(np.asarray(offsets)[boxes], np.asarray(anchors)[boxes], variances)
    return _suppressed(classes, scores, corners, nms_iou, top_k, 0.0)


def decode_detections(
    y_pred: ArrayLike,
    confidence_thresh: float = 0.01,
    iou_threshold: float = 0.45,
    top_k: int | Literal["all"] = 200,
    input_coords: Coords = "centroids",
    normalize_coords: bool = True,
    img_height: int | None = None,
    img_width: int | None = None,
    border_pixels: Border = "half",
    clip: bool = False,
    candidates_per_class: int | None = None,
) -> list[Floats]:
    """The detections on each image of a batch, NMS class by class: float64 (k, 6) arrays, best first.

    y_pred: (B, n_boxes, C + 12) as the models give it. Confidences above ``confidence_thresh`` count. Normalised boxes
    become pixels of an image of the given size (`ValueError` without one); ``clip`` then cuts them at its border.
    ``candidates_per_class`` limits what goes into NMS, as the original SSD does with 400; the Keras port does not.
    """
    found = []
    for image in np.asarray(y_pred):
        probs = image[:, :-12]
        classes, boxes = _candidates(probs, confidence_thresh, candidates_per_class)
        scores = probs[boxes, classes].astype(np.float64)
        corners = _pixels(image[boxes, -12:], input_coords, normalize_coords, img_height, img_width)
        width = border_width(border_pixels)
        limit = None if top_k == "all" else top_k
        found.append(_suppressed(classes, scores, corners, iou_threshold, limit, width))
    return [_clipped(rows, img_height, img_width) for rows in found] if clip else found


def decode_detections_fast(
    y_pred: ArrayLike,
    confidence_thresh: float = 0.5,
    iou_threshold: float | None = 0.45,
    top_k: int | Literal["all"] = "all",
    input_coords: Coords = "centroids",
    normalize_coords: bool = True,
    img_height: int | None = None,
    img_width: int | None = None,
    border_pixels: Border = "half",
    clip: bool = False,
) -> list[Floats]:
    """As `decode_detections`, but an anchor speaks only for its likeliest class, and NMS runs across classes.

    Confidences of at least ``confidence_thresh`` count. ``iou_threshold`` None: no suppression.
    """
    found = []
    for image in np.asarray(y_pred):
        likeliest = image[:, :-12].argmax(axis=1)
        scores = image[np.arange(len(image)), likeliest].astype(np.float64)
        boxes = np.flatnonzero((likeliest > 0) & (scores >= confidence_thresh))
        corners = _pixels(image[boxes, -12:], input_coords, normalize_coords, img_height, img_width)
        limit = None if top_k == "all" else top_k
        threshold = np.inf if iou_threshold is None else iou_threshold
        width = border_width(border_pixels)
        rows = _suppressed(likeliest[boxes], scores[boxes], corners, threshold, limit, width, across_classes=True)
        found.append(_clipped(rows, img_height, img_width) if clip else rows)
    return found


def greedy_nms(
    boxes: ArrayLike,
    scores: ArrayLike,
    iou_threshold: float,
    *,
    groups: ArrayLike | None = None,
    limit: int | None = None,
    border_pixels: Border = "half",
) -> NDArray[np.int64]:
    """Indices of the boxes that greedy NMS keeps, best first.

    boxes: (n, 4) corners; scores: (n,). The best box is kept, all that overlap it by more than the threshold go, and so
    on. groups: (n,) ids; only boxes of the same group suppress one another. limit: stop after so many. Equal scores:
    the lower index first.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    names = np.zeros(len(order), np.int64) if groups is None else np.asarray(groups)[order]
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)[order]
    return order[_survivors(corners, names, iou_threshold, limit, border_width(border_pixels))]


def _candidates(probs: NDArray[Any], score: float, per_class: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Classes and anchors of the confidences above a score, by class, then anchor."""
    classes, boxes = np.nonzero(score < probs[:, 1:].T)
    counts = np.bincount(classes, minlength=probs.shape[1] - 1)
    if per_class is not None and counts.max(initial=0) > per_class:
        # Rank within the class, best first; equal confidences by anchor.
        order = np.lexsort((boxes, -probs[boxes, classes + 1], classes))
        rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        kept = np.sort(order[rank < per_class])
        classes, boxes = classes[kept], boxes[kept]
    return classes + 1, boxes


def _suppressed(
    classes: NDArray[Any],
    scores: Floats,
    corners: Floats,
    threshold: float,
    limit: int | None,
    width: float,
    across_classes: bool = False,
) -> Floats:
    """Rows of the candidates that NMS keeps."""
    order = np.lexsort((np.arange(len(scores)), classes, -scores))
    groups = np.zeros_like(classes) if across_classes else classes
    kept = order[_survivors(corners[order], groups[order], threshold, limit, width)]
    return np.concatenate([classes[kept, None], scores[kept, None], corners[kept]], axis=1)


def _survivors(
    corners: Floats, groups: NDArray[Any], threshold: float, limit: int | None, width: float
) -> NDArray[np.int64]:
    """Indices that greedy NMS keeps of candidates sorted best first, in that order.

    Candidates come in blocks: first the survivors so far suppress, then the block's own. That ends as soon as enough
    survive, and needs no more memory than a block against the survivors.
    """
    kept = np.zeros(0, np.int64)
    for start in range(0, len(corners), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(corners)))
        hit = _overlaps(corners, groups, kept, block, threshold, width).any(axis=0)
        block = block[~hit]
        kept = np.concatenate(
            [kept, block[_greedy(np.triu(_overlaps(corners, groups, block, block, threshold, width), 1))]]
        )
        if limit is not None and len(kept) >= limit:
            return kept[:limit]
    return kept


def _greedy(suppresses: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Who is left, (n,), where row i suppresses column j > i if row i is left itself.

    Each pass settles at least one more candidate in front, and usually nearly all.
    """
    left = np.ones(len(suppresses), bool)
    while True:
        again = ~suppresses[left].any(axis=0)
        if (again == left).all():
            return left
        left = again


def _overlaps(
    corners: Floats,
    groups: NDArray[Any],
    one: NDArray[np.int64],
    two: NDArray[np.int64],
    threshold: float,
    width: float,
) -> NDArray[np.bool_]:
    """Do boxes of one group overlap by more than the threshold? bool (len(one), len(two))."""
    a, b = corners[one].T[:, :, None], corners[two].T
    shared = np.maximum(np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]) + width, 0.0)
    shared *= np.maximum(np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]) + width, 0.0)
    areas = (a[2] - a[0] + width) * (a[3] - a[1] + width) + (b[2] - b[0] + width) * (b[3] - b[1] + width)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (shared / (areas - shared) > threshold) & (groups[one][:, None] == groups[two])


def _pixels(columns: Floats, coords: Coords, normalized: bool, height: int | None, width: int | None) -> Floats:
    """Corners from the last 12 columns of predictions: offsets, anchors, variances."""
    corners = decode_boxes(columns[:, :4], columns[:, 4:8], columns[:, 8:], coords)
    if not normalized:
        return corners
    if height is None or width is None:
        raise ValueError("normalised boxes become pixels only with img_height and img_width")
    return corners * [width, height, width, height]


def _clipped(rows: Floats, height: int | None, width: int | None) -> Floats:
    if height is None or width is None:
        raise ValueError("clip needs img_height and img_width")
    return np.concatenate([rows[:, :2], np.clip(rows[:, 2:], 0.0, [width, height, width, height])], axis=1)
