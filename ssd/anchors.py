"""Anchor boxes: a fixed set of boxes over the image, from which a detector's predictions are measured.

Every cell of every feature map carries one box for each of the layer's aspect ratios, and one more square whose side is
the geometric mean of the layer's scale and the next (Liu et al. 2016, section 2.2). Scales are shares of the image's
shorter side. The boxes stand in the order layer, row, column, box in cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ssd.geometry import convert_coordinates

Size = tuple[int, int]  # height, width
Pair = float | tuple[float, float] | None  # one value for both directions, or (vertical, horizontal)
Clip = bool | Literal["corners", "pixels", "centroids", "sides"]


def anchor_boxes(
    image_size: Size,
    feature_sizes: Sequence[Size],
    scales: Sequence[float],
    aspect_ratios: Sequence[Sequence[float]],
    two_boxes_for_ar1: bool | Sequence[bool] = True,
    steps: Sequence[Pair] | None = None,
    offsets: Sequence[Pair] | None = None,
    clip: Clip = False,
    normalize: bool = True,
) -> NDArray[np.float64]:
    """The anchors of all layers: float64 (n_boxes, 4) centroids (cx, cy, w, h).

    image_size: (height, width) in pixels. feature_sizes: (rows, columns) of each layer. scales: one for each layer and
    one more, for the last geometric mean. aspect_ratios: width to height, a sequence for each layer; the other options
    are those of `layer_anchor_boxes`, for each layer. `ValueError` where a length does not fit.
    """
    n = len(feature_sizes)
    _check_lengths(n, scales, aspect_ratios, steps, offsets)
    twice = [two_boxes_for_ar1] * n if isinstance(two_boxes_for_ar1, bool) else two_boxes_for_ar1
    layers = [
        layer_anchor_boxes(
            image_size,
            feature_sizes[k],
            scales[k],
            scales[k + 1],
            aspect_ratios[k],
            twice[k],
            steps[k] if steps else None,
            offsets[k] if offsets else None,
            clip,
            normalize,
        ).reshape(-1, 4)
        for k in range(n)
    ]
    return np.concatenate(layers)


def layer_anchor_boxes(
    image_size: Size,
    feature_size: Size,
    scale: float,
    next_scale: float,
    aspect_ratios: Sequence[float],
    two_boxes_for_ar1: bool = True,
    step: Pair = None,
    offset: Pair = None,
    clip: Clip = False,
    normalize: bool = True,
) -> NDArray[np.float64]:
    """The anchors of one layer: float64 (rows, columns, boxes, 4) centroids.

    step: pixels from one cell's centre to the next; by default the image is shared out evenly. offset: where in its
    cell the first centre lies, in steps; by default 0.5. normalize: as shares of the image's width and height instead
    of pixels. clip: see `clip_boxes`.
    """
    (height, width), (rows, columns) = image_size, feature_size
    down, across = _pair(step, (height / rows, width / columns))
    top, left = _pair(offset, (0.5, 0.5))
    shapes = box_shapes(min(image_size), scale, next_scale, aspect_ratios, two_boxes_for_ar1)
    boxes = np.empty((rows, columns, len(shapes), 4))
    boxes[..., 0] = ((np.arange(columns) + left) * across)[None, :, None]
    boxes[..., 1] = ((np.arange(rows) + top) * down)[:, None, None]
    boxes[..., 2:] = shapes
    boxes = clip_boxes(boxes, image_size, clip)
    return boxes / [width, height, width, height] if normalize else boxes


def box_shapes(
    side: float, scale: float, next_scale: float, aspect_ratios: Sequence[float], two_boxes_for_ar1: bool
) -> NDArray[np.float64]:
    """Widths and heights of the boxes in one cell, in their order: float64 (boxes, 2) in the unit of ``side``."""
    shapes = []
    for ratio in aspect_ratios:
        shapes.append((scale * side * np.sqrt(ratio), scale * side / np.sqrt(ratio)))
        if ratio == 1 and two_boxes_for_ar1:
            shapes.append((np.sqrt(scale * next_scale) * side,) * 2)
    return np.array(shapes)


def clip_boxes(boxes: NDArray[np.float64], image_size: Size, clip: Clip) -> NDArray[np.float64]:
    """Anchors (..., 4), centroids in pixels, cut to the image in one of the ways that are in use.

    False: not at all, as the original SSD does. True or "corners": edges to [0, W] and [0, H]. For compatibility:
    "pixels" pulls edges at or beyond W to W - 1 (the Keras port); "centroids" limits centres and sides to the image's
    sides, which moves and shrinks boxes alike (ssd.pytorch, lufficc); "sides" limits widths and heights (torchvision).
    """
    if not clip:
        return boxes
    limit = np.array([image_size[1], image_size[0]] * 2, dtype=np.float64)
    if clip == "centroids":
        return np.clip(boxes, 0.0, limit)
    if clip == "sides":
        return np.concatenate([boxes[..., :2], np.clip(boxes[..., 2:], 0.0, limit[2:])], axis=-1)
    corners = convert_coordinates(boxes, 0, "centroids2corners")
    if clip == "pixels":
        corners = np.where(corners >= limit, limit - 1.0, np.maximum(corners, 0.0))
    elif clip in (True, "corners"):
        corners = np.clip(corners, 0.0, limit)
    else:
        raise ValueError(f"clip must be a bool, corners, pixels, centroids or sides, not {clip!r}")
    return convert_coordinates(corners, 0, "corners2centroids")


def paper_scales(min_scale: float, max_scale: float, n_layers: int) -> tuple[float, ...]:
    """Scales as the SSD paper gives them: evenly from min on the first to max on the last layer, then one step more."""
    step = (max_scale - min_scale) / (n_layers - 1) if n_layers > 1 else 0.0
    return tuple(min_scale + step * k for k in range(n_layers + 1))


def linspace_scales(min_scale: float, max_scale: float, n_layers: int) -> tuple[float, ...]:
    """Scales as the Keras port gives them: max is the extra scale, and the last layer stays one step below it."""
    return tuple(np.linspace(min_scale, max_scale, n_layers + 1).tolist())


def _pair(value: Pair, default: tuple[float, float]) -> tuple[float, float]:
    if value is None:
        return default
    return value if isinstance(value, (tuple, list)) else (value, value)


def _check_lengths(
    n: int,
    scales: Sequence[float],
    aspect_ratios: Sequence[Sequence[float]],
    steps: Sequence[Pair] | None,
    offsets: Sequence[Pair] | None,
) -> None:
    if len(scales) != n + 1:
        raise ValueError(f"{n} layers need {n + 1} scales, not {len(scales)}")
    for name, values in (("aspect_ratios", aspect_ratios), ("steps", steps), ("offsets", offsets)):
        if values is not None and len(values) != n:
            raise ValueError(f"{n} layers need {n} {name}, not {len(values)}")
