"""Non-maximum suppression inside an exported graph, of operations that TensorFlow, onnxruntime and LiteRT have."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from ssd.exports.check import CANDIDATES, LOWEST, MOST, NMS_IOU

DETECTIONS = "detections"


def suppressed(model: keras.Model) -> keras.Model:
    """The model of `graph.exported` with one output: ``detections`` (1, MOST, 6), what `ssd.decoder.detect` gives.

    Rows class, score, xmin, ymin, xmax, ymax, best first; rows of zeros fill up.
    """
    image = keras.Input(model.input_shape[1:], batch_size=1, name="image")
    answer = model(image)
    found = Suppression(name=DETECTIONS)(answer["scores"], answer["boxes"])
    return keras.Model(image, {DETECTIONS: found}, name=model.name)


class Suppression(layers.Layer):
    """Class by class: the best candidates, those of them that no better one overlaps; of all classes the best."""

    def call(self, scores: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
        """scores (1, n, C + 1) and boxes (1, n, 4) to rows (1, MOST, 6)."""
        columns = tf.unstack(scores[0], axis=1)[1:]
        rows = tf.concat([_of_class(number, each, boxes[0]) for number, each in enumerate(columns, 1)], axis=0)
        _, best = tf.math.top_k(rows[:, 1], k=MOST)
        return tf.gather(rows, best)[None]


def _of_class(number: int, scores: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """Rows (MOST, 6) of one class."""
    scores, anchors = tf.math.top_k(scores, k=min(CANDIDATES, scores.shape[0]))
    boxes = tf.gather(boxes, anchors)
    kept, count = tf.raw_ops.NonMaxSuppressionV4(
        boxes=boxes,
        scores=scores,
        max_output_size=tf.constant(MOST),
        iou_threshold=tf.constant(NMS_IOU),
        score_threshold=tf.constant(LOWEST),
        pad_to_max_output_size=True,
    )
    filled = tf.cast(tf.range(MOST) < count, tf.float32)[:, None]
    rows = tf.concat([tf.fill([MOST, 1], float(number)), tf.gather(scores, kept)[:, None], tf.gather(boxes, kept)], 1)
    return rows * filled
