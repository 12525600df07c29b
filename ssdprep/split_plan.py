"""Which photo goes into which part and which fold. Records in, lists of their paths out; opens no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from pathlib import Path, PurePosixPath
from unicodedata import normalize

from ssdprep.folds import deal_folds, fold_lists
from ssdprep.provenance import Provenance
from ssdprep.record import Record
from ssdprep.stratify import count_units, stratify

PARTS = ("train", "val", "test")
# In the order of writing: should a kill leave only some of them, what the first holds out is never trained on.
LISTS = {"test": ("test",), "val": ("val",), "train": ("train",), "trainval": ("train", "val")}


@dataclass(frozen=True, slots=True)
class ClassCount:
    """One class in one part."""

    images: int = 0
    boxes: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """What is in train, val or test."""

    images: int
    negatives: int  # photos that were labelled and show nothing
    boxes: int
    classes: dict[str, ClassCount]  # every class of the data set, by name


@dataclass(frozen=True, slots=True)
class Units:
    """How many photos, and how many with each class, where a group of copies or shots of a burst counts as one."""

    total: int
    classes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Every list before it is written."""

    lists: dict[str, frozenset[Path]]  # what each list holds, by its name without .txt, in the order of writing
    photos: dict[str, Part]  # train, val, test, without pictures that `augment` drew
    splits: dict[str, Part]  # train, val, test, with them
    held_out: int = 0  # drawn pictures that may not be used
    units: Units = field(default_factory=lambda: Units(0, {}))
    is_addition: bool = False  # whether some photos were in a part already, and stayed there


def plan(
    root: Path,
    usable: Sequence[Record],
    drawn: Provenance,
    groups: Iterable[Sequence[Path]],
    shares: dict[str, Fraction],
    *,
    seed: int,
    kfold: int,
    standing: Mapping[Path, str] | None = None,
) -> Plan:
    """Share records out, and what was drawn from those that are trained on with them.

    groups: paths of photos that stay together; those of other photos are passed over. shares: of each of `PARTS`.
    kfold: folds of trainval; 0: none. standing: the parts of photos that are in one and stay there; a photo that stays
    together with one of them comes to it. `SsdprepError` where the photos do not fill the folds.
    """
    photos = _shuffled(root, [record for record in usable if not drawn.is_drawn(record)], seed)
    groups = list(groups)
    labels, places = _labels(photos), _places(photos, groups)
    settled = _settled(photos, places, standing or {})
    parts = stratify(labels, shares, places, settled)
    part_of = {record.path: part for record, part in zip(photos, parts, strict=True)}
    with_drawn = part_of | dict.fromkeys(drawn.for_training(usable, part_of), "train")
    lists = {
        name: frozenset(path for path, part in with_drawn.items() if part in parts) for name, parts in LISTS.items()
    }
    if kfold:
        outside = [record for record in photos if part_of[record.path] != "test"]
        dealt = deal_folds(_labels(outside), kfold, _places(outside, groups))
        folds = fold_lists({record.path: fold for record, fold in zip(outside, dealt, strict=True)}, kfold)
        lists |= {name: _with_drawn(name, members, usable, drawn) for name, members in folds.items()}
    units = count_units(labels, places)
    return Plan(
        lists,
        photos={name: _part(photos, part_of, name) for name in PARTS},
        splits={name: _part(usable, with_drawn, name) for name in PARTS},
        held_out=len(usable) - len(with_drawn),
        units=Units(len(photos) - sum(len(group) - 1 for group in places), units),
        is_addition=bool(standing),
    )


def _settled(
    records: Sequence[Record], groups: Iterable[Sequence[int]], standing: Mapping[Path, str]
) -> dict[int, str]:
    """Places of records that are in a part already, or stay together with one that is.

    Of a group that is in two parts already, what is new is trained on: in val or test it would be one more photo that
    the detector knows.
    """
    settled = {place: standing[record.path] for place, record in enumerate(records) if record.path in standing}
    for group in groups:
        known = {settled[place] for place in group if place in settled}
        if part := next((name for name in PARTS if name in known), None):
            settled |= {place: part for place in group if place not in settled}
    return settled


def _with_drawn(name: str, members: frozenset[Path], usable: Sequence[Record], drawn: Provenance) -> frozenset[Path]:
    """A list of a fold, with the pictures that were drawn from its photos where it is trained on."""
    if not name.endswith("_train"):
        return members
    return members.union(drawn.for_training(usable, dict.fromkeys(members, "train")))


def _shuffled(root: Path, records: Sequence[Record], seed: int) -> list[Record]:
    """Shuffled by a hash of names, which no version of any library can change."""

    def order(record: Record) -> tuple[bytes, str]:
        name = normalize("NFC", PurePosixPath(record.path.relative_to(root).as_posix()).with_suffix("").as_posix())
        return sha256(f"{seed}/{name}".encode()).digest(), record.path.name

    return sorted(records, key=order)


def _labels(records: Sequence[Record]) -> list[list[str]]:
    return [[thing.name for thing in record.objects] for record in records]


def _places(records: Sequence[Record], groups: Iterable[Sequence[Path]]) -> list[list[int]]:
    """Where the members of each group are among the records; groups of which no two records are there are left out."""
    place = {record.path: number for number, record in enumerate(records)}
    found = ([place[path] for path in group if path in place] for group in groups)
    return [members for members in found if len(members) > 1]


def _part(records: Sequence[Record], part_of: Mapping[Path, str], name: str) -> Part:
    mine = [record for record in records if part_of.get(record.path) == name]
    boxes = Counter(thing.name for record in mine for thing in record.objects)
    images = Counter(label for record in mine for label in {thing.name for thing in record.objects})
    everywhere = sorted({thing.name for record in records if record.path in part_of for thing in record.objects})
    classes = {label: ClassCount(images[label], boxes[label]) for label in everywhere}
    return Part(len(mine), sum(not record.objects for record in mine), boxes.total(), classes)
