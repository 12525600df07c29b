"""What a detector learns from or is judged on: one photo and its boxes; and a million of them, held as arrays."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar, overload

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from ssdprep import images
from ssdprep.formats.records import AGAIN, read_entries
from ssdprep.formats.tfexample import BOX, ORIGINAL
from ssdprep.labels import LabelMap
from ssdprep.record import Record, SsdprepError
from ssdprep.walk import folded

T = TypeVar("T")
_DIGITS = 16


class Stranger(NamedTuple):
    """A box of a class that the detector does not know: its name, and where it was written; line 0: in a TFRecord."""

    name: str
    path: Path
    line: int


@dataclass(frozen=True, slots=True)
class Example:
    """One photo to learn from or to be judged on: where its bytes are, and what is on it.

    boxes: (N, 4) float32 corners, shares of the upright photo's sides; ids: (N,) int32 from 1; difficult: (N,) bool.
    """

    source: str  # the photo's path, or its name in a TFRecord
    size: tuple[int, int]  # height, width of the upright photo
    boxes: np.ndarray
    ids: np.ndarray
    difficult: np.ndarray
    shard: tuple[Path, int, int] | None = None  # a TFRecord file, and where in it the photo's entry begins and ends
    original: str = ""  # names the photo that this picture was drawn from; "": nothing is known
    digest: str = ""  # of what `encoded` gives, see `digest_of`; "": not read yet
    strangers: tuple[Stranger, ...] = ()  # boxes left out for a class that the detector does not know

    def encoded(self) -> bytes:
        """Bytes of an upright RGB JPEG or PNG. `ImageFault`, `OSError` or `SsdprepError` where there are none."""
        return images.upright_bytes(Path(self.source)).data if self.shard is None else read_photo(*self.shard)


def example_of(record: Record, labels: LabelMap) -> Example:
    """A record whose boxes are upright, as an example, without boxes of classes that ``labels`` lacks."""
    assert record.size is not None
    things = [thing for thing in record.objects if thing.name in labels.names]
    sides = np.array([record.size.width, record.size.height] * 2, np.float32)
    boxes = np.array([thing.box for thing in things], np.float32).reshape(-1, 4)
    return Example(
        source=str(record.image),
        size=(record.size.height, record.size.width),
        boxes=np.clip(boxes / sides, 0.0, 1.0),
        ids=np.array([labels.id_of(thing.name) for thing in things], np.int32),
        difficult=np.array([thing.difficult for thing in things], bool),
        strangers=tuple(
            Stranger(thing.name, record.annotation or record.path, thing.line)
            for thing in record.objects
            if thing.name not in labels.names
        ),
    )


def digest_of(encoded: bytes) -> str:
    """The first 16 digits of the SHA-256 of a photo's bytes: tells photos apart, also in another folder."""
    return hashlib.sha256(encoded).hexdigest()[:_DIGITS]


