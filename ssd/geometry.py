"""Boxes in the three formats of the field: conversion, intersection and IoU, in NumPy float64.

``corners`` is (xmin, ymin, xmax, ymax), ``minmax`` (xmin, xmax, ymin, ymax), ``centroids`` (cx, cy, w, h). The border
rule says whether the pixels on a box's border belong to it: ``half`` (edges are lines, width xmax - xmin), ``include``
(one more) or ``exclude`` (one less); the last two make sense in pixels only. `ssd.boxes_tf` does the same on tensors.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Coords = Literal["corners", "minmax", "centroids"]
Border = Literal["half", "include", "exclude"]
Mode = Literal["outer_product", "element-wise"]
Four = tuple[Any, Any, Any, Any]  # the columns of boxes: arrays or tensors of one shape

COORDS = ("corners", "minmax", "centroids")
_BORDER_WIDTH = {"half": 0.0, "include": 1.0, "exclude": -1.0}


def convert_coordinates(
    tensor: ArrayLike, start_index: int, conversion: str, border_pixels: Border = "half"
) -> NDArray[np.float64]:
    """Boxes in another format: a float64 copy of ``tensor`` (..., K) in which four columns changed.

    ``start_index``: the first of the four columns; negative counts from the end. ``conversion``: "corners2centroids"
    and the like, any two formats. The border rule acts on the sides w and h that come out, and only there: centroids
    always become the edges of their true size. `ValueError` for an unknown conversion or border rule, or fewer columns.
    """
    source, target = formats_of(conversion)
    width = border_width(border_pixels)
    result = np.array(tensor, dtype=np.float64)
    four = result[..., start_index : start_index + 4 or None]
    if four.shape[-1] != 4:
        raise ValueError(f"four columns from {start_index} are needed; the shape is {result.shape}")
    edges = edges_of(tuple(np.moveaxis(four, -1, 0)), source)
    four[...] = np.stack(columns_of(edges, target, width), axis=-1)
    return result


def intersection_area(
    boxes1: ArrayLike,
    boxes2: ArrayLike,
    coords: Coords = "centroids",
    mode: Mode = "outer_product",
    border_pixels: Border = "half",
) -> NDArray[np.float64]:
    """The area that pairs of boxes share, 0 where they share none.

    boxes1: (m, 4) or (4,), boxes2: (n, 4) or (4,). "outer_product" gives every pair, (m, n); "element-wise" the pairs
    of equal index, (m,), where one box may stand against many. `ValueError` for other shapes, coords or modes.
    """
    one, two = _pairs(boxes1, boxes2, coords, mode)
    return _shared(one, two, border_width(border_pixels))


def iou(
    boxes1: ArrayLike,
    boxes2: ArrayLike,
    coords: Coords = "centroids",
    mode: Mode = "outer_product",
    border_pixels: Border = "half",
) -> NDArray[np.float64]:
    """Intersection over union of pairs of boxes; arguments and shapes as in `intersection_area`.

    The border rule counts in the intersection as in both areas, so that a box has IoU 1 with itself. 0 where the union
    is empty.
    """
    one, two = _pairs(boxes1, boxes2, coords, mode)
    width = border_width(border_pixels)
    shared = _shared(one, two, width)
    union = area_of(one, width) + area_of(two, width) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def edges_of(columns: Four, coords: str) -> Four:
    """xmin, ymin, xmax, ymax from the columns of any format; arrays and tensors alike."""
    a, b, c, d = columns
    if coords == "minmax":
        return a, c, b, d
    if coords == "centroids":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    return columns


def columns_of(edges: Four, coords: str, width: float) -> Four:
    """The columns of any format from xmin, ymin, xmax, ymax; ``width`` is added to the sides of centroids."""
    x0, y0, x1, y1 = edges
    if coords == "minmax":
        return x0, x1, y0, y1
    if coords == "centroids":
        return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0 + width, y1 - y0 + width
    return edges


def area_of(edges: Four, width: float) -> Any:
    """Areas of boxes given by their edges; arrays and tensors alike."""
    x0, y0, x1, y1 = edges
    return (x1 - x0 + width) * (y1 - y0 + width)


def formats_of(conversion: str) -> tuple[str, str]:
    """The two formats that a conversion's name joins."""
    source, _, target = conversion.partition("2")
    if source not in COORDS or target not in COORDS or source == target:
        raise ValueError(f"conversion must join two of {', '.join(COORDS)} with a 2, not {conversion!r}")
    return source, target


def border_width(border_pixels: str) -> float:
    """How much wider than xmax - xmin a box is under a border rule."""
    if border_pixels not in _BORDER_WIDTH:
        raise ValueError(f"border_pixels must be one of {', '.join(_BORDER_WIDTH)}, not {border_pixels!r}")
    return _BORDER_WIDTH[border_pixels]


def check_pairing(coords: str, mode: str) -> None:
    """`ValueError` for an unknown box format or way of pairing."""
    if coords not in COORDS:
        raise ValueError(f"coords must be one of {', '.join(COORDS)}, not {coords!r}")
    if mode not in ("outer_product", "element-wise"):
        raise ValueError(f"mode must be outer_product or element-wise, not {mode!r}")


def _pairs(boxes1: ArrayLike, boxes2: ArrayLike, coords: str, mode: str) -> tuple[Four, Four]:
    """Edges of both sets, shaped so that they broadcast to the pairs."""
    check_pairing(coords, mode)
    sets = []
    for boxes in (np.asarray(boxes1, np.float64), np.asarray(boxes2, np.float64)):
        if boxes.ndim not in (1, 2) or boxes.shape[-1] != 4:
            raise ValueError(f"boxes must have the shape (n, 4) or (4,), not {boxes.shape}")
        sets.append(np.atleast_2d(boxes).T)
    one, two = sets
    if mode == "outer_product":
        one = one[:, :, None]
    elif len({one.shape[1], two.shape[1]} - {1}) > 1:
        raise ValueError(f"{one.shape[1]} boxes cannot be paired one by one with {two.shape[1]}")
    return edges_of(tuple(one), coords), edges_of(tuple(two), coords)


def _shared(one: Four, two: Four, width: float) -> NDArray[np.float64]:
    across = np.maximum(np.minimum(one[2], two[2]) - np.maximum(one[0], two[0]) + width, 0.0)
    down = np.maximum(np.minimum(one[3], two[3]) - np.maximum(one[1], two[1]) + width, 0.0)
    return across * down
