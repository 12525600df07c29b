"""Photos to batches. Whatever sees an `Example` reads its pixels here; prediction, which decodes each photo once and
may see videos, reads its own (`ssd.prediction.sources`) and brings them to the input by the same `to_input`.

A photo's bytes become an upright RGB JPEG or PNG (`ssdprep.images.upright_bytes`; its own bytes where they are one
already), TensorFlow decodes those, and one resampling brings them to the network's input. A TFRecord holds such bytes.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from ssd.augmentation import Augmentation, augment, sample
from ssd.encoder import encode_targets
from ssd.examples import Example
from ssd.presets import Config
from ssd.sampling import Order, repeat_factors
from ssdprep.faults import damage
from ssdprep.images import ImageFault
from ssdprep.record import SsdprepError

_FAULT = "a photo cannot be read: "  # begins the text that `faults_named` looks for
WHOLE = tf.constant([0.0, 0.0, 1.0, 1.0])
CACHED = 2**31  # bytes of decoded pictures that are kept in memory; beyond, photos are decoded again in each epoch


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Bytes of an upright RGB JPEG or PNG to uint8 (H, W, 3), with the exact inverse DCT that other decoders use."""
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(encoded, channels=3),
    )
    return tf.ensure_shape(image, (None, None, 3))


def read(example: Example) -> tf.Tensor:
    """The photo of an example, upright: uint8 (H, W, 3). `SsdprepError` names one that cannot be read."""
    try:
        return decode(example.encoded())
    except (ImageFault, OSError) as error:
        finding = damage(Path(example.source), error)
        raise SsdprepError(f"{finding.path}: {finding.message}", finding.remedy) from error
    except tf.errors.OpError as error:
        told = f"{example.source}: cannot be decoded: {error.message}"
        raise SsdprepError(told, "copy it from its source again") from error


