"""Non-maximum suppression inside an exported graph, of operations that TensorFlow, onnxruntime and LiteRT have."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from ssd.decoder import CANDIDATES, NMS_IOU, VOTE_SCORE
from ssd.evaluation.thresholds import LOWEST
from ssd.run import MAX_DETECTIONS

DETECTIONS = "detections"
TINY = 1e-12  # what a sum must not fall below to be divided by


def suppressed(model: keras.Model) -> keras.Model:
    """The model of `graph.exported` with one output, what `ssd.decoder.detect` gives: (1, `MAX_DETECTIONS`, 6).

    Its name is ``detections``. Rows class, score, xmin, ymin, xmax, ymax, best first; rows of zeros fill up.
    """
    image = keras.Input(model.input_shape[1:], batch_size=1, name="image")
    answer = model(image)
    found = Suppression(name=DETECTIONS)(answer["scores"], answer["boxes"])
    return keras.Model(image, {DETECTIONS: found}, name=model.name)


class Suppression(layers.Layer):
    """Class by class: the best candidates, those of them that no better one overlaps; of all classes the best."""

    def call(self, scores: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
        """scores (1, n, C + 1) and boxes (1, n, 4) to rows (1, MAX_DETECTIONS, 6)."""
        columns = tf.unstack(scores[0], axis=1)[1:]
        rows = tf.concat([_of_class(number, each, boxes[0]) for number, each in enumerate(columns, 1)], axis=0)
        _, best = tf.math.top_k(rows[:, 1], k=MAX_DETECTIONS)
        return tf.gather(rows, best)[None]


def _of_class(number: int, scores: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """Rows (MAX_DETECTIONS, 6) of one class."""
    scores, anchors = tf.math.top_k(scores, k=min(CANDIDATES, scores.shape[0]))
    boxes = tf.gather(boxes, anchors)
    kept, count = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes,
        scores=scores,
        max_output_size=tf.constant(MAX_DETECTIONS),
        iou_threshold=tf.constant(NMS_IOU),
        score_threshold=tf.constant(LOWEST),
        pad_to_max_output_size=True,
    )
    filled = tf.cast(tf.range(MAX_DETECTIONS) < count, tf.float32)[:, None]
    moved = _voted(tf.gather(boxes, kept), boxes, scores)
    return tf.concat([tf.fill([MAX_DETECTIONS, 1], float(number)), tf.gather(scores, kept)[:, None], moved], 1) * filled


def _voted(kept: tf.Tensor, boxes: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """`ssd.nms.voted` for boxes of one class: kept (k, 4), boxes (n, 4), scores (n,) to (k, 4)."""
    one, other = kept[:, None], boxes[None]
    sides = tf.nn.relu(tf.minimum(one[..., 2:], other[..., 2:]) - tf.maximum(one[..., :2], other[..., :2]))
    shared = sides[..., 0] * sides[..., 1]
    areas = [(each[..., 2] - each[..., 0]) * (each[..., 3] - each[..., 1]) for each in (one, other)]
    counted = tf.where(scores > VOTE_SCORE, scores, 0.0)
    weights = tf.nn.relu(shared / tf.maximum(areas[0] + areas[1] - shared, TINY) - NMS_IOU) * counted
    counts = tf.reduce_sum(weights, axis=1, keepdims=True)
    return tf.where(counts > 0, tf.matmul(weights, boxes) / tf.maximum(counts, TINY), kept)
