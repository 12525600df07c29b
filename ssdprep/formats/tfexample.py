"""One photo as one TFRecord entry, with the keys of the TF object-detection API, and back. Needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssdprep.images import Encoded
from ssdprep.labels import LabelMap
from ssdprep.record import Box, Object, Size, SsdprepError
from ssdprep.tensorflow import import_tensorflow

BOX = "image/object/bbox/"
ORIGINAL = "image/original"  # of a picture that `ssdprep augment` drew: the stem of its photo; else absent
_BUFFER = 4 * 2**20  # bytes read at once: half the time of what TensorFlow takes by itself


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
    example = import_tensorflow().train.Example()
    features = example.features.feature  # filled in place: each message that is handed over is copied, photo and all

    def texts(key: str, *values: str | bytes) -> None:
        raw = [value if isinstance(value, bytes) else value.encode(errors="replace") for value in values]
        _extend(features[key].bytes_list, raw)

    def integers(key: str, *values: int) -> None:
        _extend(features[key].int64_list, values)

    integers("image/height", encoded.size.height)
    integers("image/width", encoded.size.width)
    texts("image/filename", source_id.rpartition("/")[2])
    texts("image/source_id", source_id)
    texts("image/key/sha256", sha256)
    texts("image/encoded", encoded.data)
    texts("image/format", encoded.format.lower())
    texts("image/object/class/text", *(thing.name for thing in objects))
    integers("image/object/class/label", *(labels.id_of(thing.name) for thing in objects))
    integers("image/object/difficult", *(int(thing.difficult) for thing in objects))
    integers("image/object/truncated", *(int(thing.truncated) for thing in objects))
    texts("image/object/view", *(thing.pose for thing in objects))
    if original:
        texts(ORIGINAL, original)
    for side, column in zip(Box._fields, shares_of(objects, encoded.size).T, strict=True):
        _extend(features[BOX + side].float_list, column.tolist())
    return example.SerializeToString(deterministic=True)  # type: ignore[no-any-return]


def _extend(values: Any, more: Sequence[Any]) -> None:
    """Values into a list of a feature; one that stays empty is there all the same."""
    values.SetInParent()
    values.value.extend(more)


def shares_of(objects: Sequence[Object], size: Size) -> NDArray[np.float32]:
    """Boxes as shares of the sides, float32 (N, 4) xmin ymin xmax ymax in 0..1."""
    edges = np.array([thing.box for thing in objects], dtype=np.float64).reshape(-1, 4)
    return np.clip(edges / [*size, *size], 0.0, 1.0).astype(np.float32)


def read_file(path: Path) -> Iterator[Stored]:
    """Every photo of one TFRecord file, in order, as plain values. TensorFlow checks the CRC of each.

    Raises `SsdprepError` for a damaged file.
    """
    return map(parse_stored, read_serialised(path))


def read_serialised(path: Path) -> Iterator[bytes]:
    """The entries of one TFRecord file as they stand. CRC and errors as in `read_file`."""
    tf = import_tensorflow()
    try:
        yield from tf.data.TFRecordDataset([str(path)], buffer_size=_BUFFER).as_numpy_iterator()
    except tf.errors.OpError as error:
        raise SsdprepError(f"{path} is damaged: {error.message}", "write it again with ssdprep tfrecord") from error


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
