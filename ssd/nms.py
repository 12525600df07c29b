"""Of boxes on one object the best: greedy non-maximum suppression (NMS), and box voting, which places it better."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssd.geometry import Border, border_width

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PAIRS = 200_000  # candidates of one class, two by two, that are looked at at once
BLOCK = 256  # candidates that are looked at together
HEAD = 10  # times as many candidates as boxes wanted are looked at first


def greedy_nms(
    boxes: ArrayLike,
    scores: ArrayLike,
    iou_threshold: float,
    *,
    groups: ArrayLike | None = None,
    limit: int | None = None,
    border_pixels: Border = "half",
) -> Ints:
    """Indices of the boxes that are kept, best first.

    boxes: (n, 4) corners; scores: (n,). The best box is kept, all that overlap it by more than the threshold go, and so
    on with what is left. groups: int (n,); only boxes of the same group suppress one another. limit: stop after so
    many. Equal scores: the lower index first.
    """
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    names = np.zeros(len(corners), np.int64) if groups is None else np.asarray(groups)
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    return order[_survivors(corners[order], names[order], iou_threshold, limit, border_width(border_pixels))]


def suppress(
    scores: Floats,
    groups: Ints,
    corners_of: Callable[[Ints], Floats],
    iou_threshold: float,
    limit: int | None,
    border_pixels: Border = "half",
) -> tuple[Ints, Floats]:
    """As `greedy_nms`, for many candidates whose boxes are worked out on demand: indices and boxes of the kept.

    ``corners_of`` gives the boxes of the candidates at some indices. Where only the ``limit`` best are wanted, the
    foremost candidates are looked at alone: none that comes after can suppress them. The rest come in if too few stay.
    """
    attempts = [np.arange(len(scores))]
    if limit is not None and len(scores) > 2 * HEAD * limit > 0:
        attempts.insert(0, np.flatnonzero(highest(scores[None], HEAD * limit)[0]))
    for some in attempts:
        order = some[np.argsort(-scores[some], kind="stable")]
        corners = corners_of(order)
        kept = _survivors(corners, groups[order], iou_threshold, limit, border_width(border_pixels))
        if limit is None or len(kept) >= limit:
            break
    return order[kept], corners[kept]


def voted(kept: Floats, groups: Ints, voters: Floats, scores: Floats, groups_of: Ints, iou_threshold: float) -> Floats:
    """The boxes that NMS kept, each moved to the mean of all of its group that it overlaps, itself among them: (k, 4).

    kept: (k, 4) corners; groups: (k,); voters: (n, 4) all boxes that went in; scores, groups_of: (n,) theirs. A box
    weighs its score times what its IoU has above the threshold, so that one just on it weighs nothing. Several anchors
    see an object, each a little off; their mean lies better than the best of them (box voting: Gidaris and Komodakis
    2015, section 5).
    """
    moved, edges, all_edges = kept.copy(), _with_areas(kept, 0.0), _with_areas(voters, 0.0)
    for group in np.unique(groups):
        mine, theirs = np.flatnonzero(groups == group), np.flatnonzero(groups_of == group)
        overlaps = np.nan_to_num(_iou(edges[:, mine, None], all_edges[:, None, theirs], 0.0))
        weights = np.maximum(overlaps - iou_threshold, 0.0) * scores[theirs]
        counts = weights.sum(axis=1, keepdims=True)
        mean = (weights @ np.nan_to_num(voters[theirs])) / np.where(counts > 0, counts, 1.0)
        moved[mine] = np.where(counts > 0, mean, kept[mine])  # a box without area overlaps nothing, not even itself
    return moved


def highest(rows: NDArray[np.floating], count: int) -> Bools:
    """Where the ``count`` highest values of each row (m, n) stand, count <= n; of equal ones the first."""
    if not rows.size:
        return np.zeros(rows.shape, bool)
    lowest = np.partition(rows, -count, axis=1)[:, [-count]]
    above, equal = rows > lowest, rows == lowest
    room = count - np.count_nonzero(above, axis=1, keepdims=True)
    return above | (equal & (np.cumsum(equal, axis=1) <= room))


def _survivors(corners: Floats, groups: Ints, threshold: float, limit: int | None, width: float) -> Ints:
    """Indices that are kept of candidates sorted best first, in that order.

    Where few share a class, their pairs are all looked at. Else candidates come in blocks: first the survivors so far
    suppress, then the block's own. That ends as soon as enough survive, and needs no more memory than a block against
    the survivors.
    """
    boxes = _with_areas(corners, width)
    pairs = _pairs(groups)
    if pairs is not None:
        overlaps = _overlap(*(boxes.take(side, axis=1) for side in pairs), threshold, width)
        kept = np.flatnonzero(_left_of_pairs(pairs, overlaps, len(corners)))
        return kept if limit is None else kept[:limit]
    kept = np.zeros(0, np.int64)
    for start in range(0, len(corners), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(corners)))
        if len(kept):
            block = block[~_within_groups(boxes, groups, kept, block, threshold, width).any(axis=0)]
        among = np.triu(_within_groups(boxes, groups, block, block, threshold, width), 1)
        kept = np.concatenate([kept, block[_left(among)]])
        if limit is not None and len(kept) >= limit:
            return kept[:limit]
    return kept


def _left(suppresses: Bools) -> Bools:
    """Who is left, (n,), where row i suppresses column j > i if row i is left itself.

    Each pass settles at least one more candidate, from the front, and usually nearly all.
    """
    left = np.ones(len(suppresses), bool)
    while True:
        again = ~suppresses[left].any(axis=0)
        if (again == left).all():
            return left
        left = again


def _pairs(groups: Ints) -> tuple[Ints, Ints] | None:
    """All pairs (i, j) of one group with i < j; None where they are too many to be looked at together."""
    order = np.argsort(groups, kind="stable")
    _, sizes = np.unique(groups, return_counts=True)
    if (sizes * (sizes - 1) // 2).sum() > PAIRS:
        return None
    after = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(groups)) - 1  # of each, how many follow in its group
    first = np.repeat(np.arange(len(groups)), after)
    second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(after) - after, after)
    return order[first], order[second]


def _left_of_pairs(pairs: tuple[Ints, Ints], overlaps: Bools, n: int) -> Bools:
    """As `_left`, where the pairs that overlap are listed."""
    listed = np.flatnonzero(overlaps)
    better, worse = pairs[0][listed], pairs[1][listed]
    left = np.ones(n, bool)
    while True:
        again = np.ones(n, bool)
        again[worse[left[better]]] = False
        if (again == left).all():
            return left
        left = again


def _within_groups(boxes: Floats, groups: Ints, one: Ints, two: Ints, threshold: float, width: float) -> Bools:
    """Do boxes of one group overlap by more than the threshold? (len(one), len(two))."""
    overlaps = _overlap(boxes[:, one, None], boxes[:, None, two], threshold, width)
    return overlaps & (groups[one][:, None] == groups[two])


def _with_areas(corners: Floats, width: float) -> Floats:
    """Edges and area of each box: (5, n)."""
    x0, y0, x1, y1 = corners.T
    with np.errstate(invalid="ignore", over="ignore"):  # boxes may be as wild as a young network
        return np.stack([x0, y0, x1, y1, (x1 - x0 + width) * (y1 - y0 + width)])


def _overlap(a: Floats, b: Floats, threshold: float, width: float) -> Bools:
    """Do boxes overlap by more than the threshold? Edges and areas (5, ...) that broadcast; not where a union is 0."""
    with np.errstate(invalid="ignore"):
        return _iou(a, b, width) > threshold


def _iou(a: Floats, b: Floats, width: float) -> Floats:
    """IoU; nan where a union is 0."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        shared = np.maximum(np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]) + width, 0.0)
        shared *= np.maximum(np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]) + width, 0.0)
        return shared / (a[4] + b[4] - shared)
