"""Which anchor answers for which object. Weights are IoUs: objects in rows, anchors in columns.

Each object first gets one anchor of its own, the best pairs first; then every anchor that overlaps some object enough
takes the one it overlaps most (Liu et al. 2016, section 2.2). Anchors in between are neutral: no target, no background.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray

BACKGROUND, NEUTRAL = -1, -2


def match_bipartite_greedy(weight_matrix: ArrayLike) -> NDArray[np.int64]:
    """One column for each row, the greatest weight first; no column serves two rows.

    weight_matrix: (m, n), not negative. Returns int64 (m,): the column of each row, or -1 where no column with a weight
    above 0 was left. Equal weights: the lower row wins, then the lower column.
    """
    weights = _matrix(weight_matrix).copy()
    columns = np.full(len(weights), -1)
    for _ in range(min(weights.shape)):
        row, column = np.unravel_index(np.argmax(weights), weights.shape)
        if weights[row, column] <= 0:
            break
        columns[row] = column
        weights[row], weights[:, column] = 0.0, 0.0
    return columns


def match_multi(weight_matrix: ArrayLike, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best row of every column whose best weight reaches the threshold; a row may serve many columns.

    weight_matrix: (m, n). Returns (rows, columns), both int64 (k,), columns ascending. Equal weights: the lower row.
    """
    weights = _matrix(weight_matrix)
    if not len(weights):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    columns = np.flatnonzero(weights.max(axis=0) >= threshold)
    return weights[:, columns].argmax(axis=0), columns


def _matrix(weights: ArrayLike) -> NDArray[np.float64]:
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2:
        raise ValueError(f"weights must be a matrix, objects in rows and anchors in columns, not {matrix.shape}")
    return matrix


def match(weights: Any, pos_iou: float = 0.5, neg_iou: float = 0.3) -> tf.Tensor:
    """The object of each anchor, on tensors: int32 (..., n) from weights (..., m, n).

    An index into m; `BACKGROUND` (-1) below ``neg_iou``; `NEUTRAL` (-2) from there up to ``pos_iou``. Each object keeps
    the anchor that `match_bipartite_greedy` gives it, whatever its weight. Padded objects are rows of zeros and get no
    anchor. m may be 0, and may be unknown while a graph is traced.
    """
    weights = tf.convert_to_tensor(weights)
    shape = tf.shape(weights, tf.int64)
    m, n = shape[-2], shape[-1]
    table = tf.reshape(weights, [-1, m, n])
    best = tf.reduce_max(table, axis=1)  # of an empty column: -inf
    objects = tf.where(best >= neg_iou, NEUTRAL, BACKGROUND)

    # Only few anchors are positive: look for the best object of those alone.
    positive = tf.where(best >= pos_iou)
    image, anchor = positive[:, 0], positive[:, 1]
    rivals = tf.gather(tf.reshape(table, [-1]), (image * m + tf.range(m)[:, None]) * n + anchor)
    objects = tf.tensor_scatter_nd_update(objects, positive, _first_argmax(rivals))

    columns = _bipartite(table)
    owners = tf.where(columns >= 0)
    objects = tf.tensor_scatter_nd_update(objects, _places(owners, columns), tf.cast(owners[:, 1], tf.int32))
    return tf.reshape(objects, tf.concat([shape[:-2], [n]], axis=0))


def _bipartite(table: tf.Tensor) -> tf.Tensor:
    """What `match_bipartite_greedy` finds, for each of a batch (b, m, n): int32 (b, m), below 0 for no column.

    A pair that is the best of its row and of its column can be fixed before greater pairs elsewhere: no later choice
    undoes it. So each round fixes all such pairs at once, and one or two rounds do; only rows that lost look again.
    """
    b, m, n = tf.unstack(tf.shape(table))
    unmatched, without = -1, -2

    def fix_best_pairs(columns: tf.Tensor, wanted: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, ...]:
        columns = tf.where((columns == unmatched) & (weight <= 0), without, columns)
        unfixed = columns == unmatched
        # rivals[b, i, j]: how much row i weighs in the column that row j wants
        rivals = tf.where(unfixed[:, :, None], tf.gather(table, wanted, axis=-1, batch_dims=1), 0.0)
        wins = unfixed & (_first_argmax(rivals, axis=1) == tf.range(m))
        columns = tf.where(wins, wanted, columns)
        taken, lost = _places(tf.where(columns >= 0), columns), tf.where(unfixed & ~wins)
        free = tf.tensor_scatter_nd_update(tf.ones([b, n], table.dtype), taken, tf.zeros_like(taken[:, 0], table.dtype))
        next_best = _best(tf.gather_nd(table, lost) * tf.gather(free, lost[:, 0]))
        return columns, *map(tf.tensor_scatter_nd_update, (wanted, weight), (lost, lost), next_best)

    columns, _, _ = tf.while_loop(
        lambda columns, *_: tf.reduce_any(columns == unmatched),
        fix_best_pairs,
        [tf.fill([b, m], unmatched), *_best(table)],
        shape_invariants=[tf.TensorShape([None, None])] * 3,
        parallel_iterations=1,
    )
    return columns


def _best(weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The best column of each row (..., n), and its weight."""
    columns = tf.argmax(weights, axis=-1, output_type=tf.int32)
    return columns, tf.gather(weights, columns, axis=-1, batch_dims=len(columns.shape))


def _first_argmax(values: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """Where the maximum stands along an axis that may be empty."""
    floor = tf.fill(tf.tensor_scatter_nd_update(tf.shape(values), [[axis]], [1]), values.dtype.min)
    return tf.argmax(tf.concat([values, floor], axis=axis), axis=axis, output_type=tf.int32)


def _places(rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Indices (k, 2) into (b, n): the columns of the rows (k, 2) of (b, m)."""
    return tf.stack([rows[:, 0], tf.cast(tf.gather_nd(columns, rows), tf.int64)], axis=1)
