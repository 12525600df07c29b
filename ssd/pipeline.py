"""Photos to batches. Training, evaluation and prediction read their pixels here, and nowhere else.

A photo's bytes become an upright RGB JPEG or PNG (`ssdprep.images.upright_bytes`; its own bytes where they are one
already), TensorFlow decodes those, and one resampling brings them to the network's input. A TFRecord holds such bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from ssd.augmentation import Augmentation, augment, sample
from ssd.encoder import encode_targets
from ssd.presets import Config
from ssdprep import images
from ssdprep.labels import LabelMap
from ssdprep.record import Record

WHOLE = tf.constant([0.0, 0.0, 1.0, 1.0])
CACHED = 2**31  # bytes of decoded pictures that are kept in memory; beyond, photos are decoded again in each epoch


@dataclass(frozen=True)
class Example:
    """One photo to learn from or to be judged on: where its bytes are, and what is on it.

    boxes: (N, 4) float32 corners, shares of the upright photo's sides; ids: (N,) int32 from 1; difficult: (N,) bool.
    """

    source: str  # the photo's path, or its name in a TFRecord
    size: tuple[int, int]  # height, width of the upright photo
    boxes: np.ndarray
    ids: np.ndarray
    difficult: np.ndarray
    shard: tuple[Path, int] | None = None  # a TFRecord file and where in it the photo's record begins
    data: bytes | None = None  # the photo's upright bytes, where they were read before
    original: str = ""  # names the photo that this picture was drawn from; "": nothing is known

    def encoded(self) -> bytes:
        """Bytes of an upright RGB JPEG or PNG."""
        if self.data is not None:
            return self.data
        if self.shard is None:
            return images.upright_bytes(Path(self.source)).data
        return read_record(*self.shard).features.feature["image/encoded"].bytes_list.value[0]

    def image(self) -> np.ndarray:
        """The upright photo: uint8 (H, W, 3)."""
        return decode(self.encoded()).numpy()


def read_record(shard: Path, offset: int) -> tf.train.Example:
    """The record that begins at ``offset`` of a TFRecord file: eight bytes of length, four of checksum, the message."""
    with shard.open("rb") as file:
        file.seek(offset)
        (length,) = struct.unpack("<Q4x", file.read(12))
        return tf.train.Example.FromString(file.read(length))


def example_of(record: Record, labels: LabelMap) -> Example:
    """A record whose boxes are upright, as an example. An unknown class raises `SsdprepError`."""
    assert record.size is not None
    sides = np.array([record.size.width, record.size.height] * 2, np.float32)
    boxes = np.array([thing.box for thing in record.objects], np.float32).reshape(-1, 4)
    return Example(
        source=str(record.image),
        size=(record.size.height, record.size.width),
        boxes=np.clip(boxes / sides, 0.0, 1.0),
        ids=np.array([labels.id_of(thing.name) for thing in record.objects], np.int32),
        difficult=np.array([thing.difficult for thing in record.objects], bool),
    )


def decode(encoded: tf.Tensor) -> tf.Tensor:
    """Bytes of an upright RGB JPEG or PNG to uint8 (H, W, 3), with the exact inverse DCT that other decoders use."""
    image = tf.cond(
        tf.io.is_jpeg(encoded),
        lambda: tf.io.decode_jpeg(encoded, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(encoded, channels=3),
    )
    return tf.ensure_shape(image, (None, None, 3))


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
) -> tf.data.Dataset:
    """An endless stream of ``(images, (class_index, offsets))`` for training, the same for the same seed.

    images: (B, h, w, 3) float32 in 0..255; class_index: (B, n_boxes) int32, 0 background, -1 neutral; offsets:
    (B, n_boxes, 4) float32. Photos are shrunk once to twice the input, kept in memory while they fit, reshuffled in
    each epoch.
    """
    photos = _photos(examples, longest=2 * max(config.image_size))
    if sum(_shrunk_bytes(e, 2 * max(config.image_size)) for e in examples) <= CACHED:
        photos = photos.cache()
    photos = photos.shuffle(min(len(examples), 4096), seed=seed).repeat()
    numbered = tf.data.Dataset.zip(tf.data.Dataset.counter(dtype=tf.int32), photos)
    priors = tf.constant(anchors, tf.float32)

    def draw(number: tf.Tensor, photo: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, tuple[tf.Tensor, tf.Tensor]]:
        picture, boxes, ids = augment(*photo, tf.stack([seed, number]), config.image_size, how)
        return picture, encode_targets(
            boxes, ids, priors, variances=config.variances, pos_iou=config.pos_iou, neg_iou=config.neg_iou
        )

    drawn = numbered.map(draw, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return drawn.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(examples: Sequence[Example], size: tuple[int, int], *, batch: int) -> tf.data.Dataset:
    """The photos at the network's input, in order, none left out: (<= batch, h, w, 3) float32 in 0..255."""
    inputs = _photos(examples).map(lambda image, *_: to_input(image, size), num_parallel_calls=tf.data.AUTOTUNE)
    return inputs.batch(batch).prefetch(tf.data.AUTOTUNE)


def _photos(examples: Sequence[Example], longest: int | None = None) -> tf.data.Dataset:
    """Decoded photos with their labels: uint8 (H, W, 3), (N, 4), (N,)."""

    def bytes_of(index: np.ndarray) -> bytes:
        return examples[int(index)].encoded()

    def labels_of(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return examples[int(index)].boxes, examples[int(index)].ids

    def read(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        image = decode(tf.ensure_shape(tf.numpy_function(bytes_of, [index], tf.string), ()))
        boxes, ids = tf.numpy_function(labels_of, [index], (tf.float32, tf.int32))
        shrunk = _shrink(image, longest) if longest else image
        return shrunk, tf.ensure_shape(boxes, (None, 4)), tf.ensure_shape(ids, (None,))

    indices = tf.data.Dataset.range(len(examples))
    return indices.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _shrink(image: tf.Tensor, longest: int) -> tf.Tensor:
    """The photo with its longer side brought down to ``longest``; smaller photos stay as they are."""
    sides = tf.cast(tf.shape(image)[:2], tf.float32)
    scale = tf.minimum(1.0, longest / tf.reduce_max(sides))
    target = tf.maximum(1, tf.cast(tf.round(sides * scale), tf.int32))

    def shrunk() -> tf.Tensor:
        small = tf.image.resize(image, target, antialias=True)
        return tf.cast(tf.round(tf.clip_by_value(small, 0.0, 255.0)), tf.uint8)

    return tf.cond(scale < 1.0, shrunk, lambda: image)


def _shrunk_bytes(example: Example, longest: int) -> float:
    height, width = example.size
    scale = min(1.0, longest / max(height, width))
    return 3 * height * width * scale * scale
