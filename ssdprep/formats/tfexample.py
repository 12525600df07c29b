"""One photo as one TFRecord entry, with the keys of the TF object-detection API, and back.

Only what takes an entry apart needs TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssdprep.formats import protobuf
from ssdprep.formats.protobuf import Feature, Kind
from ssdprep.images import Encoded
from ssdprep.labels import LabelMap
from ssdprep.record import Box, Object, Size
from ssdprep.tensorflow import import_tensorflow

BOX = "image/object/bbox/"
ORIGINAL = "image/original"  # of a picture that `ssdprep augment` drew: the stem of its photo; else absent


class Stored(NamedTuple):
    """One photo of a TFRecord file."""

    source_id: str  # the photo's path below the folder that it came from
    filename: str
    encoded: bytes  # JPEG or PNG, upright, 8-bit RGB
    sha256: str  # of ``encoded``, as written
    size: Size
    boxes: NDArray[np.float32]  # (N, 4) xmin ymin xmax ymax, shares of the sides
    ids: tuple[int, ...]  # class ids, from 1
    objects: tuple[Object, ...]  # the same boxes in pixels, with names and flags


def serialise(
    source_id: str, encoded: Encoded, sha256: str, objects: Sequence[Object], labels: LabelMap, original: str = ""
) -> bytes:
    """A photo and its objects, boxes in pixels of ``encoded``, as the bytes of a ``tf.train.Example``.

    sha256: of the photo's bytes, in hexadecimal. original: of a drawn picture, the stem of its photo.
    """
    features = {
        "image/height": Feature(Kind.INTEGERS, [encoded.size.height]),
        "image/width": Feature(Kind.INTEGERS, [encoded.size.width]),
        "image/filename": _texts(source_id.rpartition("/")[2]),
        "image/source_id": _texts(source_id),
        "image/key/sha256": _texts(sha256),
        "image/encoded": Feature(Kind.BYTES, [encoded.data]),
        "image/format": _texts(encoded.format.lower()),
        "image/object/class/text": _texts(*(thing.name for thing in objects)),
        "image/object/class/label": Feature(Kind.INTEGERS, [labels.id_of(thing.name) for thing in objects]),
        "image/object/difficult": Feature(Kind.INTEGERS, [int(thing.difficult) for thing in objects]),
        "image/object/truncated": Feature(Kind.INTEGERS, [int(thing.truncated) for thing in objects]),
        "image/object/view": _texts(*(thing.pose for thing in objects)),
    }
    if original:
        features[ORIGINAL] = _texts(original)
    for side, column in zip(Box._fields, _shares(objects, encoded.size).T, strict=True):
        features[BOX + side] = Feature(Kind.FLOATS, column)
    return protobuf.example(features)


def _texts(*values: str) -> Feature:
    return Feature(Kind.BYTES, [value.encode(errors="replace") for value in values])


def _shares(objects: Sequence[Object], size: Size) -> NDArray[np.float32]:
    """Boxes as shares of the sides, float32 (N, 4) xmin ymin xmax ymax in 0..1."""
    edges = np.array([thing.box for thing in objects], dtype=np.float64).reshape(-1, 4)
    return np.clip(edges / [*size, *size], 0.0, 1.0).astype(np.float32)


def parse_spec() -> dict[str, Any]:
    """The keys that training needs, as `tf.io.parse_single_example` takes them; N objects give N values a key."""
    tf = import_tensorflow()
    one = {"image/encoded": tf.string, "image/source_id": tf.string, "image/height": tf.int64, "image/width": tf.int64}
    each = {BOX + side: tf.float32 for side in Box._fields}
    each |= {"image/object/class/label": tf.int64, "image/object/difficult": tf.int64}
    return {
        **{key: tf.io.FixedLenFeature([], kind) for key, kind in one.items()},
        **{key: tf.io.FixedLenSequenceFeature([], kind, allow_missing=True) for key, kind in each.items()},
    }


def parse_example(serialised: Any) -> dict[str, Any]:
    """One record as tensors, eager or in a graph: ``tf.data.TFRecordDataset(files).map(parse_example)``.

    Keys: image, string, JPEG or PNG bytes; boxes, (N, 4) float32, xmin ymin xmax ymax as shares of the sides; classes,
    (N,) int64, from 1; difficult, (N,) bool; size, (2,) int64, height and width; source_id, string.
    """
    tf = import_tensorflow()
    found = tf.io.parse_single_example(serialised, parse_spec())
    return {
        "image": found["image/encoded"],
        "boxes": tf.stack([found[BOX + side] for side in Box._fields], axis=-1),
        "classes": found["image/object/class/label"],
        "difficult": tf.cast(found["image/object/difficult"], tf.bool),
        "size": tf.stack([found["image/height"], found["image/width"]]),
        "source_id": found["image/source_id"],
    }


def parse_stored(serialised: bytes) -> Stored:
    """One entry as plain values."""
    features = import_tensorflow().train.Example.FromString(serialised).features.feature

    def text(key: str) -> str:
        return str(features[key].bytes_list.value[0].decode())

    size = Size(features["image/width"].int64_list.value[0], features["image/height"].int64_list.value[0])
    columns = [np.array(features[BOX + side].float_list.value, dtype=np.float32) for side in Box._fields]
    shares = np.stack(columns, axis=1)
    pixels = np.round(shares.astype(np.float64) * [*size, *size], 3).tolist()  # float32 holds no more
    objects = zip(
        features["image/object/class/text"].bytes_list.value,
        pixels,
        features["image/object/view"].bytes_list.value,
        features["image/object/truncated"].int64_list.value,
        features["image/object/difficult"].int64_list.value,
        strict=True,
    )
    return Stored(
        source_id=text("image/source_id"),
        filename=text("image/filename"),
        encoded=features["image/encoded"].bytes_list.value[0],
        sha256=text("image/key/sha256"),
        size=size,
        boxes=shares,
        ids=tuple(features["image/object/class/label"].int64_list.value),
        objects=tuple(
            Object(name.decode(), Box(*box), view.decode(), bool(truncated), bool(difficult))
            for name, box, view, truncated, difficult in objects
        ),
    )
