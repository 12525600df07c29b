"""TFRecord shards of a data set, written, read back and compared."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ssdprep import __version__, derived, images
from ssdprep.disk import sha256
from ssdprep.faults import ImageFault, damage, doubt
from ssdprep.formats.records import AGAIN, read_entries, write_entry
from ssdprep.formats.tfexample import Stored, parse_example, parse_spec, parse_stored, serialise
from ssdprep.images import Encoded
from ssdprep.labels import LabelMap, covering, write_label_map
from ssdprep.parallel import in_order, shares
from ssdprep.provenance import Provenance, read_provenance
from ssdprep.record import Finding, Record, Report, Severity, SsdprepError, Track, merged, untracked
from ssdprep.split_findings import held_out
from ssdprep.walk import folded

__all__ = ["Stored", "TfrecordReport", "parse_example", "parse_spec", "read_tfrecords", "write_tfrecords"]

NO_SPLITS, UNLISTED = "TFR001", "TFR002"
LABEL_MAP, MANIFEST = "label_map.pbtxt", "manifest.json"
SHARD_BYTES = 200_000_000  # aimed at, where the number of shards is not given
_MIX = 0  # seeds the order within a split: each shard holds a mix, and each run the same one


@dataclass(frozen=True, slots=True)
class TfrecordReport(Report):
    """What was written, and how it was checked."""

    out: Path
    splits: dict[str, dict[str, Any]]  # name -> images, negatives, boxes, classes, shards
    labels: dict[str, int]
    how: dict[str, int]  # photos by what was done to their bytes: passed through, turned without loss, transcoded
    unusable: int  # photos left out because they are damaged, or their labels broken or in doubt
    unlabelled: int  # photos left out because they have no annotation
    unlisted: int  # photos left out because they are in no split
    findings: tuple[Finding, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Everything but the findings, as JSON types."""
        return {
            "out": str(self.out),
            "splits": self.splits,
            "labels": self.labels,
            "how": self.how,
            "unusable": self.unusable,
            "unlabelled": self.unlabelled,
            "unlisted": self.unlisted,
        }


class Slot(NamedTuple):
    """A photo's place: its shard's file name, and what names it there."""

    split: str
    file: str
    source_id: str
    record: Record
    original: str  # the stem of the photo that it was drawn from; "": it is one itself


class Ready(NamedTuple):
    """A photo as it goes into a shard."""

    encoded: Encoded
    sha256: str  # of its bytes
    remark: Finding | None


class Written(NamedTuple):
    """What went into a shard, to be compared with what comes out."""

    slot: Slot
    how: str
    sha256: str  # of the photo's bytes
    checksum: int  # of the whole entry


def write_tfrecords(
    data: Path | str,
    out: Path | str | None = None,
    *,
    labels: Path | str | None = None,
    shards: int = 0,
    track: Track = untracked,
    jobs: int = 1,
) -> TfrecordReport:
    """Write ``{train,val,test}-00000-of-00004.tfrecord``, ``label_map.pbtxt`` and ``manifest.json`` into a new folder.

    Every labelled photo of a split goes in, upright: its own bytes where they are an upright RGB JPEG or PNG. Photos
    are mixed, in an order that never changes: the same folder gives the same bytes. Every coded block of a photo is
    looked at, and a damaged one becomes a finding; every shard is read back, and each entry held to the checksum that
    it was written with. ``out`` (default: DATA-tfrecord, beside DATA) appears whole or not at all.

    labels: a file that gives the ids; default: the names in use, sorted, from 1. shards: files for each split; 0: one
    for each 200 MB. Raises `SsdprepError` for a class that ``labels`` does not hold, an ``out`` that is not empty,
    a folder without a usable photo, and where what is read back differs.
    """
    if shards < 0:
        raise ValueError(f"shards must be 0 or more, not {shards}")
    data = Path(data)
    out = derived.folder_beside(data, "tfrecord") if out is None else Path(out)
    source = derived.read_source(data, track=track)
    label_map, odd_labels = covering(source.places, labels or None, source.root)
    parts = source.parts()
    drawn = read_provenance(source.root)
    slots = [slot for split, records in parts.items() for slot in _slots(split, records, source, shards, drawn)]
    with derived.new_folder(out) as folder:
        photos = [slot.record.path for slot in slots]
        ready = in_order(_ready, photos, **shares(photos, jobs)._asdict())
        pairs = zip(slots, track(ready, "Writing records", len(slots)), strict=True)
        made = list(_write_shards(folder, pairs, label_map))
        written = [each for each in made if isinstance(each, Written)]
        write_label_map(folder / LABEL_MAP, label_map)
        manifest = _manifest(folder, source, label_map, slots, written)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return TfrecordReport(
        out=out,
        splits=manifest["splits"],
        labels=manifest["labels"],
        how=manifest["how"],
        unusable=source.unusable + len(slots) - len(written),
        unlabelled=source.unlabelled,
        unlisted=len(source.records) - len(slots),
        findings=merged(
            source.findings, odd_labels, _remarks(source, parts, drawn), (e for e in made if isinstance(e, Finding))
        ),
    )


