"""Pure geometry on boxes: float arrays of shape (N, 4), columns xmin ymin xmax ymax, pixel edges, 0-based.

Every function returns a new float64 array; arguments are never edited. An image of width W spans [0, W]: a flip or a
turn maps [0, W] onto [0, W], without a +1 or a -1 anywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ssdprep.record import Size

Boxes = NDArray[np.float64]


def as_boxes(boxes: ArrayLike) -> Boxes:
    """Anything box-like as a fresh (N, 4) float64 array; an empty list gives shape (0, 4)."""
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def area(boxes: ArrayLike) -> NDArray[np.float64]:
    """Areas in square pixels, shape (N,); an inverted box has area 0."""
    b = as_boxes(boxes)
    sides: NDArray[np.float64] = np.maximum(b[:, 2:] - b[:, :2], 0.0)
    return sides[:, 0] * sides[:, 1]


def clip(boxes: ArrayLike, size: Size) -> Boxes:
    """Boxes cut at the borders of an image."""
    b = as_boxes(boxes)
    limit = np.array([size.width, size.height] * 2, dtype=np.float64)
    return np.minimum(np.maximum(b, 0.0), limit)


def iou(boxes1: ArrayLike, boxes2: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union of every pair, shape (N, M); 0 where both areas are 0."""
    a, b = as_boxes(boxes1)[:, None], as_boxes(boxes2)[None]
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0.0)
    inter = sides[..., 0] * sides[..., 1]
    union = area(boxes1)[:, None] + area(boxes2)[None] - inter
    result: NDArray[np.float64] = np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)
    return result


def flip_h(boxes: ArrayLike, size: Size) -> Boxes:
    """Mirror left to right."""
    b = as_boxes(boxes)
    return np.stack([size.width - b[:, 2], b[:, 1], size.width - b[:, 0], b[:, 3]], axis=1)


def flip_v(boxes: ArrayLike, size: Size) -> Boxes:
    """Mirror top to bottom."""
    b = as_boxes(boxes)
    return np.stack([b[:, 0], size.height - b[:, 3], b[:, 2], size.height - b[:, 1]], axis=1)


def transpose(boxes: ArrayLike) -> Boxes:
    """Mirror at the main diagonal: x and y change places, and so do the image's sides."""
    return as_boxes(boxes)[:, [1, 0, 3, 2]]


def upright(boxes: ArrayLike, orientation: int, stored: Size) -> Boxes:
    """Boxes of the stored frame, seen in the upright frame (EXIF 2.32, tag 0x0112).

    ``stored`` is the size of the pixel array in the file. Orientations other than 1..8 are a ``ValueError``.
    """
    match orientation:
        case 1:
            return as_boxes(boxes)
        case 2:
            return flip_h(boxes, stored)
        case 3:
            return flip_v(flip_h(boxes, stored), stored)
        case 4:
            return flip_v(boxes, stored)
        case 5:
            return transpose(boxes)
        case 6:  # shown after a quarter turn clockwise
            return flip_h(transpose(boxes), stored.swapped)
        case 7:
            return flip_v(flip_h(transpose(boxes), stored.swapped), stored.swapped)
        case 8:  # shown after a quarter turn counter-clockwise
            return flip_v(transpose(boxes), stored.swapped)
    raise ValueError(f"orientation must be 1..8, not {orientation}")


def warp(boxes: ArrayLike, matrix: NDArray[Any]) -> Boxes:
    """Corner boxes after an affine map: the smallest upright rectangles around the moved corners.

    ``matrix``: shape (2, 3) or (3, 3), acting on column vectors (x, y, 1).
    """
    b = as_boxes(boxes)
    corners = b[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    moved = corners @ matrix[:2, :2].T + matrix[:2, 2]
    return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1).reshape(-1, 4)


def warp_ellipse(boxes: ArrayLike, matrix: NDArray[Any]) -> Boxes:
    """Boxes after an affine map, tighter than `warp`: the upright rectangles around the moved inscribed ellipses.

    Few objects fill the corners of their box; after a rotation or a shear `warp` encloses those empty corners too.
    Both agree where no corner leaves its axis: shifts, flips, scales, quarter turns. ``matrix`` as in `warp`.
    """
    b = as_boxes(boxes)
    centre = (b[:, :2] + b[:, 2:]) / 2 @ matrix[:2, :2].T + matrix[:2, 2]
    reach = np.hypot(*np.moveaxis((b[:, None, 2:] - b[:, None, :2]) / 2 * matrix[:2, :2], -1, 0))
    return np.concatenate([centre - reach, centre + reach], axis=1)