def evenly(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, from all over the sequence."""
    return items[:: max(1, -(-len(items) // most))]


def chosen(examples: Sequence[Example], indices: Sequence[int]) -> Sequence[Example]:
    """Some of the examples; of those in TFRecords, still as arrays."""
    if isinstance(examples, RecordExamples):
        return examples.select(indices)
    return tuple(examples[i] for i in indices)


def together(one: Sequence[Example], other: Sequence[Example]) -> Sequence[Example]:
    """Two parts of a data set as one, in the order of the photos' paths; of TFRecords, still as arrays."""
    if isinstance(one, RecordExamples):
        return one.with_rows_of(other)
    return tuple(sorted((*one, *other), key=lambda example: example.source))


def read_photo(shard: Path, begin: int, end: int) -> bytes:
    """The photo of the entry at these bytes, held to the SHA-256 that ssdprep stored with it.

    `SsdprepError` names a file that is no longer what it was when it was opened.
    """
    with shard.open("rb") as file:
        file.seek(begin)
        entry = file.read(end - begin)
    try:
        features = tf.train.Example.FromString(entry).features.feature
        (photo,) = features["image/encoded"].bytes_list.value
        digests = features["image/key/sha256"].bytes_list.value  # other writers may leave it out
    except (DecodeError, ValueError) as error:
        raise SsdprepError(f"{shard} is damaged at byte {begin:,}", AGAIN) from error
    if digests and digests[0] != hashlib.sha256(photo).hexdigest().encode():
        raise SsdprepError(f"{shard} is damaged at byte {begin:,}: the photo there has changed", AGAIN)
    return photo


class Texts:
    """Many short texts as one run of bytes."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), array("q", [0])

    def append(self, text: str) -> None:
        """One more."""
        self._bytes += text.encode()
        self._ends.append(len(self._bytes))

    def __getitem__(self, index: int) -> str:
        return self._bytes[self._ends[index] : self._ends[index + 1]].decode()


class RecordTable:
    """What stands in TFRecord files beside the photos, column by column: about 150 bytes a photo with two boxes."""

    def __init__(self) -> None:
        self.shards: list[Path] = []
        self.vocabulary: dict[str, int] = {}  # class names in the order in which they were met
        self.sources, self.originals = Texts(), Texts()
        self._rows, self._things, self._digests = array("q"), array("f"), array("Q")
        self._ends = array("q", [0])  # of each row's things

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, shard: Path) -> Iterator[None]:
        """Read a file, row by row."""
        self.shards.append(shard)
        for begin, _, entry in read_entries(shard):
            try:
                self._add(begin, entry)
            except (DecodeError, ValueError, IndexError) as error:
                raise SsdprepError(f"{shard} holds at byte {begin:,} no labelled photo", AGAIN) from error
            yield

    def _add(self, begin: int, entry: bytes) -> None:
        features = tf.train.Example.FromString(entry).features.feature

        def numbers(key: str) -> Sequence[float]:
            return features[key].float_list.value or features[key].int64_list.value

        names = [text.decode() for text in features["image/object/class/text"].bytes_list.value]
        edges = [numbers(BOX + edge) for edge in ("xmin", "ymin", "xmax", "ymax")]
        difficult = numbers("image/object/difficult") or [0] * len(names)
        for name, hard, *box in zip(names, difficult, *edges, strict=True):
            self._things.extend([*box, self.vocabulary.setdefault(name, len(self.vocabulary)), hard])
        (source,) = features["image/filename"].bytes_list.value
        (photo,) = features["image/encoded"].bytes_list.value
        digest, *_ = (*features["image/key/sha256"].bytes_list.value, None)  # other writers may leave it out
        self._digests.append(int(digest_of(photo) if digest is None else digest[:_DIGITS], 16))
        drawn_from = features[ORIGINAL].bytes_list.value
        size = numbers("image/height")[0], numbers("image/width")[0]
        self._rows.extend([len(self.shards) - 1, begin, begin + len(entry), *map(int, size)])
        self._ends.append(len(self._things) // 6)
        self.sources.append(source.decode())
        self.originals.append(drawn_from[0].decode() if drawn_from else folded(Path(source.decode()).stem))

    def example(self, row: int, ids: np.ndarray) -> Example:
        """A row as an example; ``ids``: of each name of the vocabulary, 0 where its boxes are left out."""
        shard, begin, end, height, width = self._rows[5 * row : 5 * row + 5]
        things = np.array(self._things[6 * self._ends[row] : 6 * self._ends[row + 1]], np.float32).reshape(-1, 6)
        known = ids[things[:, 4].astype(np.int64)] > 0
        strangers, things = things[~known, 4].astype(np.int64), things[known]
        return Example(
            self.sources[row],
            (height, width),
            things[:, :4],
            ids[things[:, 4].astype(np.int64)],
            things[:, 5].astype(bool),
            (self.shards[shard], begin, end),
            self.originals[row],
            f"{self._digests[row]:0{_DIGITS}x}",
            tuple(Stranger(list(self.vocabulary)[number], self.shards[shard], 0) for number in strangers.tolist()),
        )


class RecordExamples(Sequence[Example]):
    """Rows of a table, each made an example when it is asked for. ids: int32, as `RecordTable.example` takes them."""

    def __init__(self, table: RecordTable, ids: np.ndarray, rows: np.ndarray) -> None:
        self._table, self._ids, self._rows = table, ids, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> RecordExamples: ...
    def __getitem__(self, index: int | slice) -> Example | RecordExamples:
        if isinstance(index, slice):
            return RecordExamples(self._table, self._ids, self._rows[index])
        return self._table.example(int(self._rows[index]), self._ids)

    def with_rows_of(self, other: Sequence[Example]) -> RecordExamples:
        """These and others of the same table, in its order."""
        rows = other._rows if isinstance(other, RecordExamples) else self._rows[:0]
        return RecordExamples(self._table, self._ids, np.sort(np.concatenate([self._rows, rows])))

    def select(self, indices: Sequence[int]) -> RecordExamples:
        """Some of them, in this order."""
        return RecordExamples(self._table, self._ids, self._rows[np.asarray(indices, np.int64)])
