"""Objects to training targets: what a detector should say at each anchor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from ssd.boxes_tf import convert_coordinates, encode_offsets, iou
from ssd.matching import match


class Targets(NamedTuple):
    """What training compares a detector with, one row an anchor."""

    class_index: tf.Tensor  # int32 (..., n_boxes): class 1.., 0 background, -1 neutral
    offsets: tf.Tensor  # float32 (..., n_boxes, 4), 0 where no object is


def encode_targets(
    boxes: Any,
    class_ids: Any,
    anchors: Any,
    *,
    variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
    pos_iou: float = 0.5,
    neg_iou: float = 0.3,
) -> Targets:
    """The targets of an image or of a batch, on tensors, for `ssd.loss.multibox_loss`.

    boxes: (..., N, 4) corners as shares of the image's sides; class_ids: int (..., N), from 1; an id of 0 or less is
    padding, whatever its box. anchors: (n_boxes, 4) centroids as shares. N may be 0. Objects without area, or beyond
    all anchors, get none.
    """
    class_ids = tf.cast(class_ids, tf.int32)
    boxes = tf.where(class_ids[..., None] > 0, tf.cast(boxes, tf.float32), 0.0)
    anchors = tf.cast(anchors, tf.float32)
    weights = iou(boxes, convert_coordinates(anchors, 0, "centroids2corners"), coords="corners")
    objects = match(weights, pos_iou, neg_iou)
    named = tf.concat(
        [tf.fill(tf.concat([tf.shape(class_ids)[:-1], [1]], 0), value) for value in (-1, 0)] + [class_ids], -1
    )
    class_index = tf.gather(named, objects + 2, axis=-1, batch_dims=class_ids.shape.rank - 1)

    positive = tf.where(objects >= 0)
    places = tf.concat([positive[:, :-1], tf.cast(tf.gather_nd(objects, positive), tf.int64)[:, None]], axis=1)
    centroids = convert_coordinates(tf.gather_nd(boxes, places), 0, "corners2centroids")
    offsets = encode_offsets(centroids, tf.gather(anchors, positive[:, -1]), variances)
    shape = tf.cast(tf.concat([tf.shape(objects), [4]], axis=0), tf.int64)
    return Targets(class_index, tf.scatter_nd(positive, offsets, shape))
