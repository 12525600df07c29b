"""Sums and lists over all replicas of `tf.distribute`, inside a training step; with one replica they cost nothing."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def _context() -> Any:
    """Where values of other replicas can be had; None with one replica, and outside of a step."""
    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def replica_count() -> int:
    """How many replicas share a batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def total(values: Any) -> Any:
    """Tensors, alone or in a list, summed over the replicas: each replica gets the same. Gradients do not flow."""
    context = _context()
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values) if context else values


def pooled(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | int]:
    """(n,) of each replica, as many in each, one after the other; and where this replica's begin."""
    context = _context()
    if not context:
        return values, 0
    begin = context.replica_id_in_sync_group * tf.size(values)
    return context.all_gather(values, axis=0), begin
