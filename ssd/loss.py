"""What a detector is trained to lower: class error over mined anchors, box error over those that hold an object.

L = (L_class + alpha * L_box) / N with N the positives of the batch, at least 1 (Liu et al. 2016, section 2.2). There
are far more background anchors than objects, so only the worst of them count: three for each positive. They are mined
over the whole batch, or within each image as the paper has it; an image without objects then teaches nothing.

The paper's box error is the smooth L1 of the offsets. Beside it stands the generalised IoU of the boxes themselves
(Rezatofighi et al. 2019), which is what they are judged by in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import tensorflow as tf

from ssd.boxes_tf import decode_boxes
from ssd.replicas import pooled, total

Mining = Literal["batch", "image"]
BoxLoss = Literal["smooth_l1", "giou"]
GIOU_WEIGHT = 2.0  # makes it about as large as smooth L1 is late in training; chosen on validation photos
SMALLEST_PROBABILITY = 1e-15
_LARGEST_GROWTH = 4.0  # logarithm of a box's side over its anchor's; beyond it a young network's boxes would overflow


class Loss(NamedTuple):
    """The two parts of the loss, scalars; their sum is what is trained on."""

    classes: tf.Tensor
    boxes: tf.Tensor


def multibox_loss(
    class_logits: Any,
    offsets_pred: Any,
    class_index: Any,
    offsets_true: Any,
    *,
    neg_pos_ratio: float = 3,
    n_neg_min: int = 0,
    alpha: float = 1.0,
    mining: Mining = "batch",
    box_loss: BoxLoss = "smooth_l1",
    variances: Sequence[float] = (0.1, 0.1, 0.2, 0.2),
) -> Loss:
    """The loss on logits, as training uses it: equal to `SSDLoss` on their softmax, and stable at any size of logit.

    class_logits: (B, n, C), class 0 is background; offsets_pred: (B, n, 4); the targets are those of
    `ssd.encoder.encode_targets`: class_index int (B, n), -1 neutral; offsets_true (B, n, 4). float16 is computed in
    float32. The box part comes multiplied by ``alpha``. Offsets of anchors without object are never looked at.
    box_loss: of the offsets, or of the boxes that they stand for (`giou_loss`, times `GIOU_WEIGHT`), for which
    ``variances`` are those of the offsets.

    In a replica of `tf.distribute` the batch is that of all replicas together, the positives and what is mined are
    those of the whole, and what is returned is this replica's share: over the replicas it adds up to the loss.
    """
    logits, predicted = _wide(class_logits), _wide(offsets_pred)
    class_index = tf.cast(class_index, tf.int32)
    positive = class_index > 0
    wrong = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(class_index, 0), logits)
    kept = _mined(tf.where(class_index == 0, wrong, 0.0), positive, neg_pos_ratio, n_neg_min, mining)
    offsets = tf.boolean_mask(predicted, positive)
    wanted = tf.cast(tf.boolean_mask(offsets_true, positive), predicted.dtype)
    if mining not in get_args(Mining) or box_loss not in get_args(BoxLoss):
        raise ValueError(f"mining and box_loss must be of {get_args(Mining)} and {get_args(BoxLoss)}")
    if box_loss == "giou":
        boxes = GIOU_WEIGHT * tf.reduce_sum(giou_loss(offsets, wanted, variances))
    else:
        boxes = tf.reduce_sum(_smooth(offsets - wanted))
    count = tf.maximum(total(tf.cast(tf.math.count_nonzero(positive), logits.dtype)), 1.0)
    classes = tf.reduce_sum(tf.boolean_mask(wrong, positive)) + tf.reduce_sum(kept)
    return Loss(classes / count, tf.cast(alpha * boxes, logits.dtype) / count)


def giou_loss(predicted: Any, true: Any, variances: Sequence[float]) -> tf.Tensor:
    """1 minus the generalised IoU of pairs of boxes, each pair given as offsets from one anchor: (..., 4) to (...).

    From 0, the same box, to 2, far apart (Rezatofighi et al. 2019, algorithm 1). Neither the anchor's place nor its
    sides change it, so that any will do: boxes are worked out from the unit square.
    """
    largest = tf.constant((np.inf, np.inf, *(_LARGEST_GROWTH / side for side in variances[2:])), predicted.dtype)
    unit = tf.constant((0.5, 0.5, 1.0, 1.0), predicted.dtype)
    one = decode_boxes(tf.minimum(predicted, largest), unit, variances)
    other = decode_boxes(true, unit, variances)
    shared = _area(tf.maximum(one[..., :2], other[..., :2]), tf.minimum(one[..., 2:], other[..., 2:]))
    union = _area(one[..., :2], one[..., 2:]) + _area(other[..., :2], other[..., 2:]) - shared
    hull = _area(tf.minimum(one[..., :2], other[..., :2]), tf.maximum(one[..., 2:], other[..., 2:]))
    return 2.0 - shared / union - union / hull


class SSDLoss:
    """The loss on probabilities, for ``model.compile(loss=SSDLoss().compute_loss)`` and code written for ssd_keras.

    neg_pos_ratio: background anchors kept for each positive; n_neg_min: how many are kept at least; alpha: weight of
    the box part; mining: over the "batch" or within each "image".
    """

    def __init__(
        self, neg_pos_ratio: float = 3, n_neg_min: int = 0, alpha: float = 1.0, mining: Mining = "batch"
    ) -> None:
        if mining not in ("batch", "image"):
            raise ValueError(f"mining must be batch or image, not {mining!r}")
        self.neg_pos_ratio, self.n_neg_min, self.alpha, self.mining = neg_pos_ratio, n_neg_min, alpha, mining

    def smooth_L1_loss(self, y_true: Any, y_pred: Any) -> tf.Tensor:  # noqa: N802 - the name that users know
        """Smooth L1, summed over the last axis: (..., 4) to (...)."""
        y_pred = _wide(y_pred)
        return tf.reduce_sum(_smooth(y_pred - tf.cast(y_true, y_pred.dtype)), axis=-1)

    def log_loss(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Cross-entropy of probabilities with (one-hot) ones, (..., C) to (...); probabilities count as >= 1e-15."""
        y_pred = _wide(y_pred)
        logs = tf.math.log(tf.maximum(y_pred, SMALLEST_PROBABILITY))
        return -tf.reduce_sum(tf.cast(y_true, y_pred.dtype) * logs, axis=-1)

    def compute_loss(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """The loss of each image, (B,), from (B, n_boxes, C + 12) each, as `SSDInputEncoder` and the models lay it out.

        The value of an image is B times its share, so that Keras' mean over the batch is the loss of the batch: use no
        other reduction. An anchor whose class vector is all zero is neutral.
        """
        y_pred = _wide(y_pred)
        y_true = tf.cast(y_true, y_pred.dtype)
        wrong = self.log_loss(y_true[..., :-12], y_pred[..., :-12])
        apart = self.smooth_L1_loss(y_true[..., -12:-8], y_pred[..., -12:-8])
        background, positive = y_true[..., 0], tf.reduce_max(y_true[..., 1:-12], axis=-1)
        kept = _mined(wrong * background, positive > 0, self.neg_pos_ratio, self.n_neg_min, self.mining)
        classes = tf.reduce_sum(wrong * positive, axis=-1) + kept
        boxes = tf.reduce_sum(apart * positive, axis=-1)
        batch = tf.cast(tf.shape(y_true)[0], y_pred.dtype)
        return batch * (classes + self.alpha * boxes) / tf.maximum(tf.reduce_sum(positive), 1.0)


def _mined(wrong: tf.Tensor, positive: tf.Tensor, ratio: float, least: int, mining: Mining) -> tf.Tensor:
    """What the worst background anchors of each image add up to: (B,) from their losses (B, n), 0 for other anchors."""
    over = tf.cast(positive, tf.float32)
    counted = tf.reduce_sum(over, axis=1) if mining == "image" else total(tf.reduce_sum(over))
    wanted = tf.maximum(tf.cast(ratio * counted, tf.int32), least)
    if mining == "image":
        wanted = tf.minimum(wanted, tf.math.count_nonzero(wrong, axis=1, dtype=tf.int32))
        worst = tf.math.top_k(wrong, tf.reduce_max(wanted)).values
        return tf.reduce_sum(tf.where(tf.sequence_mask(wanted, tf.shape(worst)[1]), worst, 0.0), axis=1)
    images, anchors = tf.unstack(tf.shape(wrong))
    mine = tf.reshape(wrong, [-1])
    everyone, begin = pooled(tf.stop_gradient(mine))
    most = tf.minimum(wanted, tf.math.count_nonzero(everyone, dtype=tf.int32))
    worst = tf.math.top_k(everyone, most).indices - begin
    worst = tf.boolean_mask(worst, (worst >= 0) & (worst < images * anchors))
    return tf.math.unsorted_segment_sum(tf.gather(mine, worst), worst // anchors, images)


def _area(low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """Of boxes by their corners, (..., 2) each; 0 where nothing lies between."""
    return tf.reduce_prod(tf.maximum(high - low, 0.0), axis=-1)


def _smooth(apart: tf.Tensor) -> tf.Tensor:
    """Half the square up to 1, linear beyond."""
    size = tf.abs(apart)
    return tf.where(size < 1.0, 0.5 * apart * apart, size - 0.5)


def _wide(values: Any) -> tf.Tensor:
    """float16 and bfloat16 as float32; the gradient that goes back is held within the narrow type's range."""
    values = tf.convert_to_tensor(values)
    if values.dtype in (tf.float32, tf.float64):
        return values
    narrow = values.dtype

    @tf.custom_gradient
    def widen(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return tf.cast(x, tf.float32), lambda gradient: tf.saturate_cast(gradient, narrow)

    return widen(values)