def to_input(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """A photo at the network's input: uint8 (H, W, 3) to float32 (h, w, 3) in 0..255, sides stretched to fit."""
    return sample(image, WHOLE, size)


def training_batches(
    examples: Sequence[Example],
    config: Config,
    anchors: np.ndarray,
    *,
    batch: int,
    seed: int,
    how: Augmentation,
    balance: float = 0.0,
    first: int = 0,
    shard: tuple[int, int] = (0, 1),
    cached: int = CACHED,
    workers: int = tf.data.AUTOTUNE,
) -> tf.data.Dataset:
    """An endless stream of ``(images, (class_index, offsets))`` for training.

    images: (B, h, w, 3) float32 in 0..255; class_index: (B, n_boxes) int32, 0 background, -1 neutral; offsets:
    (B, n_boxes, 4) float32. Element n, its photo and every draw, depends on ``seed`` and n alone: the stream is the
    same with any number of ``workers`` (threads), and ``first`` begins it at any step. ``shard`` (i, k) takes elements
    i, i + k ... of each batch: k workers together see one stream. ``balance``: see `ssd.sampling.repeat_factors`.
    Photos are shrunk once to twice the input; ``cached`` bytes of them are kept, the others are decoded again each
    time. A photo that cannot be read raises in the consumer: see `faults_named`.
    """
    order = _order(examples, batch, seed, balance)
    pictures = _Pictures(examples, longest=2 * max(config.image_size), cached=cached)
    index, count = shard
    if not 0 <= index < count <= batch:
        raise ValueError(f"shard {index} of {count} cannot share batches of {batch}")
    priors = tf.constant(anchors, tf.float32)

    def draw(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        photo = pictures.read(number, lambda n: order.photo(int(n)))
        return augment(*photo, tf.stack([seed, number]), config.image_size, how)

    def encode(images: tf.Tensor, boxes: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        return images, encode_targets(
            boxes, ids, priors, variances=config.variances, pos_iou=config.pos_iou, neg_iou=config.neg_iou
        )

    steps = tf.data.Dataset.range(first, tf.int64.max // batch)
    numbers = steps.flat_map(lambda step: tf.data.Dataset.range(step * batch + index, (step + 1) * batch, count))
    drawn = numbers.map(draw, num_parallel_calls=workers, deterministic=True)
    padded = drawn.padded_batch(len(range(index, batch, count)), drop_remainder=True)  # an id of 0 is no object
    return padded.map(encode, num_parallel_calls=workers, deterministic=True).prefetch(2)


def batch_examples(
    examples: Sequence[Example], step: int, *, batch: int, seed: int, balance: float = 0.0
) -> list[Example]:
    """What step 0, 1 ... of `training_batches` shows, in the batch's order; element b is draw ``step * batch + b``."""
    return [examples[i] for i in _order(examples, batch, seed, balance).photos(step)]


def _order(examples: Sequence[Example], batch: int, seed: int, balance: float) -> Order:
    often = repeat_factors([example.ids for example in examples], balance) if balance else np.ones(len(examples))
    return Order(often, batch, seed)


def evaluation_batches(examples: Sequence[Example], size: tuple[int, int], *, batch: int) -> Iterator[tf.Tensor]:
    """The photos at the network's input, in order, none left out: (<= batch, h, w, 3) float32 in 0..255.

    Raises `SsdprepError` for a photo that cannot be read.
    """
    pictures = _Pictures(examples)
    indices = tf.data.Dataset.range(len(examples))
    inputs = indices.map(lambda i: to_input(pictures.read(i)[0], size), num_parallel_calls=tf.data.AUTOTUNE)
    with faults_named():
        yield from inputs.batch(batch).prefetch(2)


@contextmanager
def faults_named() -> Iterator[None]:
    """Within the block a photo that cannot be read raises the `SsdprepError` that names it.

    From where photos are read to where batches are used TensorFlow carries an error's text and nothing else. However
    the block is left early, it is not left before the readers have come to rest: see `_Readers`.
    """
    try:
        yield
    except BaseException as error:
        readers.rest()
        if isinstance(error, tf.errors.OpError) and (found := re.search(f"{_FAULT}(.*)", error.message)):
            raise SsdprepError(*json.loads(found[1])) from error
        raise


class _Readers:
    """The threads of TensorFlow that are in Python, to read photos ahead.

    An iterator that Python frees waits for them, and holds Python's lock meanwhile, which they wait for: for ever. So
    nobody may drop an iterator while they are at work. They come to rest by themselves where nobody takes batches: what
    they may read ahead is bounded.
    """

    _STILL, _PATIENCE = 0.2, 60.0  # seconds without a reader that count as rest, and after which it is given up

    def __init__(self) -> None:
        self._lock, self._count, self._last = threading.Lock(), 0, 0.0

    def __enter__(self) -> None:
        with self._lock:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1
            self._last = time.monotonic()

    def rest(self) -> None:
        """Wait until no photo is being read."""
        begin = time.monotonic()
        while self._count or time.monotonic() - max(begin, self._last) < self._STILL:
            if time.monotonic() - begin > self._PATIENCE:
                return
            time.sleep(self._STILL / 10)


readers = _Readers()


class _Pictures:
    """Decoded photos by their place in ``examples``, with their labels; the first that fit are kept in memory."""

    def __init__(self, examples: Sequence[Example], longest: int | None = None, cached: int = 0) -> None:
        self._examples, self._longest, self._left = examples, longest, cached
        self._kept: dict[int, np.ndarray] = {}
        self._room = threading.Lock()

    def read(self, number: tf.Tensor, place: Callable[[Any], int] = int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Of an element of a data set: uint8 (H, W, 3), boxes (N, 4), ids (N,)."""

        def read(number: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            with readers:
                index = place(number)
                example = self._examples[index]
                return self._picture(index, example), example.boxes, example.ids

        image, boxes, ids = tf.numpy_function(read, [number], (tf.uint8, tf.float32, tf.int32))
        return (
            tf.ensure_shape(image, (None, None, 3)),
            tf.ensure_shape(boxes, (None, 4)),
            tf.ensure_shape(ids, (None,)),
        )

    def _picture(self, index: int, example: Example) -> np.ndarray:
        if index in self._kept:
            return self._kept[index]
        image = _read_inside(example)
        picture = (_shrink(image, self._longest) if self._longest else image).numpy()
        with self._room:
            if index not in self._kept and picture.nbytes <= self._left:
                self._left -= picture.nbytes
                self._kept[index] = picture
        return picture


def _read_inside(example: Example) -> tf.Tensor:
    """`read` within a data set: its error becomes a text that `faults_named` understands."""
    try:
        return read(example)
    except SsdprepError as error:
        raise RuntimeError(_FAULT + json.dumps((error.message, error.remedy))) from error


def _shrink(image: tf.Tensor, longest: int) -> tf.Tensor:
    """The photo with its longer side brought down to ``longest``; smaller photos stay as they are."""
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.minimum(1.0, longest / tf.reduce_max(sides))
    target = tf.maximum(1, tf.cast(tf.round(sides * scale), tf.int32))

    def shrunk() -> tf.Tensor:
        small = tf.image.resize(image, target, antialias=True)
        return tf.cast(tf.round(tf.clip_by_value(small, 0.0, 255.0)), tf.uint8)

    return tf.cond(scale < 1.0, shrunk, lambda: image)
