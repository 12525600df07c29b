"""Predictions to detections: boxes from offsets, and of those on one object the best, in NumPy.

A detection is a row [class, confidence, xmin, ymin, xmax, ymax]. Rows come best first; equal confidences in the order
class, then anchor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd.geometry import Border, Coords
from ssd.nms import highest, suppress, voted

NMS_IOU = 0.45  # of the SSD paper, section 2.2
VOTE_SCORE = 0.01  # what has a lower one would weigh next to nothing in a vote
CANDIDATES = 400  # anchors of a class that go into NMS, as in the paper's code

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def decode_boxes(offsets: ArrayLike, anchors: ArrayLike, variances: ArrayLike, coords: Coords = "centroids") -> Floats:
    """Corners (..., 4) from offsets (..., 4) to anchors (..., 4), float64; undoes the encoder.

    Offsets, anchors and variances are all in the format ``coords``. `ssd.boxes_tf.decode_boxes` does it on tensors.
    """
    scaled = np.asarray(offsets, np.float64) * np.asarray(variances, np.float64)
    anchors = np.asarray(anchors, np.float64)
    if coords == "centroids":
        centre = scaled[..., :2] * anchors[..., 2:] + anchors[..., :2]
        with np.errstate(over="ignore"):  # a young network may ask for boxes of any size
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
    score: ArrayLike = 0.01,
    nms_iou: float = NMS_IOU,
    top_k: int | None = 200,
    candidates_per_class: int | None = CANDIDATES,
    vote: bool = False,
) -> Floats:
    """The detections on one image: float64 (M, 6), corners in the unit of the anchors, best first.

    class_probs: (n, C), class 0 is background; offsets: (n, 4); anchors: (n, 4) centroids. Of each class the
    ``candidates_per_class`` best anchors above ``score`` (a number, or one for each class) go into NMS, which drops a
    box that overlaps a better one of its class by more than ``nms_iou``; the ``top_k`` best of all classes are kept.
    None: no limit. vote: each kept box moves to the mean of the candidates that it overlaps (`ssd.nms.voted`), as
    `ssd.run.Run.detect` has it; all above `VOTE_SCORE` take part, so that where a box lies does not depend on a
    ``score`` above that.
    """
    offsets, anchors = np.asarray(offsets), np.asarray(anchors)
    return detect_boxes(
        class_probs,
        lambda i: decode_boxes(offsets[i], anchors[i], variances),
        score=score,
        nms_iou=nms_iou,
        top_k=top_k,
        candidates_per_class=candidates_per_class,
        vote=vote,
    )


def detect_boxes(
    class_probs: ArrayLike,
    corners_of: Callable[[Ints], Floats],
    *,
    score: ArrayLike,
    nms_iou: float = NMS_IOU,
    top_k: int | None,
    candidates_per_class: int | None = CANDIDATES,
    vote: bool,
) -> Floats:
    """`detect` with boxes from elsewhere: ``corners_of`` gives those of the anchors at some indices, (k, 4)."""
    probs = np.asarray(class_probs)
    classes, boxes = _candidates(probs, score, candidates_per_class)
    scores = probs[boxes, classes].astype(np.float64)
    kept, corners = suppress(scores, classes, lambda i: corners_of(boxes[i]), nms_iou, top_k)
    if vote and len(kept):
        groups, voters = _candidates(probs, np.minimum(score, VOTE_SCORE), candidates_per_class)
        known = np.isin(groups, classes[kept])
        groups, voters = groups[known], voters[known]
        weights = probs[voters, groups].astype(np.float64)
        corners = voted(corners, classes[kept], corners_of(voters), weights, groups, nms_iou)
    return _rows(classes[kept], scores[kept], corners)


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
    frame, limit = _frame(input_coords, normalize_coords, img_height, img_width, clip), _limit(top_k)

    def decoded(image: NDArray[Any]) -> Floats:
        classes, boxes = _candidates(image[:, :-12], confidence_thresh, candidates_per_class)
        scores = image[boxes, classes].astype(np.float64)
        kept, corners = suppress(
            scores, classes, lambda i: frame.corners(image[boxes[i], -12:]), iou_threshold, limit, border_pixels
        )
        return _rows(classes[kept], scores[kept], frame.clipped(corners))

    return [decoded(image) for image in _batch(y_pred)]


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

    Confidences of at least ``confidence_thresh`` count, equal ones by anchor. ``iou_threshold`` None: no suppression.
    """
    frame, limit = _frame(input_coords, normalize_coords, img_height, img_width, clip), _limit(top_k)
    threshold = np.inf if iou_threshold is None else iou_threshold

    def decoded(image: NDArray[Any]) -> Floats:
        likeliest = image[:, :-12].argmax(axis=1)
        scores = image[np.arange(len(image)), likeliest].astype(np.float64)
        boxes = np.flatnonzero((likeliest > 0) & (scores >= confidence_thresh))
        one_group = np.zeros_like(boxes)
        kept, corners = suppress(
            scores[boxes], one_group, lambda i: frame.corners(image[boxes[i], -12:]), threshold, limit, border_pixels
        )
        return _rows(likeliest[boxes[kept]], scores[boxes[kept]], frame.clipped(corners))

    return [decoded(image) for image in _batch(y_pred)]


def _limit(top_k: int | str) -> int | None:
    if top_k == "all":
        return None
    if isinstance(top_k, str) or top_k < 0:
        raise ValueError(f"top_k must be 'all' or a number, not {top_k!r}")
    return top_k


class _Frame(NamedTuple):
    """How predictions become boxes of an image."""

    coords: Coords
    scale: Floats  # (4,): from the unit of the anchors to that of the result
    limit: Floats | None  # (4,): where boxes are cut

    def corners(self, columns: NDArray[Any]) -> Floats:
        """From the last 12 columns of predictions: offsets, anchors, variances."""
        return decode_boxes(columns[:, :4], columns[:, 4:8], columns[:, 8:], self.coords) * self.scale

    def clipped(self, corners: Floats) -> Floats:
        return corners if self.limit is None else np.clip(corners, 0.0, self.limit)


def _frame(coords: Coords, normalized: bool, height: int | None, width: int | None, clip: bool) -> _Frame:
    if (normalized or clip) and (height is None or width is None):
        raise ValueError("img_height and img_width are needed to make pixels of normalised boxes, and to clip")
    size = np.array([width, height] * 2, np.float64)
    return _Frame(coords, size if normalized else np.ones(4), size if clip else None)


def _batch(y_pred: ArrayLike) -> NDArray[Any]:
    """Predictions as an array; `ValueError` where they have not the shape that models give."""
    predicted = np.asarray(y_pred)
    if predicted.ndim != 3 or predicted.shape[2] < 14:
        raise ValueError(f"predictions must have the shape (B, n_boxes, C + 12), not {predicted.shape}")
    return predicted


def _candidates(probs: NDArray[Any], score: ArrayLike, per_class: int | None) -> tuple[Ints, Ints]:
    """Classes and anchors of the confidences above a score, by class, then anchor."""
    chosen = probs[:, 1:] > score
    if per_class is not None:
        crowded = np.flatnonzero(chosen.sum(axis=0) > per_class)
        chosen[:, crowded] = highest(np.ascontiguousarray(probs[:, crowded + 1].T), per_class).T
    boxes, classes = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
    order = np.argsort(classes, kind="stable")
    return classes[order] + 1, boxes[order]


def _rows(classes: Ints, scores: Floats, corners: Floats) -> Floats:
    return np.concatenate([classes[:, None], scores[:, None], corners], axis=1)
