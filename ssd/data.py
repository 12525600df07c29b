"""What the detector learns from: a photo folder, or the TFRecord folder that `ssdprep tfrecord` wrote, as examples."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from ssd.examples import AGAIN, Example, RecordExamples, RecordTable, chosen, digest_of, example_of, together
from ssdprep.derived import read_source
from ssdprep.faults import damage
from ssdprep.formats.tfrecord import LABEL_MAP, MANIFEST, shards_of
from ssdprep.formats.voc import INVERTED, NO_BOX, NO_NAME, NO_NUMBER, ZERO_AREA
from ssdprep.images import ImageFault
from ssdprep.labels import LabelMap, covering, read_label_map
from ssdprep.provenance import read_provenance
from ssdprep.record import Finding, SsdprepError, Track, untracked
from ssdprep.set_checks import unlisted
from ssdprep.walk import folded, walk
from ssdprep.wording import listed, quoted

BOX_LEFT_OUT = {INVERTED, ZERO_AREA, NO_NUMBER, NO_NAME, NO_BOX}


@dataclass(frozen=True)
class Source:
    """A data set ready for a detector: its label map, its examples by split, and what was found on the way.

    ``splits`` has the key "all" and, where the data set is split, "train", "val", "test".
    """

    path: Path
    labels: LabelMap
    splits: dict[str, Sequence[Example]]
    findings: tuple[Finding, ...]
    photos_left_out: int = 0
    boxes_left_out: int = 0

    def split(self, name: str) -> Sequence[Example]:
        """The examples of a split; `SsdprepError` names those that there are."""
        if self.splits.get(name):
            return self.splits[name]
        there = [split for split, examples in self.splits.items() if examples]
        near = get_close_matches(name.casefold(), [split for split in there if split != "all"], n=1)
        meant = "".join(f"--split {split}, if that is meant; " for split in near)
        raise SsdprepError(
            f"{self.path} has no photos in split {name!r}, only in {', '.join(there)}",
            f"{meant}--split all, where it is meant as a whole; or {self.shared_out_anew}",
        )

    @property
    def shared_out_anew(self) -> str:
        """What shares its photos out anew; records stay in the split that they were written for."""
        if (self.path / MANIFEST).is_file():
            return "share out the photos that it was written from (ssdprep split --force), then ssdprep tfrecord"
        return f"ssdprep split {quoted(self.path)} --force"


def open_source(path: Path, labels: LabelMap | None = None, *, track: Track = untracked) -> Source:
    """Read a data set. ``labels`` gives the ids (a trained detector's); without it the data set's own names, sorted.

    What cannot be learnt from (photos without annotation, boxes in an unknown EXIF frame ...) is left out, with a
    finding; boxes of a class that is not in ``labels`` become `Example.strangers`. Raises `SsdprepError` where nothing
    is left.
    """
    if (path / MANIFEST).is_file():
        return _from_tfrecords(path, labels, track)
    if any(path.glob("*.tfrecord")) and not walk(path).photos:
        raise SsdprepError(
            f"{path} holds TFRecords, and no {MANIFEST} that tells of them",
            "copy the whole folder that ssdprep tfrecord wrote, or name the photos",
        )
    source = read_source(path, track=track)
    labels = labels or covering(source.places, root=path)[0]
    _require_known(path, source.places, labels)
    drawn = read_provenance(path)
    examples = {r: replace(example_of(r, labels), original=drawn.original_of(r)) for r in source.records}
    findings = (*source.findings, *unlisted(path, source.records, source.splits))
    parts = source.parts() if source.splits else {}
    splits = {name: tuple(examples[record] for record in records) for name, records in parts.items()}
    return Source(
        path,
        labels,
        {"all": tuple(examples.values()), **splits},
        findings,
        photos_left_out=len(walk(path).photos) - len(examples),
        boxes_left_out=source.boxes_left_out + sum(f.code in BOX_LEFT_OUT for f in findings),
    )


def train_and_val(source: Source, seed: int) -> tuple[Sequence[Example], Sequence[Example]]:
    """What to train on and what to validate on; never the test split.

    Without a val split, an eighth of train is set aside, by a hash of the photos' names and the seed, so that the
    choice is the same on every machine; what `ssdprep augment` drew from those photos is then left out of train.
    Without any split, the whole set counts as train; `SsdprepError` where it has others and no train.
    """
    training = _training(source)
    if source.splits.get("val"):
        return training, source.splits["val"]
    if len(training) < 2:
        raise SsdprepError(f"{source.path} has one photo to train on: it takes two", "label more photos")
    photos = chosen(training, [i for i, e in enumerate(training) if e.original in ("", folded(Path(e.source).stem))])
    validation = chosen(photos, _held_out(photos, seed, one_in=8))
    held = {e.source for e in validation} | {e.original for e in validation if e.original}
    kept = [i for i, e in enumerate(training) if e.source not in held and e.original not in held]
    return chosen(training, kept), validation


def train_with_val(source: Source) -> Sequence[Example]:
    """What to train on where nothing is to be validated on: the splits train and val, or all where there are none."""
    return together(_training(source), source.splits.get("val", ()))


def _training(source: Source) -> Sequence[Example]:
    if "train" not in source.splits and len(source.splits) > 1:
        raise SsdprepError(f"{source.path} is split, and no photo is for training", source.shared_out_anew)
    return source.split("train" if "train" in source.splits else "all")


def readable(examples: Sequence[Example], *, track: Track = untracked) -> tuple[Sequence[Example], tuple[Finding, ...]]:
    """The examples whose photos can be decoded, with their digests; a finding for each of the others.

    `SsdprepError` where none can.
    Photos in TFRecords were looked at to their last block when they were written, and their checksums held when the
    records were opened.
    """
    if isinstance(examples, RecordExamples):
        return examples, ()
    with ThreadPoolExecutor() as threads:
        checked = list(track(threads.map(_checked, examples), "Checking photos", len(examples)))
    faults = tuple(each for each in checked if isinstance(each, Finding))
    if examples and len(faults) == len(examples):
        raise SsdprepError(
            f"none of {len(faults)} photos can be read: {faults[0]}", "bring the photos back, or audit them"
        )
    return tuple(each for each in checked if isinstance(each, Example)), faults


def _checked(example: Example) -> Example | Finding:
    try:
        return replace(example, digest=digest_of(example.encoded()))
    except (ImageFault, OSError) as error:
        return damage(Path(example.source), error)


def _require_known(path: Path, present: Collection[str], labels: LabelMap) -> None:
    """`SsdprepError` with both lists where a detector has an output for none of the data's classes."""
    if present and not set(present) & set(labels.names):
        raise SsdprepError(
            f"this detector knows only {listed(labels.names)}; {path} has {listed(sorted(present))}",
            f"data labelled with its classes, or a detector for this data: python -m ssd.train {quoted(path)}",
        )


def _held_out(examples: Sequence[Example], seed: int, one_in: int) -> list[int]:
    """Indices of one in so many, spread over the rarest class of each photo, so that val sees every class it can.

    Photos without objects come last, so that they are never all that val has.
    """
    boxes = Counter(class_id for example in examples for class_id in example.ids.tolist())

    def key(i: int) -> tuple[int, int, str]:
        rarest = min(((boxes[c], c) for c in examples[i].ids.tolist()), default=(len(boxes) + boxes.total(), 0))
        return (*rarest, hashlib.sha256(f"{seed}/{Path(examples[i].source).name}".encode()).hexdigest())

    order = sorted(range(len(examples)), key=key)
    held = order[one_in // 2 :: one_in]
    with_boxes = [i for i in order if len(examples[i].ids)]
    seen = any(i in with_boxes for i in held)
    return held if seen else [*held, *with_boxes[-1:]]


def _from_tfrecords(path: Path, labels: LabelMap | None, track: Track) -> Source:
    own = path / LABEL_MAP
    table, ends = RecordTable(), dict[str, int]()
    for split, shards in shards_of(path).items():
        for shard in shards:
            for _ in track(table.add(shard), f"Reading {shard.name}"):
                pass
        ends[split] = len(table)
    if not len(table):
        raise SsdprepError(f"{path} holds no record", AGAIN)
    if not labels:
        labels = read_label_map(own)
        if missing := sorted(table.vocabulary.keys() - set(labels.names)):
            raise SsdprepError(f"the records of {path} have {listed(missing)}, which {own.name} does not name", AGAIN)
    _require_known(path, table.vocabulary, labels)
    known = set(labels.names)
    ids = np.array([labels.id_of(name) if name in known else 0 for name in table.vocabulary], np.int32)
    whole = RecordExamples(table, ids, np.arange(len(table)))
    begins = [0, *ends.values()]
    splits = {split: whole[begin:end] for begin, (split, end) in zip(begins, ends.items(), strict=False)}
    return Source(path, labels, {"all": whole, **splits}, ())