def read_tfrecords(folder: Path | str, split: str | None = None) -> Iterator[tuple[str, Stored]]:
    """Split and photo, one after the other, of a folder that `write_tfrecords` wrote: plain values, no tensors.

    Needs TensorFlow. split: only this one. Raises `SsdprepError` for another folder or a damaged shard.
    """
    for name, shards in shards_of(Path(folder)).items():
        for shard in shards if split in (None, name) else ():
            for _, _, entry in read_entries(shard):
                yield name, parse_stored(entry)


def shards_of(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The files of each split, as the manifest of a folder that `write_tfrecords` wrote names them.

    Raises `SsdprepError` for another folder, and where one of them is gone, or not as long as it was written.
    """
    try:
        text = (folder / MANIFEST).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SsdprepError(f"{folder} holds no TFRecords of ssdprep: {error}", "ssdprep tfrecord DATA") from error
    try:
        sizes = {
            split: {folder / str(shard["file"]): int(shard["bytes"]) for shard in part["shards"]}
            for split, part in json.loads(text)["splits"].items()
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SsdprepError(f"{folder / MANIFEST} is damaged", AGAIN) from error
    for path, size in (pair for shards in sizes.values() for pair in shards.items()):
        found = path.stat().st_size if path.is_file() else None
        if found != size:
            what = "is gone" if found is None else f"is damaged: it has {found:,} bytes of {size:,}"
            raise SsdprepError(f"{path} {what}", f"{AGAIN}, or copy the whole folder anew")
    return {split: tuple(shards) for split, shards in sizes.items()}


def _slots(split: str, records: Sequence[Record], source: derived.Source, count: int, drawn: Provenance) -> list[Slot]:
    """The photos of a split, mixed and dealt out to its shards, shard by shard."""
    if not count:
        count = -(-sum(record.path.stat().st_size for record in records) // SHARD_BYTES)
    count = min(max(count, 1), len(records))
    mixed = [records[i] for i in np.random.default_rng(_MIX).permutation(len(records))]
    return [
        Slot(split, f"{split}-{k:05d}-of-{count:05d}.tfrecord", source.name_of(record), record, original)
        for k in range(count)
        for record in mixed[k::count]
        for original in [drawn.original_of(record) if drawn.is_drawn(record) else ""]
    ]


def _ready(path: Path) -> Ready | Finding:
    """What the worker processes do: read a photo, and look at every block of it."""
    try:
        encoded = images.upright_bytes(path)
    except (ImageFault, OSError) as fault:
        return damage(path, fault)
    return Ready(encoded, sha256(encoded.data), doubt(path, encoded.left_over))


def _write_shards(
    folder: Path, photos: Iterable[tuple[Slot, Ready | Finding]], labels: LabelMap
) -> Iterator[Written | Finding]:
    """Write one shard after the other; compare each while the system still has it in memory."""
    for name, group in groupby(photos, key=lambda pair: pair[0].file):
        made = []
        with (folder / name).open("wb") as file:
            for slot, ready in group:
                if isinstance(ready, Finding):
                    yield ready
                    continue
                encoded, known, remark = ready
                if remark:
                    yield remark
                entry = serialise(slot.source_id, encoded, known, slot.record.objects, labels, slot.original)
                made.append(Written(slot, encoded.how, known, write_entry(file, entry)))
        _compare(folder / name, made)
        yield from made


def _compare(path: Path, made: Sequence[Written]) -> None:
    """`SsdprepError` unless a shard holds exactly the entries that were written."""
    remedy = "check the disk and run it again"
    try:
        found = [checksum for _, checksum, _ in read_entries(path)]
    except SsdprepError:
        raise SsdprepError(f"{path.name} does not read back as it was written", remedy) from None
    if len(found) != len(made):
        raise SsdprepError(f"{path.name}: {len(made)} photos were written, {len(found)} read back", remedy)
    for wrote, checksum in zip(made, found, strict=True):
        if checksum != wrote.checksum:
            raise SsdprepError(f"{path.name}: {wrote.slot.source_id} does not read back as it was written", remedy)


def _manifest(
    folder: Path, source: derived.Source, labels: LabelMap, slots: Sequence[Slot], written: Sequence[Written]
) -> dict[str, Any]:
    """All that a reader, or a person, wants to know of the shards without opening them."""
    files = {slot.file: slot.split for slot in slots}
    return {
        "written_by": {"ssdprep": __version__},
        "source": source.root.resolve().name,
        "label_map": LABEL_MAP,
        "labels": {name: labels.id_of(name) for name in labels.names},
        "splits": {split: _part(folder, split, files, written) for split in dict.fromkeys(files.values())},
        "how": dict(Counter(each.how for each in written)),
        "photos": [
            {"source_id": each.slot.source_id, "file": each.slot.file, "how": each.how, "sha256": each.sha256}
            for each in written
        ],
    }


def _part(folder: Path, split: str, files: dict[str, str], written: Sequence[Written]) -> dict[str, Any]:
    mine = [each for each in written if each.slot.split == split]
    names = [thing.name for each in mine for thing in each.slot.record.objects]
    counts = Counter(each.slot.file for each in mine)
    return {
        "images": len(mine),
        "negatives": sum(not each.slot.record.objects for each in mine),
        "boxes": len(names),
        "classes": dict(sorted(Counter(names).items())),
        "shards": [_shard(folder / file, counts[file]) for file, of in files.items() if of == split],
    }


def _shard(path: Path, count: int) -> dict[str, Any]:
    return {"file": path.name, "images": count, "bytes": path.stat().st_size}


def _remarks(source: derived.Source, parts: dict[str, tuple[Record, ...]], drawn: Provenance) -> Iterator[Finding]:
    """What the splits do not say."""
    split = f"ssdprep split {shlex.quote(str(source.root))}"
    if not source.splits:
        remedy = f"nothing, if that is meant; else {split}"
        yield Finding(
            NO_SPLITS, Severity.INFO, source.root, 0, "there are no splits: every photo goes to train", remedy
        )
    listed = {record.path for records in parts.values() for record in records}
    unlisted = [record for record in source.records if record.path not in listed]
    trained = {folded(record.path.stem) for record in parts.get("train", ())}
    pictures = {r for r in unlisted if drawn.is_drawn(r) and drawn.original_of(r) not in trained}
    for record in unlisted:
        if record not in pictures:
            yield Finding(UNLISTED, Severity.WARNING, record.path, 0, "is in no split: left out", f"{split} --add")
    if pictures:
        yield held_out(source.root, len(pictures))
