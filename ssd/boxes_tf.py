"""The geometry of `ssd.geometry` on tensors, with any leading batch dimensions; dtypes stay what they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from ssd.geometry import (
    Border,
    Coords,
    Four,
    Mode,
    area_of,
    border_width,
    check_pairing,
    columns_of,
    edges_of,
    formats_of,
)


def convert_coordinates(tensor: Any, start_index: int, conversion: str, border_pixels: Border = "half") -> tf.Tensor:
    """Boxes in another format: ``tensor`` (..., K) with four columns changed. See `ssd.geometry`."""
    source, target = formats_of(conversion)
    tensor = tf.convert_to_tensor(tensor)
    first = start_index if start_index >= 0 else tensor.shape[-1] + start_index
    columns = tf.unstack(tensor, axis=-1)
    if len(columns[first : first + 4]) != 4:
        raise ValueError(f"four columns from {start_index} are needed; the shape is {tensor.shape}")
    edges = edges_of(tuple(columns[first : first + 4]), source)
    columns[first : first + 4] = columns_of(edges, target, border_width(border_pixels))
    return tf.stack(columns, axis=-1)


def intersection_area(
    boxes1: Any, boxes2: Any, coords: Coords = "centroids", mode: Mode = "outer_product", border_pixels: Border = "half"
) -> tf.Tensor:
    """The area that pairs of boxes share: (..., m, 4) and (..., n, 4) to (..., m, n), or (..., m) element-wise."""
    one, two = _pairs(boxes1, boxes2, coords, mode)
    return _shared(one, two, border_width(border_pixels))


def iou(
    boxes1: Any, boxes2: Any, coords: Coords = "centroids", mode: Mode = "outer_product", border_pixels: Border = "half"
) -> tf.Tensor:
    """Intersection over union of pairs of boxes, 0 where the union is empty; shapes as in `intersection_area`."""
    one, two = _pairs(boxes1, boxes2, coords, mode)
    width = border_width(border_pixels)
    shared = _shared(one, two, width)
    return tf.math.divide_no_nan(shared, area_of(one, width) + area_of(two, width) - shared)


def encode_offsets(boxes: Any, anchors: Any, variances: Sequence[float]) -> tf.Tensor:
    """Where boxes lie, seen from their anchors, in units of the variances: (..., 4) all, centroids in.

    Centres move by shares of the anchor's sides, sides by the logarithm of their ratio (Liu et al. 2016, section 2.2).
    """
    shift = (boxes[..., :2] - anchors[..., :2]) / anchors[..., 2:]
    growth = tf.math.log(boxes[..., 2:] / anchors[..., 2:])
    return tf.concat([shift, growth], axis=-1) / tf.constant(variances, shift.dtype)


def decode_boxes(offsets: Any, anchors: Any, variances: Sequence[float]) -> tf.Tensor:
    """Corners (..., 4) from the offsets to anchors given as centroids; undoes `encode_offsets`."""
    scaled = offsets * tf.constant(variances, offsets.dtype)
    anchors = tf.cast(anchors, offsets.dtype)
    centre = scaled[..., :2] * anchors[..., 2:] + anchors[..., :2]
    half = tf.exp(scaled[..., 2:]) * anchors[..., 2:] / 2
    return tf.concat([centre - half, centre + half], axis=-1)


def _pairs(boxes1: Any, boxes2: Any, coords: str, mode: str) -> tuple[Four, Four]:
    """Edges of both sets, shaped so that they broadcast to the pairs."""
    check_pairing(coords, mode)
    one, two = tf.convert_to_tensor(boxes1), tf.convert_to_tensor(boxes2)
    if mode == "outer_product":
        one, two = one[..., :, None, :], two[..., None, :, :]
    return edges_of(tuple(tf.unstack(one, axis=-1)), coords), edges_of(tuple(tf.unstack(two, axis=-1)), coords)


def _shared(one: Four, two: Four, width: float) -> tf.Tensor:
    across = tf.nn.relu(tf.minimum(one[2], two[2]) - tf.maximum(one[0], two[0]) + width)
    down = tf.nn.relu(tf.minimum(one[3], two[3]) - tf.maximum(one[1], two[1]) + width)
    return across * down
