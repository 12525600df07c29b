"""Training on several devices and machines (`tf.distribute`): who takes part, who writes, what the others are told."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from ssdprep.record import SsdprepError

Strategy = tf.distribute.Strategy
_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
_PIECE = 2**22  # bytes told at once, each as a float
LONGEST_WAIT = 1800.0  # seconds for another worker, the chief's evaluation included; TensorFlow's own is for ever
_GONE = (  # how TensorFlow says, at the next exchange, that it failed because of another worker
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


def mirrored() -> Strategy:
    """All GPUs of this machine; without any, all logical CPU devices. To be made before TensorFlow computes."""
    return tf.distribute.MirroredStrategy()


def multiworker() -> Strategy:
    """All devices of all workers that ``TF_CONFIG`` names; waits for them. To be made before TensorFlow computes.

    Raises `SsdprepError` where TF_CONFIG does not say who takes part.
    """
    try:
        told = json.loads(os.environ.get("TF_CONFIG", ""))
        kinds, place = set(told["cluster"]), told["task"]
        known = kinds <= {"chief", "worker"} and 0 <= int(place["index"]) < len(told["cluster"][place["type"]])
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        what = "TF_CONFIG does not say which workers (and chief) there are, and which of them this is"
        raise SsdprepError(what, f"for the first of two: TF_CONFIG='{_EXAMPLE}'")
    patience = tf.distribute.experimental.CommunicationOptions(timeout_seconds=LONGEST_WAIT)
    return tf.distribute.MultiWorkerMirroredStrategy(communication_options=patience)


STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "none": tf.distribute.get_strategy,
    "mirrored": mirrored,
    "multiworker": multiworker,
}


def worker_count(strategy: Strategy) -> int:
    """How many processes train together."""
    cluster = strategy.cluster_resolver
    return max(1, len(cluster.cluster_spec().as_dict().get("worker", [])) + _chiefs(strategy)) if cluster else 1


def _chiefs(strategy: Strategy) -> int:
    return len(strategy.cluster_resolver.cluster_spec().as_dict().get("chief", []))


def is_chief(strategy: Strategy) -> bool:
    """Whether this process evaluates and writes: the chief, or else worker 0; any process that is alone."""
    if worker_count(strategy) == 1:
        return True
    place = strategy.cluster_resolver
    return place.task_type == "chief" or (not _chiefs(strategy) and place.task_id == 0)


def from_chief(strategy: Strategy, make: Callable[[], bytes]) -> bytes:
    """What the chief makes, told to every worker; the others wait for it."""
    if worker_count(strategy) == 1:
        return make()
    made = np.frombuffer(make() if is_chief(strategy) else b"", np.uint8)
    add = _adder(strategy)
    size = int(add(np.array([made.size], np.float64))[0])
    piece = min(size, _PIECE)
    if not piece:
        return b""  # TensorFlow crashes where it is to add up nothing
    padded = np.pad(made, (0, -(-size // piece) * piece - made.size))
    told = (add(part.astype(np.float32)).astype(np.uint8) for part in padded.reshape(-1, piece))  # GPUs add floats
    return b"".join(part.tobytes() for part in told)[:size]


def _adder(strategy: Strategy) -> Callable[[np.ndarray], np.ndarray]:
    """What adds up floats (n,) of all workers."""

    @tf.function
    def add(values: tf.Tensor) -> tf.Tensor:
        def part(values: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group % local == 0  # each device of a worker holds the same
            return context.all_reduce(tf.distribute.ReduceOp.SUM, values * tf.cast(first, values.dtype))

        return strategy.experimental_local_results(strategy.run(part, (values,)))[0]

    local = strategy.num_replicas_in_sync // worker_count(strategy)
    return lambda values: add(tf.constant(values)).numpy()


def require_same(strategy: Strategy, identity: Callable[[], str]) -> None:
    """Raises `SsdprepError` on a worker whose ``identity``, what it trains on and how, is not the chief's."""
    if worker_count(strategy) == 1:
        return
    mine = hashlib.sha256(identity().encode()).digest()
    if from_chief(strategy, lambda: mine) != mine:
        raise SsdprepError(
            "this worker does not see the photos, labels, classes, start weights and options that the chief sees",
            "give every worker the same DATA and the same options",
        )


def distributed(
    strategy: Strategy, batch: int, make: Callable[..., tf.data.Dataset]
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """The batches of ``make(shard=(i, k))``: each worker its shard, each replica an equal part of that.

    Raises `SsdprepError` where the replicas cannot share a batch evenly.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return make(shard=(0, 1))
    if batch % replicas:
        fair = max(1, round(batch / replicas)) * replicas
        raise SsdprepError(f"{replicas} devices cannot share batches of {batch} evenly", f"--batch {fair}")

    def of_worker(place: tf.distribute.InputContext) -> tf.data.Dataset:
        shard = make(shard=(place.input_pipeline_id, place.num_input_pipelines))
        return shard.rebatch(batch // replicas, drop_remainder=True).prefetch(2)

    return strategy.distribute_datasets_from_function(of_worker)


@contextmanager
def lost_workers_named() -> Iterator[None]:
    """Within the block, or the function that it decorates, a worker that has gone raises an `SsdprepError`."""
    try:
        yield
    except _GONE as error:
        if "ollective" not in error.message and "/job:" not in error.message:
            raise
        named = re.search(r"remote target /job:(\w+)/replica:\d+/task:(\d+)", error.message)
        who = f"{named[1]} {named[2]}" if named else "another worker"
        raise SsdprepError(
            f"{who} has gone, or cannot be reached: training cannot go on without it",
            "see what it said last; then start all again: they go on after the last whole epoch, if there is one",
        ) from error
