"""What the detector learns from: a photo folder, or the TFRecord folder that `ssdprep tfrecord` wrote, as examples."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from ssd.pipeline import Example, example_of
from ssdprep.labels import LabelMap, read_label_map
from ssdprep.orient import to_upright
from ssdprep.record import Finding, Record, Severity, SsdprepError, Track, untracked
from ssdprep.scan import scan_folder


@dataclass(frozen=True)
class Source:
    """A data set ready for a detector: its label map, its examples by split, and what was found on the way.

    ``splits`` has the key "all" and, where the data set is split, "train", "val", "test".
    """

    path: Path
    labels: LabelMap
    splits: dict[str, tuple[Example, ...]]
    findings: tuple[Finding, ...]

    def split(self, name: str) -> tuple[Example, ...]:
        """The examples of a split; `SsdprepError` names those that there are."""
        if name in self.splits:
            return self.splits[name]
        raise SsdprepError(
            f"{self.path} has no split {name!r}, only {', '.join(self.splits)}",
            f"ssdprep split {self.path}, or --split all",
        )


def open_source(path: Path, labels: LabelMap | None = None, *, track: Track = untracked) -> Source:
    """Read a data set. ``labels`` gives the ids (a trained detector's); without it the data set's own names, sorted.

    Photos without an annotation, without a readable image, or whose boxes lie in an unknown EXIF frame are left out,
    each with a finding. Raises `SsdprepError` where nothing is left, or a class is not in ``labels``.
    """
    source = _from_tfrecords(path, labels) if (path / "manifest.json").is_file() else _from_photos(path, labels, track)
    if not source.splits["all"]:
        raise SsdprepError(f"{path} holds no labelled photo that can be used", f"ssdprep audit {path}")
    return source


def train_and_val(source: Source, seed: int) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """What to train on and what to validate on; never the test split.

    Without a val split, every eighth photo of train is set aside, by a hash of its name and the seed, so that the
    choice is the same on every machine. Without any split, the whole set counts as train.
    """
    training = source.splits.get("train", source.splits["all"])
    if not training:
        raise SsdprepError(f"the train split of {source.path} is empty", f"ssdprep split {source.path}")
    if source.splits.get("val"):
        return training, source.splits["val"]
    held = set(_held_out(training, seed, share=8))
    if len(training) < 2:
        raise SsdprepError("one photo cannot be split into train and val", "label more photos")
    return (
        tuple(e for i, e in enumerate(training) if i not in held),
        tuple(e for i, e in enumerate(training) if i in held),
    )


def _held_out(examples: Sequence[Example], seed: int, share: int) -> list[int]:
    """Indices of one in ``share``, spread over the rarest class of each photo, so that val sees every class it can."""
    counts: dict[int, int] = {}
    for example in examples:
        for class_id in example.ids.tolist():
            counts[class_id] = counts.get(class_id, 0) + 1

    def key(i: int) -> tuple[int, int, str]:
        rarest = min(((counts[c], c) for c in examples[i].ids.tolist()), default=(0, 0))
        return (*rarest, hashlib.sha256(f"{seed}/{Path(examples[i].source).name}".encode()).hexdigest())

    order = sorted(range(len(examples)), key=key)
    return order[share // 2 :: share] or order[-1:]


def _from_photos(path: Path, labels: LabelMap | None, track: Track) -> Source:
    scanned = scan_folder(path, track=track)
    dataset = to_upright(scanned)
    usable = {record.image: record for record in dataset.records if record.image and record.annotation and record.size}
    labels = labels or LabelMap.from_names(dataset.classes)
    examples = {image: example_of(record, labels) for image, record in usable.items()}

    def chosen(records: Sequence[Record]) -> tuple[Example, ...]:
        return tuple(examples[record.image] for record in records if record.image in examples)

    splits = {name: chosen(records) for name, records in dataset.splits.items() if name != "trainval"}
    unlabelled = [record.image for record in dataset.records if record.image and not record.annotation]
    findings = list(dataset.findings)
    if unlabelled:
        findings.append(
            Finding(
                "TRN001",
                Severity.INFO,
                path,
                0,
                f"{len(unlabelled)} photos have no annotation and are not trained on",
                "label them, or save them without boxes in LabelImg if they show nothing",
            )
        )
    return Source(path, labels, {"all": chosen(dataset.records), **splits}, tuple(findings))


def _from_tfrecords(path: Path, labels: LabelMap | None) -> Source:
    own = read_label_map(path / "label_map.pbtxt")
    labels = labels or own
    splits: dict[str, list[Example]] = {}
    for shard in sorted(path.glob("*-?????-of-?????.tfrecord")):
        split = splits.setdefault(shard.name.split("-")[0], [])
        split += [_example_in(shard, offset, message, labels) for offset, message in _messages(shard)]
    every = tuple(example for examples in splits.values() for example in examples)
    return Source(path, labels, {"all": every, **{name: tuple(examples) for name, examples in splits.items()}}, ())


def _messages(shard: Path) -> Iterator[tuple[int, bytes]]:
    """Each record of a TFRecord file and where it begins; TensorFlow checks the checksums on the way."""
    offset = 0
    for message in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
        yield offset, message
        offset += struct.calcsize("<Q") + 4 + len(message) + 4


def _example_in(shard: Path, offset: int, message: bytes, labels: LabelMap) -> Example:
    features = tf.train.Example.FromString(message).features.feature

    def numbers(key: str) -> np.ndarray:
        feature = features[key]
        return np.array(feature.float_list.value or feature.int64_list.value)

    names = [text.decode() for text in features["image/object/class/text"].bytes_list.value]
    edges = [numbers(f"image/object/bbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
    difficult = numbers("image/object/difficult")
    return Example(
        source=features["image/filename"].bytes_list.value[0].decode(),
        size=(int(numbers("image/height")[0]), int(numbers("image/width")[0])),
        boxes=np.stack(edges, axis=1).astype(np.float32).reshape(-1, 4),
        ids=np.array([labels.id_of(name) for name in names], np.int32),
        difficult=difficult.astype(bool) if len(difficult) else np.zeros(len(names), bool),
        shard=(shard, offset),
    )
