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

from ssd.geometry import Coords, convert_coordinates

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
    coords: Coords = "centroids",
) -> NDArray[np.float64]:
    """The anchors of all layers: float64 (n_boxes, 4), by default centroids (cx, cy, w, h).

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
            coords,
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
    coords: Coords = "centroids",
) -> NDArray[np.float64]:
    """The anchors of one layer: float64 (rows, columns, boxes, 4), in the format ``coords``.

    step: pixels from one cell's centre to the next; by default the image is shared out evenly. offset: where in its
    cell the first centre lies, in steps; by default 0.5. normalize: as shares of the image's width and height instead
    of pixels.

    clip: False leaves boxes as they are, as the original SSD does; True or "corners" cuts them at the image's border.
    For compatibility: "pixels" pulls edges at or beyond W to W - 1 (the Keras port); "centroids" limits centres and
    sides to the image's sides, which moves and shrinks boxes alike (ssd.pytorch, lufficc/SSD); "sides" limits widths
    and heights (torchvision).
    """
    (height, width), (rows, columns) = image_size, feature_size
    down, across = _pair(step, (height / rows, width / columns))
    top, left = _pair(offset, (0.5, 0.5))
    shapes = box_shapes(min(image_size), scale, next_scale, aspect_ratios, two_boxes_for_ar1)
    boxes = np.empty((rows, columns, len(shapes), 4))
    boxes[..., 0] = np.linspace(left * across, (left + columns - 1) * across, columns)[None, :, None]
    boxes[..., 1] = np.linspace(top * down, (top + rows - 1) * down, rows)[:, None, None]
    boxes[..., 2:] = shapes
    # By way of corners, as the Keras port goes: the last bit decides between anchors that overlap an object equally.
    limit = np.array([width, height] * 2, dtype=np.float64)
    corners = clip_corners(convert_coordinates(clip_centroids(boxes, limit, clip), 0, "centroids2corners"), limit, clip)
    corners = corners / limit if normalize else corners
    return corners if coords == "corners" else convert_coordinates(corners, 0, f"corners2{coords}")


def box_shapes(
    side: float, scale: float, next_scale: float, aspect_ratios: Sequence[float], two_boxes_for_ar1: bool
) -> NDArray[np.float64]:
    """Widths and heights of the boxes in one cell, in their order: float64 (boxes, 2) in the unit of ``side``."""
    if not len(aspect_ratios) or min(aspect_ratios) <= 0:
        raise ValueError(f"aspect ratios must be one or more numbers above 0, not {list(aspect_ratios)}")
    shapes = []
    for ratio in aspect_ratios:
        shapes.append((scale * side * np.sqrt(ratio), scale * side / np.sqrt(ratio)))
        if ratio == 1 and two_boxes_for_ar1:
            shapes.append((np.sqrt(scale * next_scale) * side,) * 2)
    return np.array(shapes)


def clip_centroids(boxes: NDArray[np.float64], limit: NDArray[np.float64], clip: Clip) -> NDArray[np.float64]:
    """Centroids (..., 4) limited to [0, limit], or only their sides, where ``clip`` asks for that."""
    if clip not in ("centroids", "sides"):
        return boxes
    limited = np.clip(boxes, 0.0, limit)
    return limited if clip == "centroids" else np.concatenate([boxes[..., :2], limited[..., 2:]], axis=-1)


def clip_corners(corners: NDArray[np.float64], limit: NDArray[np.float64], clip: Clip) -> NDArray[np.float64]:
    """Corners (..., 4) cut at [0, limit], or pulled to limit - 1, where ``clip`` asks for that."""
    if clip is True or clip == "corners":
        return np.clip(corners, 0.0, limit)
    if clip == "pixels":
        return np.where(corners >= limit, limit - 1.0, np.maximum(corners, 0.0))
    if clip not in (False, "centroids", "sides"):
        raise ValueError(f"clip must be a bool, corners, pixels, centroids or sides, not {clip!r}")
    return corners


def paper_scales(min_scale: float, max_scale: float, n_layers: int) -> tuple[float, ...]:
    """Scales as the SSD paper gives them: evenly from min on the first to max on the last layer, then one step more."""
    step = (max_scale - min_scale) / (n_layers - 1) if n_layers > 1 else 0.0
    return tuple(min_scale + step * k for k in range(n_layers + 1))


def linspace_scales(min_scale: float, max_scale: float, n_layers: int) -> tuple[float, ...]:
    """Scales as the Keras port gives them: max is the extra scale, and the last layer stays one step below it."""
    return tuple(np.linspace(min_scale, max_scale, n_layers + 1).tolist())


def four_variances(values: Sequence[float]) -> tuple[float, float, float, float]:
    """What offsets are divided by, as four numbers; `ValueError` where they are not, or one is not above 0."""
    if len(values) != 4 or min(values) <= 0:
        raise ValueError(f"variances must be four numbers greater than 0, not {values}")
    one, two, three, four = map(float, values)
    return one, two, three, four


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
